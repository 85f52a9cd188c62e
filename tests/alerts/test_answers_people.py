"""The read API about people: by the party's own reference, as much as agreements let its role read, written down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from hub.inprocess import InProcessHub
from services.alerts.answers import beliefs
from services.alerts.answers.__main__ import asking
from services.alerts.answers.agent import HASHED_UNDER, SERVICE, ReferenceProcessor, given, hashed, write
from services.alerts.answers.beliefs import Beliefs, Known, body_of
from services.alerts.answers.door import Api, create_app
from services.alerts.answers.overreach import TOPIC, Tried, Tries, untold
from services.alerts.answers.people import Asked, Shown, router
from services.alerts.answers.store import PostgresHeld
from services.alerts.belief import parse
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.earlier import believed
from services.alerts.reading import Breached, read
from services.alerts.settings import load
from services.alerts.sharing import Closed, Sharing
from services.alerts.state import Recipient, State, decode
from spine.journal import MemoryJournal
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.record import Changes, Fact
from spine.schema import Catalogue
from spine.step import Limits, SetAside, step
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import ANSWERS
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard
from tests.benchmarks.lives import CARE, CAREERS, COLLEGE, county

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUSING = "northshire-housing"


@dataclass(slots=True)
class MemoryHeld:
    """References and states of an in-process hub."""

    hub: InProcessHub
    sharing: Sharing
    shown: list[Shown] = field(default_factory=list)
    moved: list[dict[str, str]] = field(default_factory=list)

    def meant(self, party: str, ref: str) -> State | None:
        asked = (party, hashed(self.hub.keys, party, ref))
        found = {row["person_id"] for row in (*rows(self.hub), *self.moved) if (row["party"], row["ref"]) == asked}
        return decode(self.hub.states("alerts")[found.pop()]) if len(found) == 1 else None

    def known(self, person_id: str, moment: datetime) -> Known | None:
        kept: list[tuple[datetime, bytes]] = []
        for fact in self.hub.facts("statuses"):
            told = fact.fields if fact.is_a("status") and fact.fields["person_id"] == person_id else None
            if told is not None and told["belief"] is not None and body_of(fact) not in [body for _, body in kept[-1:]]:
                kept.append((max([told["known_at"], *(at for at, _ in kept[-1:])]), body_of(fact)))
        found = [Known(at, parse(orjson.loads(body))) for at, body in kept if at <= moment]
        return found[-1] if found else None

    def settings(self) -> Settings:
        return replace(rules(), sharing=self.sharing)

    def write_down(self, shown: Shown) -> None:
        self.shown.append(shown)


@lru_cache(maxsize=1)
def rules() -> Settings:
    return load(CONTRACTS)


@lru_cache(maxsize=1)
def parties() -> dict[str, Asked]:
    return asking(CONTRACTS)


@lru_cache(maxsize=1)
def references(number: int) -> list[dict[str, str]]:
    hub = HUBS[number]
    return [row for fact in hub.facts("statuses") if (row := given(fact, hub.catalogue)) is not None]


#: By number: a hub is no key of a memo.
HUBS: dict[int, InProcessHub] = {}


def rows(hub: InProcessHub) -> list[dict[str, str]]:
    return references(id(hub))


@pytest.fixture(scope="module")
def hub() -> InProcessHub:
    made = county(12)
    made.keys.make([HASHED_UNDER])
    HUBS[id(made)] = made
    return made


def client(held: MemoryHeld, mode: str = "live", tried: Tried = untold) -> TestClient:
    keys = [
        ApiKey(party, party, hashlib.sha256(party.encode()).digest(), mode, scopes=frozenset({ANSWERS}))  # type: ignore[arg-type]
        for party in (COLLEGE, HOUSING, CARE, CAREERS)
    ]
    hearing = Hearing(lambda: KeyRing(keys), Heard(lambda: 0.0))
    rate = Rate(PartyLimits(1000, 1000), lambda: 0.0)
    mounted = (router(held, parties().get, lambda: NOW, tried),)
    return TestClient(create_app(Api(hearing, rate, lambda: NOW, [], mounted, tried)))


def ask(held: MemoryHeld, party: str, ref: str, mode: str = "live", what: str = "person", **more: str) -> Any:
    question = {"ref": ref, **more}
    return client(held, mode).post(f"/v1/people/{what}", json=question, headers={"X-Api-Key": party})


def test_a_case_system_reads_what_agreements_let_its_role_and_it_is_written_down(hub: InProcessHub) -> None:
    held = MemoryHeld(hub, rules().sharing)
    answer = ask(held, CARE, f"{CARE}-3", role="personal-adviser")
    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert {"Name", "Status today"} <= {line["label"] for line in read["lines"]}
    assert read["timeline"]
    (shown,) = held.shown
    assert (shown.party, shown.asked, shown.role) == (CARE, "person", "personal-adviser")
    assert shown.agreements and set(shown.agreements.split(",")) == set(read["agreements"])


def test_another_role_reads_what_is_its_own(hub: InProcessHub) -> None:
    held = MemoryHeld(hub, rules().sharing)
    careers = ask(held, CAREERS, f"{CAREERS}-3")
    assert careers.status_code == 200
    categories = {line["category"] for line in careers.json()["lines"]}
    mask = rules().policy.masks.roles["careers-adviser"]
    assert categories <= mask


def test_a_college_reads_of_nobody_without_an_alert_since_its_agreement_names_rules(hub: InProcessHub) -> None:
    assert ask(MemoryHeld(hub, rules().sharing), COLLEGE, f"{COLLEGE}-3").status_code == 404


@pytest.mark.parametrize(("party", "role"), [(CARE, "personal-adviser")])
def test_alerts_are_those_that_the_role_was_told_of_without_the_rule(hub: InProcessHub, party: str, role: str) -> None:
    held, items = MemoryHeld(hub, rules().sharing), 0
    for number in range(12):
        state = held.meant(party, f"{party}-{number}")
        assert state is not None
        answer = ask(held, party, f"{party}-{number}", what="alerts", role=role)
        open_ones = {a.alert_id for a in state.alerts if a.open and role in {r.role for r in a.recipients}}
        if answer.status_code == 404:
            assert not open_ones
            continue
        read = answer.json()["items"]
        assert {item["alert_id"] for item in read} == open_ones
        assert all(item["headline"] and "rule" not in item for item in read)
        items += len(read)
    assert items > 0, "no alert of this county is theirs: the test shows nothing"


@pytest.mark.parametrize("what", ["person", "alerts"])
@pytest.mark.parametrize(
    ("party", "ref", "mode", "role"),
    [
        (COLLEGE, "nobody", "live", ""),
        (COLLEGE, "northshire-social-care-3", "live", ""),
        (HOUSING, f"{COLLEGE}-3", "live", ""),
        (CARE, f"{CARE}-3", "test", ""),
        (CARE, f"{CARE}-3", "live", "yjt-case-manager"),
        (COLLEGE, f"{COLLEGE}-3", "live", "social-worker"),
        (CARE, "nobody", "live", ""),
    ],
)
def test_what_is_not_for_the_caller_is_not_there_and_reads_the_same(
    hub: InProcessHub, party: str, ref: str, mode: str, role: str, what: str
) -> None:
    held = MemoryHeld(hub, rules().sharing)
    answer = ask(held, party, ref, mode, what, role=role)
    assert answer.status_code == 404
    assert answer.content == ask(held, COLLEGE, "unheard-of").content
    assert not held.shown


def test_a_question_that_is_none_is_told_each_fault_by_its_place_and_nothing_of_what_was_sent(
    hub: InProcessHub,
) -> None:
    held = MemoryHeld(hub, rules().sharing)
    wrong = {"ref": ["Aisha Khan"], "name": "Aisha Khan", "role": 7}
    answer = client(held).post("/v1/people/person", json=wrong, headers={"X-Api-Key": CARE})
    assert answer.status_code == 422
    assert {fault["at"] for fault in answer.json()["faults"]} == {"body.ref", "body.role", "body.name"}
    assert b"Aisha" not in answer.content


def test_without_agreements_nobody_is_answered_anything(hub: InProcessHub) -> None:
    held = MemoryHeld(hub, Closed())
    assert ask(held, CARE, f"{CARE}-3").status_code == 404
    assert not held.shown


def test_where_access_cannot_be_written_nothing_leaves(hub: InProcessHub, monkeypatch: pytest.MonkeyPatch) -> None:
    held = MemoryHeld(hub, rules().sharing)

    def away(self: MemoryHeld, shown: Shown) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(MemoryHeld, "write_down", away)
    made = TestClient(client(held).app, raise_server_exceptions=False)
    answer = made.post("/v1/people/person", json={"ref": f"{CARE}-3"}, headers={"X-Api-Key": CARE})
    assert answer.status_code == 500
    assert b"Lane" not in answer.content


def test_a_reference_of_which_two_people_are_meant_means_nobody(hub: InProcessHub) -> None:
    held = MemoryHeld(hub, rules().sharing)
    assert ask(held, CARE, f"{CARE}-3").status_code == 200
    ref = hashed(hub.keys, CARE, f"{CARE}-3")
    fact = next(f for f in hub.facts("statuses") if (row := given(f, hub.catalogue)) is not None and row["ref"] == ref)
    others = {row["person_id"] for row in rows(hub)} - {fact.fields["person_id"]}
    row = given(Fact(fact.kind, "moved", {**fact.fields, "person_id": min(others)}), hub.catalogue)
    assert row is not None and row["ref"] == ref
    held.moved.append(row)
    assert ask(held, CARE, f"{CARE}-3").status_code == 404


def test_references_are_kept_only_as_keyed_hashes(hub: InProcessHub) -> None:
    held = [value for row in rows(hub) for value in (row["ref"], row["observation_id"])]
    assert not any(COLLEGE in value for value in held)
    assert hashed(hub.keys, COLLEGE, "1") != hashed(hub.keys, HOUSING, "1")


def test_the_processor_has_no_effect_and_forgets_what_did_not_commit(hub: InProcessHub) -> None:
    made = ReferenceProcessor(hub.catalogue)
    with MemoryJournal().transaction() as transaction:
        made.begin(("statuses", 0), [], transaction)
        for fact in hub.facts("statuses"):
            assert made.apply(fact).effects == ()
        assert len(made.rows) == len({row["observation_id"] for row in rows(hub)}) > 100
        made.discard()
        assert not made.rows
        assert made.changes().states == {}


@pytest.mark.postgres
def test_on_a_database_whom_a_reference_means_follows_the_log(hub: InProcessHub, fresh_database: str) -> None:
    """The step writes references as it decides; an observation that moves to another person takes them along."""
    for service in (SERVICE, "alerts"):
        migrate(fresh_database, service, ROOT / "services" / "alerts")
    catalogue = Catalogue([ROOT / "schemas" / "avro"], hub.keys)
    journal, held = PostgresJournal(fresh_database, SERVICE), PostgresHeld(fresh_database, CONTRACTS, hub.keys)
    alerts = PostgresJournal(fresh_database, "alerts")
    try:
        with alerts.transaction() as transaction:
            states = {key: (body, None) for key, body in hub.states("alerts").items()}
            transaction.save(("statuses", 0), Changes(states))
        for n in range(hub.log.partitions("statuses")):
            records = hub.log.read({("statuses", n): 0}, 10_000, 0)
            step(records, ReferenceProcessor(catalogue), journal, catalogue, SetAside(Limits()))
        memory = MemoryHeld(hub, rules().sharing)
        meant = held.meant(CARE, f"{CARE}-3")
        assert meant is not None and meant == memory.meant(CARE, f"{CARE}-3")
        assert held.meant(COLLEGE, f"{CARE}-3") is None
        for fact in (f for f in hub.facts("statuses") if f.fields.get("person_id") == meant.person_id):
            at = fact.fields["known_at"]
            here, there = held.known(meant.person_id, at), memory.known(meant.person_id, at)
            assert here == there
        held.write_down(Shown(NOW, CARE, "key:a", "personal-adviser", meant.person_id, "person", "a@1", "p"))
        moved = next(row for row in rows(hub) if row["person_id"] == meant.person_id and row["party"] == CARE)
        with journal.engine.begin() as connection:
            write(connection, {moved["observation_id"]: {**moved, "person_id": "p-other"}}, [])
        assert held.meant(CARE, f"{CARE}-3") is None, "two are meant: nobody is"
        with journal.engine.begin() as connection:
            write(connection, {}, [(moved["observation_id"], "p-other")])
        assert held.meant(CARE, f"{CARE}-3") == meant
        last = Beliefs()
        apart = {**fact.fields, "cause": "withdrawn", "known_at": NOW}
        last.hear(Fact(fact.kind, "apart", apart))
        with journal.engine.begin() as connection:
            beliefs.write(connection, last, ())
        before = held.known(meant.person_id, at)
        assert before is not None and before.belief is None, "taken apart: of before nothing is told"
        now_known = held.known(meant.person_id, NOW)
        assert now_known is not None and now_known.belief is not None
        with journal.engine.begin() as connection:
            beliefs.write(connection, Beliefs(), {meant.person_id})
        assert held.known(meant.person_id, NOW) is None, "erased"
    finally:
        held.close()
        journal.close()
        alerts.close()


def test_who_asks_as_a_role_that_is_not_its_own_is_told_of_and_named_by_nothing_that_was_sent(
    hub: InProcessHub,
) -> None:
    journal = MemoryJournal()
    tries = Tries(journal, hub.catalogue, lambda: NOW)
    held = MemoryHeld(hub, rules().sharing)
    for ref in ("one", "one", "another"):
        for mode in ("live", "test"):
            asking_as = client(held, mode, tries).post(
                "/v1/people/person", json={"ref": ref, "role": "dpo"}, headers={"X-Api-Key": CARE}
            )
            assert asking_as.status_code == 404
    told = journal.unsent(100)
    assert {row.topic for row in told} == {TOPIC} and len(told) == 2
    facts = [hub.catalogue.decode(row.kind, row.body) for row in told]
    assert {(fact["who"], fact["party"], fact["doing"]) for fact in facts} == {(f"key:{CARE}", CARE, "role")}
    assert len({fact["person_id"] for fact in facts}) == 1
    assert "another" not in str(facts)
    heard = [read(Fact(row.kind, row.event_id, fact), hub.catalogue) for row, fact in zip(told, facts, strict=True)]
    assert [one.seen.source for one in heard if isinstance(one, Breached)] == [CARE, CARE]


def lives(hub: InProcessHub) -> tuple[str, list[Fact]]:
    """A reference of social care, and the beliefs of whom it means, where they changed most often."""
    held, found = MemoryHeld(hub, rules().sharing), []
    for number in range(12):
        state = held.meant(CARE, f"{CARE}-{number}")
        assert state is not None
        mine = [f for f in hub.facts("statuses") if f.is_a("status") and f.fields["person_id"] == state.person_id]
        told = [fact for fact in mine if fact.fields["belief"] is not None]
        found.append((len({body_of(fact) for fact in told}), f"{CARE}-{number}", told))
    _, ref, told = max(found, key=lambda one: one[:2])
    return ref, told


def asks(held: MemoryHeld, ref: str, **dates: str) -> dict[str, Any]:
    answer = ask(held, CARE, ref, role="personal-adviser", **dates)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_status_of_another_day_is_that_of_the_timeline_and_who_it_is_stays(hub: InProcessHub) -> None:
    held, (ref, _) = MemoryHeld(hub, rules().sharing), lives(hub)
    today = asks(held, ref)
    first = today["timeline"][0]
    then = asks(held, ref, on=first["start"])
    assert then["on"] == first["start"] and then["timeline"] == today["timeline"]
    assert {"label": "Status", "value": first["label"], "category": "status"} in then["lines"]
    of_whom = [line for line in today["lines"] if line["category"] in ("identity", "contact")]
    assert of_whom and [line for line in then["lines"] if line["category"] in ("identity", "contact")] == of_whom
    assert held.shown[-1].asked == f"person on {first['start']}"


def test_as_known_at_a_moment_is_what_was_believed_then_and_it_is_said_that_it_is_told_otherwise_now(
    hub: InProcessHub,
) -> None:
    held, (ref, told) = MemoryHeld(hub, rules().sharing), lives(hub)
    moments = sorted({fact.fields["known_at"] for fact in told})
    answers = [asks(held, ref, known=moment.isoformat()) for moment in moments]
    assert all(one["since"] is None or one["since"] <= one["known"] for one in answers)
    assert len({str(one["timeline"]) for one in answers}) > 1
    assert answers[-1]["told_otherwise"] is False
    for one in (one for one in answers if one["since"]):
        now = asks(held, ref, on=one["on"])
        status = [line["value"] for line in one["lines"] if line["label"] == "Status"]
        otherwise = status != [line["value"] for line in now["lines"] if line["label"].startswith("Status")]
        assert one["told_otherwise"] or not otherwise, "what is told otherwise now is said to be"
        assert not [line for line in one["lines"] if line["category"] in ("identity", "contact")]
        assert all(span["start"] <= one["known"][:10] for span in one["timeline"]), "nothing of what was ahead"
    assert " known " in held.shown[0].asked


def test_of_a_time_of_which_nothing_is_kept_nothing_is_said(hub: InProcessHub) -> None:
    held, (ref, _) = MemoryHeld(hub, rules().sharing), lives(hub)
    before = asks(held, ref, known="2001-01-01")
    assert (before["since"], before["lines"], before["timeline"]) == (None, [], [])
    assert (before["known"], before["on"]) == ("2001-01-01T23:59:59.999999+00:00", "2001-01-01")


def test_what_was_known_then_is_read_by_the_agreements_of_today(hub: InProcessHub) -> None:
    ref, told = lives(hub)
    then = told[-1].fields["known_at"].isoformat()
    assert ask(MemoryHeld(hub, Closed()), CARE, ref, known=then).status_code == 404
    assert ask(MemoryHeld(hub, rules().sharing), CARE, ref, what="alerts", known=then).status_code == 422


def test_days_of_a_source_of_which_nothing_is_held_any_more_are_not_shown(hub: InProcessHub) -> None:
    held, (ref, told) = MemoryHeld(hub, rules().sharing), lives(hub)
    state = held.meant(CARE, ref)
    assert state is not None and state.last_day is not None
    case = Case(replace(state, facts=tuple(f for f in state.facts if f.source == CARE)), state.last_day, rules().policy)
    belief = parse(orjson.loads(body_of(told[-1])))
    view = believed(case, Recipient("personal-adviser"), held.sharing, belief, state.last_day, state.last_day)
    gone = [span for span in belief.timeline if span.source not in ("", CARE)]
    shown = {(span.start, span.label) for span in view.timeline}
    assert gone and all((span.start, "Not shown") in shown for span in gone if span.start in {day for day, _ in shown})


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        (
            {"known": "tomorrow", "on": "31 March"},
            {"known": "moment_form", "on": "date_from_datetime_parsing"},
        ),
        (
            {"known": "2026-03-21", "on": "2026-03-21", "ref": ""},
            {"known": "ahead", "on": "ahead", "ref": "string_too_short"},
        ),
        ({"known": "2026-03-20T12:00:01+00:00"}, {"known": "ahead"}),
        ({"known": "2026-03-20T12:00:00"}, {"known": "moment_form"}),
        ({"known": "2026-03-01", "on": "2026-03-02"}, {"on": "ahead"}),
        ({"known": 7}, {"known": "moment_form"}),
    ],
)
def test_every_fault_of_the_dates_is_told_at_once(
    hub: InProcessHub, asked: dict[str, str], faults: dict[str, str]
) -> None:
    question = {"ref": f"{CARE}-3", **asked}
    answer = client(MemoryHeld(hub, rules().sharing)).post(
        "/v1/people/person", json=question, headers={"X-Api-Key": CARE}
    )
    assert answer.status_code == 422
    assert {one["at"].removeprefix("body."): one["fault"] for one in answer.json()["faults"]} == faults


def test_the_description_names_both_dates(hub: InProcessHub) -> None:
    described = client(MemoryHeld(hub, rules().sharing)).get("/v1/openapi.json").json()["components"]["schemas"]
    (form,) = [one for one in described.values() if "known" in one.get("properties", {})]
    assert {"ref", "role", "known", "on"} == set(form["properties"]) and form["required"] == ["ref"]
    assert "end in London" in form["properties"]["known"]["description"]
