"""A console with generated people: real processor, real PostgreSQL, pages by a test client or by a browser."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi.testclient import TestClient

from hub.issuer.__main__ import signs_in
from hub.issuer.sign_in import create_app as sign_in_app
from hub.layout import Home
from hub.machine.ports import free_ports
from hub.up.plan import Addresses, write_sign_in
from services.console import acting, brand, oidc, people
from services.console.agent import SERVICE, TOPICS, processor
from services.console.doings import Doings
from services.console.project import ref_of
from services.console.reader import Reader
from services.console.redrives import Redrives
from services.console.reports import Reports
from services.console.sessions import Sessions, secret_of
from services.console.steward import Door, NotTaken
from services.console.tables import META
from services.console.visit import Console
from services.console.web import create_app
from spine.clock import now
from spine.journal import Position
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.publisher import publish
from spine.record import Effect
from spine.schema import Catalogue
from spine.step import Limits, SetAside, encode_effects, step
from spine.who.issuer_keys import IssuerKeys

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
TODAY = date(2026, 11, 25)
NAMES = ("Aisha Verity", "Callum Tansley", "Ewa Brandt", "Jordan Pike", "Leila Farouk", "Milo Hartnell", "Tia Osgood")
#: Rule, the title as disclosure writes it, severity.
HEADLINES = (
    ("A02", "Left learning, destination unknown", "P2"),
    ("A08", "September Guarantee: no offer", "P4"),
    ("A05", "Sources disagree", "P3"),
    ("A10", "Attendance very low", "P2"),
    ("A11", "Absent for several days without explanation", "P2"),
    ("A36", "Homelessness risk", "P1"),
    ("A07", "Agreed start not taken up", "P3"),
)


def line(label: str, value: str, category: str = "status") -> dict[str, str]:
    return {"label": label, "value": value, "category": category}


def span(start: date, end: date | None, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def view_of(headline: str, name: str, **more: Any) -> dict[str, Any]:
    view: dict[str, Any] = {
        "headline": headline,
        "lines": [
            line("Name", name, "identity"),
            line("Date of birth", "14 March 2009", "identity"),
            line("Before", "In full-time education at Northvale College, since 7 September 2026"),
            line("Now", "Not in education, employment or training"),
            line("Happened on", "3 November 2026"),
            line("Known since", "4 November 2026"),
            line("Told by", "Northvale College"),
            line("Reason given", "Did not attend", "education"),
        ],
        "why": [
            f"Northvale College told us on 4 November that {name.split()[0]} left.",
            "You are in 16 to 18 tracking, and nobody else holds the case.",
            "Rule: Left learning, destination unknown.",
            "The agreement lets us share name, date of birth and status with the Inclusion Team.",
        ],
        "todo": ["Ring within two working days.", "Offer a careers appointment.", "Record what came of it."],
        "timeline": [
            span(date(2025, 9, 3), date(2026, 7, 10), "School sixth form"),
            span(date(2026, 7, 11), date(2026, 9, 6), "Not known"),
            span(date(2026, 9, 7), date(2026, 11, 2), "Full-time education"),
            span(date(2026, 11, 3), None, "Not in education, employment or training"),
        ],
        "withheld": [{"what": "send", "why": "agreement"}, {"what": "health", "why": "mask"}],
        "agreements": ["ISA-2024-011@1.0"],
        "policy": "f00d",
    }
    return view | more


@dataclass
class Desk:
    """Feeds facts and shows what came of them."""

    url: str
    journal: PostgresJournal = field(init=False)
    log: MemoryLog = field(init=False)
    clock: datetime = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    number: int = 0

    def __post_init__(self) -> None:
        self.journal = PostgresJournal(self.url, SERVICE)
        self.log = MemoryLog(dict.fromkeys((*TOPICS, "statuses", "quarantine"), 1), CATALOGUE.frame)
        self.processor = processor(CATALOGUE, CONTRACTS)
        self.aside = SetAside(Limits())

    def tell(self, topic: str, key: str, kind: str, fields: dict[str, Any]) -> None:
        self.number += 1
        self.log.append(encode_effects("test", f"cause-{self.number}", [Effect(topic, key, kind, fields)], CATALOGUE))

    def settle(self) -> None:
        for topic in TOPICS:
            held = self.journal.positions(topic).get((topic, 0), Position(0))
            records = self.log.read({(topic, 0): held.next}, 1000)
            step(records, self.processor, self.journal, CATALOGUE, self.aside)
        assert self.aside.poisoned == 0

    def alert(
        self,
        alert_id: str = "a1",
        *,
        name: str = NAMES[0],
        headline: str = "",
        person: str = "",
        rule: str = "A01",
        act: str = "raised",
        severity: str = "P2",
        due: date = TODAY + timedelta(days=2),
        is_open: bool = True,
        told: list[dict[str, Any]] | None = None,
        times: int = 1,
        test: bool = False,
        settle: bool = True,
        at: datetime | None = None,
        raised: date = TODAY - timedelta(days=2),
        on: date = TODAY,
        **view: Any,
    ) -> str:
        """Raise an alert (for the inclusion team's Beth Novak unless said otherwise); returns its name in paths."""
        shown = view_of(headline or f"Left learning, destination unknown: {name}", name, **view)
        default = [{"role": "inclusion-team", "team": "inclusion-south", "worker": "w-4401"}]
        recipients = [{"view": shown, **r} for r in (default if told is None else told)]
        fields = {
            "alert_id": alert_id,
            "rule": rule,
            "person_id": person or f"p-{name}",
            "act": act,
            "on": on,
            "at": at or datetime(2026, 11, 23, 8, 0, tzinfo=UTC) + timedelta(minutes=self.number),
            "raised_on": raised,
            "due_on": due,
            "severity": severity,
            "open": is_open,
            "times": times,
            "because": "ground_word_that_stays_out",
            "caused_by": "o1",
            "test": test,
            "recipients": recipients,
            "policy": "f00d",
        }
        self.tell("alerts", fields["person_id"], "alert.v1", fields)
        if settle:
            self.settle()
        return ref_of(alert_id)

    def crowd(self, count: int = 12) -> None:
        """A day's inbox of invented people."""
        for n in range(count):
            rule, words, severity = HEADLINES[n % len(HEADLINES)]
            owner = ("w-4401", None, "w-4403")[n % 3] if n else "w-4401"
            told = [{"role": "inclusion-team", "team": "inclusion-south", "worker": owner}]
            name = NAMES[(n * 3 + n // 7) % len(NAMES)]
            due = TODAY + timedelta(days=(-6, -1, 0, 1, 2, 5, 9, 12)[n % 8])
            raised = min(due, TODAY) - timedelta(days=3)
            self.alert(
                f"crowd-{n}", name=name, headline=f"{words}: {name}", rule=rule, severity=severity, due=due, told=told,
                times=1 + (n % 4 == 1) * 2, settle=False, raised=raised, on=raised,
            )  # fmt: skip
        self.settle()

    def delivery(self, alert_id: str = "a1", state: str = "delivered", channel: str = "email", **more: Any) -> None:
        fields = {
            "delivery_id": f"{alert_id}-{channel}", "alert_id": alert_id, "role": "inclusion-team",
            "team": "inclusion-south", "worker": "w-4401", "rule": "A01", "act": "raised", "due_on": TODAY,
            "severity": "P2", "channel": channel, "state": state, "attempt": 1, "reason": "",
            "at": datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
        }  # fmt: skip
        self.tell("deliveries", alert_id, "delivery.v1", fields | more)
        self.settle()

    def review(self, review_id: str = "r1", *, state: str = "open", given_name: str = "Callum", **more: Any) -> None:
        held = subject(given_name=given_name, source_ref="HPA2-6001")
        known = subject(given_name="Calum", source_ref="NGA-4471", date_of_birth=date(2008, 5, 2), upn="A123456789012")
        candidate = {
            "person_id": "p-77", "weight_millibits": 8100, "reasons": ["family name agrees", "postcode agrees"],
            "subject": known, "source": "northgate-academy", "source_ref": "NGA-4471",
        }  # fmt: skip
        fields = {
            "review_id": review_id, "state": state, "authority": "northshire", "person_id": "stub-1",
            "source": "northshire-housing", "source_ref": "HPA2-6001",
            "opened_at": datetime(2026, 11, 24, 8, tzinfo=UTC),
            "closed_at": None, "safeguarding": True, "reason": "dob_near", "subject": held, "candidates": [candidate],
            "outcome": "", "message_id": None,
        }  # fmt: skip
        self.tell("reviews", review_id, "review.v1", fields | more)
        self.settle()

    def refusal(self, reason: str = "not_in_agreement") -> None:
        fault = {"pointer": "/data/health", "code": "not_shared", "message": "Leave it out.", "expected": ""}
        fields = {
            "submission_id": "s1", "party": "southmere-college", "message_id": "m1", "type": "person.registered",
            "received_at": datetime(2026, 11, 24, 8, tzinfo=UTC), "door": "http", "reason": reason, "faults": [fault],
        }  # fmt: skip
        self.tell("refusals", "southmere-college", "refusal.v1", fields)
        self.settle()

    def observation(
        self, kind: str = "education.enrolment.started", message_id: str = "m9", party: str = "northvale-college",
        *, at: datetime = datetime(2026, 11, 24, 10, tzinfo=UTC), on: date = date(2026, 11, 24), settle: bool = True,
        source_kind: str = "", data: bytes = b"", test: bool = False,
    ) -> None:  # fmt: skip
        """An accepted event. Its data is bytes that nothing could read: the console must not want to."""
        fields = {
            "source": party, "source_kind": source_kind or "provider", "message_id": message_id, "type": kind,
            "effective_on": on, "received_at": at, "sequence": None, "withheld": [], "dropped": [],
            "agreement": "isa-2024-011@1.0.0", "policy": "f00d", "authority": "northshire", "test": test,
            "subject": b"unreadable", "data": data or b"unreadable", "sealed_under": None,
        }  # fmt: skip
        self.tell("observations", "northshire", "observation.v1", fields)
        if settle:
            self.settle()

    def extract(self, rows: int, on: date, party: str = "northvale-college") -> None:
        told = {"feed_source": party, "shape": "snapshot", "rows": rows, "leaver_rows": 0}
        data = CATALOGUE.encode("feed.extract_received.data.v1", told)
        self.observation(
            "feed.extract_received", f"extract-{on}", "northshire-steward", on=on, source_kind="hub-steward", data=data
        )

    def sent(self, topic: str = "statuses") -> list[dict[str, Any]]:
        """What the console's publisher brings to the log."""
        publish(self.journal, self.log)
        records = self.log.read({(topic, 0): 0}, 1000)
        return [{**CATALOGUE.fact(record).fields, "_key": record.key} for record in records]

    def console(self, **more: Any) -> Console:
        engine = self.journal.engine
        parts: dict[str, Any] = {
            "reader": Reader(engine),
            "doings": Doings(self.journal, engine, CATALOGUE, 1),
            "sessions": Sessions(engine, secret_of(engine), lambda: self.clock, 1000),
            "people": people.load(CONTRACTS),
            "brand": brand.load(CONTRACTS),
            "door": Door("", ""),
            "redrives": Redrives(engine),
            "limits": acting.load(CONTRACTS),
            "contracts": CONTRACTS,
            "clock": lambda: self.clock,
            "demo": True,
            "live_seconds": 0.2,
        }
        return Console(**(parts | more))


def subject(**fields: Any) -> bytes:
    whole: dict[str, Any] = {
        "source_ref": None, "given_name": None, "family_name": "Tansley", "other_names": [],
        "date_of_birth": date(2008, 5, 3), "sex": "male", "postcode": "NS1 4QT", "address_line": "4 Mill Lane",
        "phone": None, "email": None, "nhs_number": None, "uln": None, "upn": None, "nino": None, "other_refs": {},
    }  # fmt: skip
    return CATALOGUE.encode("subject.v1", whole | fields)


@dataclass
class Visit:
    """A test client that signs in and posts forms with their token."""

    client: TestClient

    def sign_in(self, user: str) -> Visit:
        page = self.client.get("/sign-in")
        answer = self.client.post("/sign-in", data={"user": user, "csrf": token(page.text)})
        assert answer.status_code == 200, answer.text
        return self

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, path: str, page: str = "/about", **data: Any) -> Any:
        csrf = token(self.client.get(page).text)
        return self.client.post(path, data={"csrf": csrf, **data})


def token(text: str) -> str:
    return text.split('name="csrf" value="', 1)[1].split('"', 1)[0]


@pytest.fixture(scope="session")
def console_database(postgres_url: str) -> Iterator[str]:
    """One migrated database for all tests of the pages; each begins with empty tables."""
    name = f"console_{uuid.uuid4().hex[:12]}"
    base, _, rest = postgres_url.rpartition("/")
    _, question, options = rest.partition("?")
    url = f"{base}/{name}{question}{options}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    migrate(url, SERVICE)
    yield url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def desk(console_database: str) -> Iterator[Desk]:
    made = Desk(console_database)
    tables = [*META.tables, "inbox", "outbox", "state", "decision", "source_offset"]
    with made.journal.engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"))
    yield made
    made.journal.close()


@pytest.fixture
def visit(desk: Desk) -> Iterator[Visit]:
    with TestClient(create_app(desk.console())) as client:
        yield Visit(client)


@dataclass
class Served:
    """The pages on a loopback port, for a browser."""

    desk: Desk
    url: str


@contextmanager
def serving(app: Any, port: int) -> Iterator[str]:
    """The application on a loopback port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


class Rehearsing(Door):
    """A door that has verdicts on whatever waits, and wants two people for it."""

    def redrive(self, asked: Mapping[str, Any], at: datetime) -> Mapping[str, Any] | NotTaken:
        if not asked["dry_run"] and len(asked["by"]) < 2:
            return NotTaken("two_people")
        passing = {"type": "education.enrolment.started", "outcome": "accepted", "codes": [], "count": 30}
        again = {"type": "person.registered", "outcome": "not_in_agreement", "codes": ["not_shared"], "count": 1_970}
        return {"waiting": 2_101, "judged": 2_000, "outcomes": [passing, again], "alone_max": 20, "redriven": 30}


@pytest.fixture
def served(desk: Desk, tmp_path: Path) -> Iterator[Served]:
    (port,) = free_ports(1)
    with serving(create_app(desk.console(reports=Reports(tmp_path), door=Rehearsing("", ""))), port) as url:
        yield Served(desk, url)


@pytest.fixture
def served_by_provider(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The pages and the demo's sign-in, each as its process reads the files that ``hub up --demo`` writes."""
    ours, theirs = free_ports(2)
    home = Home(tmp_path)
    write_sign_in(home, Addresses("", "", "", {"sign-in": theirs}))
    url = f"http://127.0.0.1:{ours}"
    for name, value in (("FILE", home.oidc), ("SECRET_FILE", home.oidc_secret)):
        monkeypatch.setenv(f"HUB_OIDC_{name}", str(value))
    monkeypatch.setenv("HUB_CONSOLE_URL", url)
    monkeypatch.setenv("HUB_CONTRACTS", str(CONTRACTS))
    secret = home.oidc_secret.read_text().strip()
    provider = oidc.load(home.oidc, secret, url, IssuerKeys(time.monotonic))
    # A token's times are the machine's.
    console = desk.console(provider=provider, demo=False, clock=now)
    with serving(sign_in_app(signs_in()), theirs), serving(create_app(console), ours):
        yield url


@pytest.fixture
def served_desk(served: Served) -> Desk:
    return served.desk


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="write docs/images from generated people")
