"""The hub in one process over real PostgreSQL: every service's journal, the key store and the console's read models.

Only the log is in memory. So what an erasure must reach is where it stands in a running hub: in tables.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from hub.inprocess import InProcessHub, _Running
from hub.subject.attestation import signed_by
from hub.subject.erasure import Hub, Order, erase
from services.alerts.answers import agent as answers
from services.alerts.delivery import agent as delivery
from services.console.agent import TOPICS as SHOWN
from services.console.agent import ConsoleProcessor
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate, migrate_keystore
from spine.postgres import PostgresJournal
from spine.seal import Sealer
from spine.step import Limits, SetAside
from tests.adversary.canaries import Flock, Generator, Person, found_in
from tests.audit.ledgered import ORIGIN, SIGNER

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
JOURNALS = ("ingest", "matching", "status", "alerts", "delivery", "console", "answers")
SEALER = Sealer(bytes(range(32)), nonce=bytes)
SIGN = signed_by(SIGNER, ORIGIN)
WAITS_MAX = 50
_WORD = re.compile("[a-z]{6}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
#: About a feed, or a steward's word: nobody's data.
ABOUT_NOBODY = ("feed.", "identity.")


@dataclass
class StoredHub:
    """A council's hub whose truth is ``url``."""

    url: str
    hub: InProcessHub
    keys: PostgresKeys

    @classmethod
    def on(cls, url: str) -> StoredHub:
        for name in JOURNALS:
            migrate(url, name)
        migrate_keystore(url)
        keys = PostgresKeys(url, LocalKek(bytes(range(32))))
        hub = InProcessHub(CONTRACTS, SCHEMAS, partitions=2, keys=keys)
        made = {name: hub.processor(name) for name in hub.services}
        keys.make([answers.HASHED_UNDER])
        made |= {"answers": answers.processor(hub.catalogue, CONTRACTS)}
        made |= {"delivery": delivery.processor(hub.catalogue, CONTRACTS)}
        made |= {f"console {topic}": ConsoleProcessor(hub.catalogue, topic) for topic in SHOWN}
        for name, processor in made.items():
            journal: Any = PostgresJournal(url, name.partition(" ")[0])
            hub._running[name] = _Running(processor, journal, SetAside(Limits()))
        hub.services = tuple(made)
        return cls(url, hub, keys)

    def again(self) -> StoredHub:
        """As after a restart of everything: the log and the tables stand, what processes remembered is gone."""
        fresh = StoredHub.on(self.url)
        fresh.hub.log = self.hub.log
        return fresh

    def tell(self, *people: Person) -> None:
        """Every event of generated people, in order of receipt."""
        for event in sorted((e for person in people for e in person.events), key=lambda e: e["received_at"]):
            if not event["type"].startswith(ABOUT_NOBODY):
                self.say(event)
        self.hub.settle()

    def say(self, event: Mapping[str, Any]) -> None:
        said = {name: value for name, value in event.items() if name != "received_at"}
        self.hub.submit(said, party=event["source"], received_at=event["received_at"])

    def day(self, on: date) -> None:
        self.hub.tick(on)
        self.hub.settle()

    def person(self, number: int) -> str:
        """The person's id, by the message ids that the generator gives."""
        mark = f"%m{number}-%".encode()
        query = "SELECT key FROM status.state WHERE key LIKE 'p-%%' AND encode(body, 'escape') LIKE %s"
        (key,) = {str(row[0]) for row in self.rows(query, (mark.decode(),))}
        return key

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """Every table of the database, as it stands, in bytes."""
        query = (
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        names = self.rows(query)
        with psycopg.connect(self.url) as connection:
            for schema, table in names:
                with connection.cursor().copy(f'COPY "{schema}"."{table}" TO STDOUT (FORMAT BINARY)'.encode()) as copy:
                    yield f"{schema}.{table}", b"".join(bytes(part) for part in copy)

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Every record of the log, key, headers and value."""
        for (topic, _), held in self.hub.log._records.items():
            for record in held:
                yield topic, b"\n".join((record.key.encode(), *(v for _, v in record.headers), record.value))

    def told_of(
        self, flock: Flock, person: Person, places: Iterable[tuple[str, bytes]], *, thorough: bool = False
    ) -> dict[str, list[str]]:
        """Places that hold a value of this generated person in clear, and which. Days are no proof: others have derived
        ones. ``thorough``: also escaped, or as base64 or hex, which takes long."""
        mine = {k for k, number in flock.person_of.items() if number == person.number and not _DAY.fullmatch(k)}
        # Words alone: seven digits may stand in any hash.
        words = {key: key.encode() for key in mine if _WORD.search(key)}
        found: dict[str, list[str]] = {}
        for name, body in places:
            plain = body.lower().translate(None, b" '+-")
            held = set(found_in(flock, body)) & mine if thorough else {k for k, word in words.items() if word in plain}
            if held:
                found.setdefault(name, []).extend(f"{key} {sorted(map(str, flock.origins[key]))}" for key in held)
        return found

    def shop(self, engine: sa.Engine, wait: Callable[[], bool] | None = None) -> Hub:
        waited = iter(range(WAITS_MAX))

        def settle() -> bool:
            self.hub.settle()
            return next(waited, None) is not None

        return Hub(self.url, engine, self.hub.log, self.hub.catalogue, self.keys, named, wait or settle, SIGN)

    def erase(self, engine: sa.Engine, person_id: str, at: datetime, ground: str = "request") -> Mapping[str, Any]:
        return erase(self.shop(engine), Order(person_id, ground, "R. Osei", "J. Marsh", at))


def named(ref: str) -> str:
    """As the gate names a reference (services/ingest/agent.py)."""
    return base64.b64encode(SEALER.fingerprint(b"source_ref\0" + ref.encode())).decode()


def flock_of(count: int) -> tuple[Flock, list[Person]]:
    """Generated people who say a good deal; the first ones of them."""
    flock = Generator(CONTRACTS, str).build()
    return flock, sorted(flock.people, key=lambda person: -len(person.events))[:count]
