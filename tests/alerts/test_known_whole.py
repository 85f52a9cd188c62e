"""POLICY P4: what was held is replayed, and only alerts whose ground is still true are raised. What one decision of
matching moves is several acts; nothing is concluded before the last of them."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import pytest

from services.alerts.reading import Moved, Ticked
from services.alerts.state import decode, encode
from tests.alerts.world import World, belief, d, span, utc

LEARNING = belief(span("2025-09-08", None, "230"))
GONE = belief(span("2025-09-08", "2025-11-10", "230"), span("2025-11-11", None, "810"))
BACK = belief(
    span("2025-09-08", "2025-11-10", "230"), span("2025-11-11", "2025-11-11", "810"), span("2025-11-12", None, "230")
)
LINKED_ON = "2025-11-13"


def known() -> World:
    world = World()
    world.tell("education.enrolment.started", "2025-09-08", belief=LEARNING)
    return world.until("2025-11-12")


def left(world: World, *, more: bool, on: str = LINKED_ON) -> list[str]:
    effects = world.tell(
        "education.enrolment.withdrawn", "2025-11-10", received="2025-11-10", known=on, how="released", belief=GONE,
        from_person="stub-1", event_id="left", more=more, destination_confirmed=False,
    )  # fmt: skip
    return [effect.fields["rule"] for effect in effects if effect.kind == "alert.v1"]


def started_again(world: World, *, more: bool) -> list[str]:
    effects = world.tell(
        "education.enrolment.started", "2025-11-12", received="2025-11-12", known=LINKED_ON, how="released",
        belief=BACK, from_person="stub-1", event_id="again", more=more,
    )  # fmt: skip
    return [effect.fields["rule"] for effect in effects if effect.kind == "alert.v1"]


def test_a_ground_that_the_next_held_event_ends_raises_nothing() -> None:
    world = known()
    assert left(world, more=True) == []
    assert started_again(world, more=False) == []
    assert world.rules() == []


def test_the_same_events_one_by_one_would_have_told_of_it() -> None:
    world = known()
    assert "A02" in left(world, more=False)


def test_a_ground_that_is_still_true_is_raised_by_the_last_act_whatever_that_is() -> None:
    world = known()
    assert left(world, more=True) == []
    world.tell(
        "education.attendance.summary", "2025-11-07", known=LINKED_ON, how="released", belief=GONE, percent=97.0,
        from_person="stub-1",
    )  # fmt: skip
    assert [(a.rule, a.raised_on) for a in world.alerts("A02")] == [("A02", d(LINKED_ON))]
    assert world.state.until_whole is None


def test_a_day_that_begins_in_between_concludes_nothing_either() -> None:
    world = known()
    left(world, more=True)
    assert world.feed(Ticked("tick", date(2025, 11, 14))) == []
    assert started_again(world, more=False) == []
    assert world.rules() == [] and world.state.last_day == date(2025, 11, 14)


def test_what_a_worker_does_in_between_is_not_lost() -> None:
    world = known()
    world.tell("housing.tenancy.ended", "2025-11-12", source="housing", reason="evicted")
    left(world, more=True)
    acted = world.act("A36", "acknowledge", LINKED_ON)
    assert [effect.fields["act"] for effect in acted if effect.kind == "alert.v1"] == ["acknowledged"]
    assert world.alert("A36").acknowledged
    world.feed(Moved("move", utc(f"{LINKED_ON}T12:00:00")))
    started_again(world, more=False)
    assert world.rules() == ["A36"] and world.alert("A36").acknowledged


def test_on_a_free_day_what_the_first_of_them_brought_about_is_raised_the_same_day() -> None:
    saturday = "2025-11-15"
    world = known().until("2025-11-14")
    left(world, more=True, on=saturday)
    world.tell(
        "education.attendance.summary", "2025-11-07", known=saturday, how="released", belief=GONE, percent=97.0,
        from_person="stub-1",
    )  # fmt: skip
    assert [a.raised_on for a in world.alerts("A02")] == [d(saturday)]


def test_a_half_told_decision_is_kept_with_what_stood_before_it() -> None:
    world = known()
    before = encode(world.state)
    left(world, more=True)
    half = decode(encode(world.state))
    assert half.until_whole is not None and encode(half.until_whole) == before
    started_again(world, more=True)
    assert decode(encode(world.state)).until_whole == half.until_whole


@pytest.mark.parametrize("order", list(permutations(("h1", "h2", "h3"))), ids="".join)
def test_safeguarding_alerts_of_a_stub_go_with_all_that_was_held(order: tuple[str, ...]) -> None:
    stub = World()
    for number, name in enumerate(("h1", "h2", "h3"), start=1):
        on = f"2026-02-0{number + 1}"
        stub.tell("housing.homelessness.approached", on, source="housing", how="held", event_id=name, stated_age=17)
    raised = stub.alerts("A36")
    assert {matter for alert in raised for matter in (alert.matter, *alert.folded)} == {"h1", "h2", "h3"}
    for name in order[:-1]:
        assert stub.withdraw("2026-02-05", name, "person-1", more=True) == []
    moved = stub.withdraw("2026-02-05", order[-1], "person-1")
    assert [e.fields["act"] for e in moved if e.kind == "alert.v1"] == ["moved"] * len(raised)
    assert not any(alert.open for alert in stub.alerts("A36"))


def test_many_held_safeguarding_events_are_all_in_the_alert() -> None:
    person = known()
    for number in range(12):
        person.tell(
            "housing.homelessness.approached", f"2025-11-{number + 1:02}", known=LINKED_ON, source="housing",
            how="released", from_person="stub-1", event_id=f"h{number}", more=number < 11, stated_age=17,
        )  # fmt: skip
    alert = person.alert("A36")
    assert (alert.matter, alert.folded) == ("h0", tuple(f"h{number}" for number in range(1, 12)))


def test_the_safeguarding_alert_of_a_record_stays_one_when_it_is_linked() -> None:
    stub, person = World(), known()
    for world, how, more in ((stub, "held", False), (person, "released", True)):
        for number, name in enumerate(("h1", "h2"), start=1):
            world.tell(
                "housing.homelessness.approached", f"2025-11-1{number}", known=None if how == "held" else LINKED_ON,
                source="housing", how=how, event_id=name, more=more and name == "h1", stated_age=17,
                from_person="stub-1" if how == "released" else "",
            )  # fmt: skip
    before, after = stub.alert("A36"), person.alert("A36")
    assert (after.matter, after.folded, after.raised_on) == (before.matter, before.folded, before.raised_on)


def left_said_twice() -> World:
    world = known()
    for name, received, how in (("first", "2025-11-13", "observed"), ("again", "2025-11-14", "duplicate")):
        world.tell(
            "education.enrolment.withdrawn", "2025-11-10", received=received, event_id=name, how=how,
            destination_confirmed=False, belief=GONE,
        )  # fmt: skip
    return world


def test_a_statement_that_was_sent_twice_stands_while_one_of_the_two_does() -> None:
    """POLICY P3: a copy has no effect of its own; what is taken back is the message, not what was said."""
    world = left_said_twice()
    world.tell("event.retracted", "2025-11-14", retracts_id="first", reason="duplicate", belief=GONE)
    assert [(a.matter, a.outcome) for a in world.alerts("A02")] == [("first", "open")]
    world.tell("event.retracted", "2025-11-17", retracts_id="again", reason="recorded_in_error", belief=LEARNING)
    assert [(a.matter, a.outcome) for a in world.alerts("A02")] == [("first", "retracted")]


def test_a_copy_stays_when_what_it_repeats_goes_to_somebody_else() -> None:
    world = left_said_twice()
    world.withdraw("2025-11-14", "first", "person-2")
    assert [(a.matter, a.outcome) for a in world.alerts("A02")] == [("first", "retracted"), ("again", "open")]
    world.withdraw("2025-11-17", "again", "person-2")
    assert [a.outcome for a in world.alerts("A02")] == ["retracted", "retracted"] and not world.state.copies
