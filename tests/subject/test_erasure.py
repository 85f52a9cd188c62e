"""Erasing a person: nothing of them is left in any table, topic or report, whatever breaks; the proof stays whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from hub.backup.erasures import UNKNOWN, destroy_again, standing_again
from hub.backup.rewind import Standing
from hub.backup.unread import unread
from hub.doctor import papers
from hub.doctor.finding import Verdict
from hub.heads import NotAllowed
from hub.subject import holds
from hub.subject.attestation import broken
from hub.subject.certificate import BEFORE_DAYS
from hub.subject.erase import approved, asked
from hub.subject.erasure import STEPS, Order, erase, survey
from hub.subject.registers import found, registers, unknown_or_erased
from services.ingest.channels.day_keys import READABLE_DAYS
from services.matching.rows import keys_in
from spine import faults, telemetry
from spine.errors import Retry
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.step import SEALED, link_after
from tests.adversary.canaries import Person
from tests.audit.ledgered import VERIFIERS
from tests.subject.stored_hub import StoredHub, flock_of

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
COUNT = 19
#: Where words of a person stand in clear; status keeps codes and days.
KEPT = {"alerts.state", "matching.state"}


class County:
    """Some generated people, told about, with alerts raised; each test takes one who was not taken yet."""

    def __init__(self, url: str) -> None:
        self.logged = io.StringIO()
        telemetry.setup("erasure", out=self.logged)
        self.flock, self.people = flock_of(COUNT)
        self.hub = StoredHub.on(url)
        self.hub.tell(*self.people)
        last = max(event["received_at"] for person in self.people for event in person.events).date()
        self.hub.day(last + timedelta(days=10))
        rows = self.hub.rows("SELECT body FROM matching.state WHERE key LIKE 'r:%'")
        asked = b" ".join(bytes(body) for (body,) in rows).decode()
        doubted = [one for one in self.people if self.hub.person(one.number) in asked]
        self.doubted = doubted[0]
        self.bystander, *self._left = [one for one in self.people if one not in doubted]

    def somebody(self, shown: bool = False) -> tuple[Person, str]:
        """``shown``: one of whom somebody was told."""
        told = {row[0] for row in self.hub.rows("SELECT person_id FROM console.told")}
        ids = {one.number: self.hub.person(one.number) for one in self._left}
        person = next(one for one in reversed(self._left) if not shown or ids[one.number] in told)
        self._left.remove(person)
        return person, ids[person.number]

    def everywhere(self, person: Person, thorough: bool = False) -> dict[str, list[str]]:
        places = [*self.hub.tables(), *self.hub.records(), ("log", self.logged.getvalue().encode())]
        return self.hub.told_of(self.flock, person, places, thorough=thorough)


@pytest.fixture(scope="module")
def county(module_database: str) -> County:
    return County(module_database)


@pytest.fixture
def engine(county: County) -> Iterator[sa.Engine]:
    with registers(county.hub.url) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    yield
    faults.install(None)


def test_nothing_of_the_person_is_left_anywhere_and_nothing_of_others_is_touched(
    county: County, engine: sa.Engine
) -> None:
    person, person_id = county.somebody(shown=True)
    assert county.everywhere(person).keys() >= KEPT | {"console.told"}
    others = county.everywhere(county.bystander)
    states = dict(county.hub.rows("SELECT key, body FROM status.state WHERE key <> %s", (person_id,)))
    meant = "SELECT count(*) FROM answers.reference WHERE person_id = %s"
    assert county.hub.rows(meant, (person_id,))[0][0] > 0
    written = county.hub.erase(engine, person_id, AT)
    assert county.everywhere(person, thorough=True) == {}
    assert county.hub.rows("SELECT count(*) FROM status.state WHERE key = %s", (person_id,)) == [(0,)]
    assert county.hub.rows(meant, (person_id,)) == [(0,)], "no partner reaches them by its own reference"
    assert county.everywhere(county.bystander) == others
    assert dict(county.hub.rows("SELECT key, body FROM status.state")) == states
    assert county.hub.told_of(county.flock, person, [("certificate", json.dumps(written).encode())]) == {}


def test_a_certificate_says_what_went_and_what_stays_and_cannot_be_changed_unseen(
    county: County, engine: sa.Engine
) -> None:
    person, person_id = county.somebody(shown=True)
    sources = {event["source"] for event in person.events}
    written = county.hub.erase(engine, person_id, AT, "objection")
    assert set(written["went"]["keys"]) == sources | {"hub"}
    assert written["went"]["observations"] >= len(person.events) - 2
    assert written["to_be_told"] and any(line["what"].startswith("decision records") for line in written["stays"])
    until = {line["what"]: line.get("until") for line in written["stays"]}
    last = (AT + timedelta(days=READABLE_DAYS + 1)).date().isoformat()
    assert [day for what, day in until.items() if what.startswith("what partners sent")] == [last]
    assert BEFORE_DAYS in until, "this hub made no keys of days"
    # As it is read from a file, with no hub at hand.
    read = json.loads(json.dumps(written))
    assert broken(read, VERIFIERS) == []
    assert broken({**read, "ground": "request"}, VERIFIERS)[0].startswith("ground: ")
    assert county.hub.erase(engine, person_id, AT + timedelta(days=1)) == written, "asked again, the same certificate"


def test_the_chain_of_decisions_is_whole_after_an_erasure(county: County, engine: sa.Engine) -> None:
    _, person_id = county.somebody()
    county.hub.erase(engine, person_id, AT)
    from hub.held import stored
    from hub.subject.books import StoredDecisions

    with stored(county.hub.url) as held:
        decisions, checked = StoredDecisions(held.connection), 0
        for service in ("matching", "status", "alerts"):
            places = held.connection.execute(f"SELECT topic, partition, next FROM {service}.source_offset".encode())
            for topic, n, following in places.fetchall():
                link = b""
                for offset in range(int(following)):
                    row = decisions.at(service, str(topic), int(n), offset)
                    assert row is not None and link_after(link, row) == row.link
                    link, checked = row.link, checked + 1
    assert checked > 100


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_killed_after_any_step_is_taken_up(county: County, engine: sa.Engine, step: str) -> None:
    person, person_id = county.somebody()

    def kill(point: str) -> None:
        if point == step:
            raise KeyboardInterrupt

    faults.install(kill)
    with pytest.raises(KeyboardInterrupt):
        county.hub.erase(engine, person_id, AT)
    faults.install(None)
    standing = found(engine, person_id)
    assert standing is not None and standing.step == step
    county.hub = county.hub.again()
    written = county.hub.erase(engine, person_id, AT + timedelta(hours=1))
    assert written["erasure_id"] == standing.erasure_id
    assert county.everywhere(person) == {}
    assert broken(written, VERIFIERS) == []


def people_known(county: County) -> set[str]:
    return {row[0] for row in county.hub.rows("SELECT key FROM matching.state WHERE key LIKE 'p:%'")}


def later(person: Person, number: int, **subject: Any) -> dict[str, Any]:
    """The person's first event once more, as news."""
    first = person.events[0]
    said = {**first["data"], "subject": {**first["data"]["subject"], **subject}}
    return {**first, "id": f"m{person.number}-late{number}", "data": said, "received_at": AT}


