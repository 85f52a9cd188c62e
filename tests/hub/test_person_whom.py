"""Who is meant by an id or a party's reference; and that a past belief is what a hub that stopped then says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hub.held import InProcess, stored
from hub.moments import moment
from hub.person.command import answer
from hub.person.told import Told
from hub.person.whom import ids_of
from hub.story import Story, all_events, play, read_story
from hub.story import moment as received
from spine.clock import local_date
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.record import Changes

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
CARE = "northshire-social-care:LL-44190"


def story_of(name: str) -> Story:
    return read_story(ROOT / "tests" / "stories" / f"{name}.yaml")


@pytest.fixture(scope="module")
def held() -> InProcess:
    return InProcess(play(story_of("S02"), CONTRACTS, SCHEMAS).hub)


def test_each_party_means_the_same_person_by_its_own_reference(held: InProcess) -> None:
    (person,) = ids_of(held, CARE)
    assert ids_of(held, "northshire-est:EST-288") == (person,)
    assert ids_of(held, person) == (person,)


@pytest.mark.parametrize(
    "named", ["northshire-est:LL-44190", "nobody", ":", "northshire-est:", "x:' OR 1=1 --", "\0:1"]
)
def test_another_reference_means_nobody(held: InProcess, named: str) -> None:
    assert ids_of(held, named) == ()


def stopped(story: Story, day: date) -> Story:
    """The story as a hub lived it that was stopped on that evening."""
    events = [one for one in all_events(story) if local_date(received(one["received_at"])) <= day]
    return {**story, "given": events, "events": [], "until": str(day)}


@pytest.mark.parametrize("name", ["S02", "S05", "S22"])
def test_what_was_known_then_is_what_a_hub_that_stopped_then_says(name: str) -> None:
    story = story_of(name)
    days = sorted({local_date(received(one["received_at"])) for one in all_events(story)})
    day = days[len(days) // 2]
    whole = InProcess(play(story, CONTRACTS, SCHEMAS).hub)
    then = InProcess(play(stopped(story, day), CONTRACTS, SCHEMAS).hub)

    def told(held: InProcess, person: str) -> Told:
        found = answer(held, person, moment(str(day)), day, CONTRACTS)
        assert found is not None
        return found

    for person, _ in then.all("status"):
        one, other = told(whole, person), told(then, person)
        assert (one.status, one.timeline, one.marks, one.episodes) == (
            other.status,
            other.timeline,
            other.marks,
            other.episodes,
        )
        assert {(a.rule, a.raised_on, a.closed_on) for a in one.alerts} == {
            (a.rule, a.raised_on, a.closed_on) for a in other.alerts
        }


@pytest.mark.postgres
def test_a_reference_leads_to_the_person_in_the_journals_too(held: InProcess, fresh_database: str) -> None:
    for service in ("matching", "status"):
        migrate(fresh_database, service)
        journal = PostgresJournal(fresh_database, service)
        with journal.transaction() as transaction:
            transaction.save(("t", 0), Changes(states={key: (body, None) for key, body in held.all(service)}))
        journal.close()
    with stored(fresh_database) as journals:
        assert ids_of(journals, CARE) == ids_of(held, CARE)
        assert ids_of(journals, "northshire-social-care:%") == ()
        assert ids_of(journals, "é'\\:1") == ()
