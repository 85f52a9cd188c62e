"""One status fact per attribution, with the cause that fits; one per lapse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from told import CATALOGUE, POLICY, ROOT, attribution, event, linked, moment, run, tick

from services.status import believed, timeline, view
from services.status.agent import processor
from services.status.state import decode, encode
from spine.journal import MemoryJournal
from spine.record import Record
from spine.step import Limits, SetAside, step

ENROLLED = {
    "at": "2025-09-10",
    "of": "college",
    "is": "enrolled",
    "day": "2025-09-08",
    "predicted_end_on": "2026-07-03",
}
LEFT = {"at": "2025-11-24", "of": "college", "is": "withdrawn", "day": "2025-11-21"}
SEEKING = {"at": "2025-12-01", "of": "inclusion", "is": "contact", "activity": "not_in_eet", "neet_reason": "seeking"}


def said(n: int, told: dict[str, Any]) -> dict[str, Any]:
    return event(n, "2008-06-15", told)


def causes(effects: list[Any]) -> list[str]:
    return [effect.fields["cause"] for effect in effects]


def test_an_observation_is_passed_on_with_the_belief_it_led_to() -> None:
    _, (effect,) = run(linked([said(1, ENROLLED)]))
    fields = effect.fields
    assert (effect.topic, effect.key, fields["cause"]) == ("statuses", "person-1", "observed")
    assert fields["observation"]["type"] == "education.enrolment.started"
    assert fields["belief"]["date_of_birth"] == date(2008, 6, 15)
    assert [(s["start"], s["end"], s["code"], s["ends_by"]) for s in fields["belief"]["timeline"]] == [
        (date(2025, 9, 8), date(2026, 8, 31), "230", "lapse"),
        (date(2026, 9, 1), None, "810", "open"),
    ]


def test_the_same_words_again_under_another_message_id_are_a_duplicate_without_a_second_effect() -> None:
    again = {**LEFT, "at": "2025-11-25", "message": "again"}
    state, effects = run(linked([said(1, ENROLLED), said(2, LEFT), said(3, again)]))
    assert causes(effects) == ["observed", "observed", "duplicate"]
    assert effects[1].fields["belief"] == effects[2].fields["belief"]
    assert len(state.seen) == 3


def test_a_copy_stands_on_its_own_feet_when_the_first_is_taken_back() -> None:
    again = {**LEFT, "at": "2025-11-25", "message": "again"}
    back = {"at": "2025-11-26", "of": "college", "is": "event.retracted", "retracts_id": "M2"}
    state, _ = run(linked([said(1, ENROLLED), said(2, LEFT), said(3, again), said(4, back)]))
    assert believed(state, moment("2025-11-27T00:00:00Z")).code(date(2025, 11, 22).toordinal()) == "810"


def test_what_was_taken_back_and_is_said_again_is_news() -> None:
    back = {"at": "2025-11-26", "of": "college", "is": "event.retracted", "retracts_id": "M2"}
    again = {**LEFT, "at": "2025-12-01", "message": "again"}
    more = {**LEFT, "at": "2025-12-02", "message": "more"}
    _, effects = run(linked([said(1, ENROLLED), said(2, LEFT), said(3, back), said(4, again), said(5, more)]))
    assert causes(effects) == ["observed", "observed", "observed", "observed", "duplicate"]


def test_a_held_observation_makes_a_stub_without_a_belief() -> None:
    state, effects = run([attribution("held", "2025-09-10T10:00:00Z", said(1, ENROLLED), safeguarding=True)])
    (effect,) = effects
    assert effect.fields["cause"] == "held"
    assert effect.fields["belief"] is None
    assert effect.fields["safeguarding"] is True
    assert effect.fields["observation"]["type"] == "education.enrolment.started"
    assert state.stub and decode(encode(state)) == state


def test_a_released_observation_is_known_from_the_link_and_not_before() -> None:
    facts = [*linked([said(1, ENROLLED)]), attribution("released", "2025-12-05T10:00:00Z", said(2, LEFT))]
    state, effects = run(facts)
    assert causes(effects) == ["observed", "released"]
    day = date(2025, 12, 1)
    assert view(state, moment("2025-12-04T00:00:00Z"), day)["code"] == "230"
    assert view(state, moment("2025-12-05T10:00:00Z"), day)["code"] == "810"


def test_a_held_observation_released_after_its_copy_is_a_duplicate() -> None:
    copy = {**LEFT, "at": "2025-12-01", "message": "copy"}
    facts = [
        *linked([said(1, ENROLLED), said(3, copy)]),
        attribution("released", "2025-12-05T10:00:00Z", said(2, LEFT)),
    ]
    assert causes(run(facts)[1]) == ["observed", "observed", "duplicate"]


def test_an_observation_moved_away_has_no_effect_from_then_on_and_the_past_stays() -> None:
    facts = linked([said(1, ENROLLED), said(2, LEFT)])
    facts.append(attribution("withdrawn", "2025-12-05T10:00:00Z", said(2, LEFT), other_person="person-2"))
    state, effects = run(facts)
    assert causes(effects) == ["observed", "observed", "withdrawn"]
    assert effects[2].fields["other_person"] == "person-2" and effects[2].fields["observation"] is None
    assert view(state, moment("2025-12-06T00:00:00Z"), date(2025, 12, 6))["code"] == "230"
    assert view(state, moment("2025-12-04T00:00:00Z"), date(2025, 12, 4))["code"] == "810"


def test_an_observation_that_comes_back_counts_again() -> None:
    facts = linked([said(1, ENROLLED), said(2, LEFT)])
    facts.append(attribution("withdrawn", "2025-12-05T10:00:00Z", said(2, LEFT)))
    facts.append(attribution("released", "2025-12-09T10:00:00Z", said(2, LEFT)))
    state, effects = run(facts)
    assert causes(effects)[-1] == "released"
    codes = [view(state, moment(f"2025-12-{d:02}T20:00:00Z"), date(2025, 12, d))["code"] for d in (4, 6, 10)]
    assert codes == ["810", "230", "810"]
    assert decode(encode(state)) == state


def test_a_review_is_passed_on_with_the_belief_unchanged() -> None:
    facts = linked([said(1, ENROLLED)])
    facts.append(attribution("review_opened", "2025-12-05T10:00:00Z", review_id="r1"))
    facts.append(attribution("review_closed", "2025-12-06T10:00:00Z", review_id="r1"))
    _, effects = run(facts)
    assert causes(effects) == ["observed", "review_opened", "review_closed"]
    assert [e.fields["review_id"] for e in effects[1:]] == ["r1", "r1"]
    assert effects[0].fields["belief"] == effects[2].fields["belief"]


def test_a_lapse_is_told_by_the_tick_of_its_first_day_at_half_past_midnight() -> None:
    state, _ = run(linked([said(1, SEEKING)]))
    assert state.due_on == date(2026, 3, 4)
    state, effects = run([tick("2026-03-03")], state)
    assert effects == []
    state, (effect,) = run([tick("2026-03-04")], state)
    assert effect.fields["cause"] == "lapsed"
    assert effect.fields["known_at"] == datetime(2026, 3, 4, 0, 30, tzinfo=UTC)
    assert state.due_on is None
    assert run([tick("2026-03-04"), tick("2026-03-05")], state)[1] == []


def test_a_tick_in_summer_comes_at_half_past_midnight_of_london() -> None:
    state, _ = run(linked([said(1, ENROLLED)]))
    _, (effect,) = run([tick("2026-09-01")], state)
    assert effect.fields["known_at"] == datetime(2026, 8, 31, 23, 30, tzinfo=UTC)


def test_what_comes_later_than_the_limit_is_kept_and_counted_and_changes_nothing() -> None:
    old = {"at": "2025-12-01", "of": "inclusion", "is": "job", "day": "2024-01-08"}
    state, effects = run(linked([said(1, ENROLLED), said(2, old)]))
    assert [effect.fields["too_late"] for effect in effects] == [False, True]
    assert effects[0].fields["belief"] == effects[1].fields["belief"]
    assert (state.too_late, len(state.seen)) == (1, 2)
    care = {"at": "2025-12-01", "of": "social care", "is": "care.episode.started", "day": "2014-01-08"}
    state, effects = run(linked([said(1, ENROLLED), said(2, care)]))
    assert effects[1].fields["too_late"] is False
    assert believed(state, moment("2025-12-02T00:00:00Z")).marked("looked_after", date(2025, 12, 1).toordinal())


def test_the_date_of_birth_is_that_of_the_party_with_most_authority() -> None:
    one, other = said(1, ENROLLED), said(2, {**SEEKING, "of": "social care"})
    other["subject"] = {"source_ref": "2", "date_of_birth": "2009-01-15"}
    for events in ([one, other], [other, one]):
        state, _ = run(linked(events))
        assert believed(state, moment("2026-01-01T00:00:00Z")).born == date(2009, 1, 15).toordinal()


def test_a_person_never_heard_of_is_not_known() -> None:
    assert view(b"", moment("2026-01-01T00:00:00Z"), date(2026, 1, 1))["code"] == "810"
    assert timeline(b"", moment("2026-01-01T00:00:00Z"), date(2026, 1, 1)) == []


def test_the_processor_takes_records_from_the_log_and_keeps_its_states() -> None:
    journal, served = MemoryJournal(), processor(CATALOGUE, ROOT / "contracts")
    facts = [
        *linked([said(1, ENROLLED), said(2, LEFT)]),
        tick("2025-11-30"),
        *linked([said(3, SEEKING)]),
        tick("2026-03-04"),
    ]
    records = [
        Record(
            "attributions",
            0,
            n,
            "person-1",
            CATALOGUE.frame(f.kind, CATALOGUE.encode(f.kind, {**f.fields, "event_id": f.event_id})),
        )
        for n, f in enumerate(facts)
    ]
    for batch in (records[:2], records[2:]):
        step(batch, served, journal, CATALOGUE, SetAside(Limits()))
    assert [row.kind for row in journal.decisions] == [f.kind for f in facts]
    told = [CATALOGUE.decode("status.v1", out.body) for out in journal.unsent(10)]
    assert [fields["cause"] for fields in told] == ["observed", "observed", "observed", "lapsed"]
    state = decode(journal.store.states["person-1"][1])
    assert state.code == "810" and journal.store.states["person-1"][2] is None
    assert served.settings == POLICY.fingerprint