def test_an_observation_that_races_the_order_ends_nowhere_33(county: County, engine: sa.Engine) -> None:
    """Fault 33. One waits before matching when the order is given; one comes after it to processes that remember the
    key; both are about nobody."""
    person, person_id = county.somebody()
    county.hub.say(later(person, 1))
    county.hub.hub._advance("ingest")
    county.hub.hub._advance("ingest")
    away = PostgresKeys(county.hub.url, LocalKek(bytes(range(32))))
    before = people_known(county)
    shop = county.hub.shop(engine)
    shop = type(shop)(shop.postgres, engine, shop.log, shop.catalogue, away, shop.named, shop.wait, shop.sign)
    erase(shop, Order(person_id, "request", "R. Osei", "J. Marsh", AT))
    county.hub.say(later(person, 2))
    county.hub.hub.settle()
    assert people_known(county) == {key for key in before if not key.endswith(person_id)}
    assert county.everywhere(person) == {}
    notes = county.hub.rows("SELECT count(*) FROM matching.decision WHERE note = %s", (SEALED,))
    assert notes[0][0] > 0, "the process still had the key, and matching heeded the order"
    assert county.hub.again().hub is not None
    county.hub = county.hub.again()
    county.hub.say(later(person, 3))
    county.hub.hub.settle()
    assert county.everywhere(person) == {}, "nor after a restart"
    away.close()


