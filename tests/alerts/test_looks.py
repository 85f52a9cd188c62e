"""Views of a standing alert are made again when they may look different, and not for every fact."""

from __future__ import annotations

from services.alerts.belief import Belief
from tests.alerts.world import World, belief, mark, span


def moved(held: Belief) -> World:
    """A placement move of a looked-after learner: A15 stands open."""
    world = World()
    world.tell("care.placement.changed", "2025-11-03", source="care", belief=held, same_carer=False)
    assert world.alert("A15").open
    return world


def test_a_fact_that_says_nothing_new_changes_no_view() -> None:
    held = belief(span("2025-09-08", None, "230"), marks=[mark("looked_after")])
    world = moved(held)
    world.tell("care.accommodation.recorded", "2025-11-05", source="care", belief=held)
    shown = world.alert("A15").shown
    effects = world.tell("care.accommodation.recorded", "2025-11-06", source="care", belief=held)
    assert world.alert("A15").shown == shown
    assert not [e for e in effects if e.kind == "alert.v1"]


def test_a_day_that_changes_the_status_changes_the_view_though_nobody_said_anything() -> None:
    held = belief(
        span("2025-09-08", "2025-11-14", "230"), span("2025-11-15", None, "810"), marks=[mark("looked_after")]
    )
    world = moved(held)
    before = world.alert("A15").shown
    world.until("2025-11-17")
    assert world.alert("A15").open and world.alert("A15").shown != before


def test_another_source_that_names_the_person_otherwise_changes_the_view() -> None:
    held = belief(span("2025-09-08", None, "230"), marks=[mark("looked_after")])
    world = moved(held)
    before = world.alert("A15").shown
    other = {"given_name": "Robyn", "family_name": "Marsh", "date_of_birth": "2008-06-15"}
    world.tell("person.registered", "2025-11-06", source="care", subject=other, belief=held)
    assert world.alert("A15").shown != before