def test_news_under_a_reference_never_heard_of_begins_a_new_person(county: County, engine: sa.Engine) -> None:
    person, person_id = county.somebody()
    county.hub.erase(engine, person_id, AT)
    before = people_known(county)
    county.hub.say(later(person, 4, source_ref="qznewreference"))
    county.hub.hub.settle()
    fresh = people_known(county) - before
    assert len(fresh) == 1 and not any(key.endswith(person_id) for key in fresh)


def test_a_person_under_a_hold_is_not_erased_until_it_is_lifted(county: County, engine: sa.Engine) -> None:
    person, person_id = county.somebody()
    with engine.begin() as connection:
        hold = holds.place(connection, person_id, "CASE-7", "L. Khan", AT)
    with pytest.raises(NotAllowed, match="legal hold"):
        county.hub.erase(engine, person_id, AT)
    assert county.everywhere(person).keys() >= KEPT
    with engine.begin() as connection:
        holds.lift(connection, hold.number, "L. Khan", AT)
    county.hub.erase(engine, person_id, AT)
    assert county.everywhere(person) == {}
    with engine.begin() as connection, pytest.raises(NotAllowed, match="erased"):
        holds.place(connection, person_id, "CASE-8", "L. Khan", AT)


def test_a_plan_changes_nothing_and_finds_every_key(county: County, engine: sa.Engine) -> None:
    asked = survey(county.hub.shop(engine), county.hub.person(county.bystander.number))
    rows = county.hub.rows("SELECT body FROM matching.state WHERE key LIKE %s", (f"p:%:{asked.person_id}",))
    assert set(keys_in(bytes(rows[0][0]))) < set(asked.refs)
    assert found(engine, asked.person_id) is None
    alive = county.hub.rows(
        "SELECT count(*) FROM keystore.data_key WHERE ref = ANY(%s) AND wrapped IS NOT NULL", (list(asked.refs),)
    )
    assert alive[0][0] == len(asked.refs)


def test_services_that_do_not_read_are_waited_for_and_then_it_is_said(county: County, engine: sa.Engine) -> None:
    _, person_id = county.somebody()
    with pytest.raises(Retry, match="ask again"):
        erase(county.hub.shop(engine, wait=lambda: False), Order(person_id, "request", "R. Osei", "J. Marsh", AT))
    county.hub.erase(engine, person_id, AT)


def test_nobody_is_erased_for_a_ground_that_is_none_or_where_nothing_is_held(county: County, engine: sa.Engine) -> None:
    person_id = county.hub.person(county.bystander.number)
    with pytest.raises(NotAllowed, match="ground"):
        county.hub.erase(engine, person_id, AT, "because Alice asked")
    with pytest.raises(NotAllowed, match="nothing is held"):
        county.hub.erase(engine, "p-0000", AT)


def test_what_waits_for_a_review_must_be_decided_before_the_person_is_erased(county: County, engine: sa.Engine) -> None:
    with pytest.raises(NotAllowed, match="a steward must decide"):
        county.hub.erase(engine, county.hub.person(county.doubted.number), AT)


def test_two_people_erase_and_one_alone_does_not(county: County, engine: sa.Engine) -> None:
    person, person_id = county.somebody()
    shop = county.hub.shop(engine)
    with pytest.raises(NotAllowed, match="nobody has asked"):
        approved(shop, person_id, "J. Marsh", AT)
    asked(shop, person_id, "objection", "R. Osei", AT)
    with pytest.raises(NotAllowed, match="another person"):
        approved(shop, person_id, "R. Osei", AT)
    assert county.everywhere(person).keys() >= KEPT
    written = approved(shop, person_id, "J. Marsh", AT)
    assert (written["asked_by"], written["approved_by"], written["ground"]) == ("R. Osei", "J. Marsh", "objection")
    assert county.everywhere(person) == {}
    assert approved(shop, person_id, "R. Osei", AT) == written, "what is done is shown to anybody"
    assert written["erasure_id"] in unknown_or_erased(county.hub.url, person_id)
    assert unknown_or_erased(county.hub.url, "p-0000") == "nobody has that id"


def test_a_reference_that_another_person_bears_too_forbids_it(county: County, engine: sa.Engine) -> None:
    """Somebody's event was put into another's file, and matching knows whose it is: one key now seals both."""
    person, person_id = county.somebody()
    other = county.bystander
    theirs = other.events[0]["data"]["subject"]
    mine = person.events[0]["data"]["subject"]["source_ref"]
    county.hub.say(later(person, 5, **{**theirs, "source_ref": mine}))
    county.hub.hub.settle()
    asked_for = survey(county.hub.shop(engine), person_id)
    assert asked_for.shared == (county.hub.person(other.number),)
    with pytest.raises(NotAllowed, match="bear the reference of another"):
        county.hub.erase(engine, person_id, AT)
    assert county.everywhere(person).keys() >= KEPT


def test_keys_that_a_backup_brings_back_are_found_and_destroyed_again(county: County, engine: sa.Engine) -> None:
    _, person_id = county.somebody()
    county.hub.erase(engine, person_id, AT)
    standing = found(engine, person_id)
    assert standing is not None
    refs = sorted(standing.plan["refs"])

    def brought_back() -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE keystore.data_key SET wrapped = '', destroyed_at = NULL WHERE ref = ANY(:refs)"),
                {"refs": refs},
            )

    def stand() -> list[str]:
        with psycopg.connect(county.hub.url) as connection:
            return standing_again(connection)

    assert stand() == []
    brought_back()
    assert stand() == refs
    (told,) = papers.erasures(county.hub.url)
    assert told.verdict is Verdict.FAULT and "hub sealing reapply" in told.mend
    assert destroy_again(county.hub.url, {}).keys == len(refs) and stand() == []
    # A database from the middle of the erasure: told, and what was done since is not known.
    brought_back()
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE governance.erasure SET step = 'told' WHERE person_id = :id"), {"id": person_id}
        )
    told = list(papers.erasures(county.hub.url))
    assert any(one.verdict is Verdict.WARNING and f"hub erase {person_id} --approve" in one.mend for one in told)
    assert stand() == [] and destroy_again(county.hub.url, {}).keys == len(refs)
    # A database from before the order knows of nothing; the log does, and one key was made and destroyed since.
    brought_back()
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM governance.erasure WHERE person_id = :id"), {"id": person_id})
        connection.execute(sa.text("DELETE FROM keystore.data_key WHERE ref = :ref"), {"ref": refs[0]})
        connection.execute(sa.text("DELETE FROM matching.state WHERE key LIKE 'e:%'"))
    assert stand() == []
    log = county.hub.hub.log
    ends = [
        ("matching", "observations", n, log.end(("observations", n))) for n in range(log.partitions("observations"))
    ]
    places = [Standing(*place, next=0, start=0, end=end) for *place, end in ends]
    catalogue, url = county.hub.hub.catalogue, county.hub.url
    orders = unread(log, catalogue, places, url).orders
    assert orders[standing.erasure_id].refs == set(refs)
    destroy_again(url, orders)
    again = found(engine, person_id)
    assert again is not None and (again.erasure_id, again.step) == (standing.erasure_id, "shredded")
    assert (again.ground, again.ordered_at, again.asked_by) == (standing.ground, standing.ordered_at, UNKNOWN)
    assert {name: again.plan[name] for name in ("refs", "choices")} == {
        name: standing.plan[name] for name in ("refs", "choices")
    }
    query = (
        "SELECT count(*) FROM keystore.data_key WHERE ref = ANY(%s) AND wrapped IS NULL AND destroyed_at IS NOT NULL"
    )
    assert county.hub.rows(query, (refs,)) == [(len(refs),)], "each stands as destroyed, also what had no row"
    heard = [Standing(*place, next=end, start=0, end=end) for *place, end in ends]
    assert unread(log, catalogue, heard, url).orders == {}
