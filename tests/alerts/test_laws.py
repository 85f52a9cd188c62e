"""Laws: days between due days change nothing; the state survives its bytes; a repeated run is the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.alerts.belief import Belief, Episode, Mark, Plan, Span, Wait
from services.alerts.state import decode, encode
from tests.alerts.world import GROUPS, World, belief, d, episode, mark, span

START = d("2025-09-01")
NAMES = ("looked_after", "care_leaver", "yj_open", "ehcp", "homeless", "pregnant_or_parent")
CODES = ("230", "619", "630", "810", "615", "330", "290")


@st.composite
def beliefs(draw: st.DrawFn) -> Belief:
    """A timeline without holes, with what status would derive from it."""
    day, spans = START, []
    for code in draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=4)):
        end = day + timedelta(days=draw(st.integers(1, 120)))
        spans.append(Span(day, end, code, GROUPS[code], "college"))
        day = end + timedelta(days=1)
    last = draw(st.sampled_from(("810", "230", "619")))
    spans.append(Span(day, None, last, GROUPS[last], "college"))
    episodes = tuple(Episode(s.start, s.end) for s in spans if s.group in ("NEET", "NEET_UNAVAILABLE"))
    waits = tuple(
        Wait(s.start, s.start + timedelta(days=9), s.end, "further_education", "lapse")
        for s in spans
        if s.code == "615" and s.end is not None
    )
    marks = [mark(name) for name in draw(st.sets(st.sampled_from(NAMES), max_size=2))]
    marks += [Mark("custody", s.start, s.end) for s in spans if s.group == "CUSTODY"]
    if draw(st.booleans()):
        quiet = START + timedelta(days=draw(st.integers(0, 200)))
        marks.append(Mark("quiet", quiet, quiet + timedelta(days=60)))
    if draw(st.booleans()):
        torn = START + timedelta(days=draw(st.integers(0, 200)))
        marks.append(Mark("conflict:benefit", torn, torn + timedelta(days=draw(st.integers(0, 60)))))
    born = draw(st.sampled_from(("2008-02-17", "2006-05-02", "2009-11-30", None)))
    plans: tuple[Plan, ...] = ()
    return Belief(d(born) if born else None, tuple(spans), episodes, tuple(marks), waits, plans)


EVENTS: tuple[Callable[[World, str, Belief], object], ...] = (
    lambda w, on, b: w.tell("education.attendance.summary", on, percent=85.0, days_counted=20, belief=b),
    lambda w, on, b: w.tell("education.attendance.absence", on, days=5, reason="unexplained", last_day_on=on, belief=b),
    lambda w, on, b: w.tell("education.enrolment.withdrawn", on, destination_confirmed=False, belief=b),
    lambda w, on, b: w.tell("contact.verified", on, source="care", contact_role="social-worker", belief=b),
    lambda w, on, b: w.tell("panel.reviewed", on, decision="continue_plan", belief=b),
    lambda w, on, b: w.tell("taster.attended", on, belief=b),
    lambda w, on, b: w.tell("circumstance.birth", on, living_with_child=True, belief=b),
    lambda w, on, b: w.tell("ehcp.review_meeting_held", on, source="send", activity_confirmed=True, belief=b),
    lambda w, on, b: w.tell("ehcp.issued", on, source="send", last_review_on=on, belief=b),
    lambda w, on, b: w.tell("september_guarantee.status", on, status="no_offer", year_group=11, belief=b),
    lambda w, on, b: w.tell("care.episode.started", on, source="care", same_carer=False, belief=b),
    lambda w, on, b: w.tell(
        "yj.disposal.started", on, source="yjt", ends_on="2026-05-20", ete_hours_offered=5, belief=b
    ),
    lambda w, on, b: w.tell("pathway_plan.reviewed", on, source="care", eet_section_complete=True, belief=b),
    lambda w, on, b: w.tell("housing.homelessness.approached", on, source="housing", belief=b),
    lambda w, on, b: w.tell(
        "consent.given", on, source="care", purpose="dwp_sharing", expires_on="2026-03-10", belief=b
    ),
    lambda w, on, b: w.tell(
        "employment.started", on, source="care", supported_by_est=True, hours_per_week=12, belief=b
    ),
    lambda w, on, b: w.tell("pep.completed", on, social_worker_attended=True, belief=b),
)
plots = st.lists(st.tuples(st.integers(0, 250), st.integers(0, len(EVENTS) - 1)), min_size=1, max_size=6)


def run(plot: list[tuple[int, int]], held: Belief, every_day: bool, end: date) -> World:
    world = World(every_day=every_day)
    for offset, index in sorted(plot):
        day = START + timedelta(days=offset)
        if world.state.last_day is not None:
            world.until(day.isoformat())
        EVENTS[index](world, day.isoformat(), held)
    return world.until(end.isoformat())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plots, beliefs())
def test_evaluating_on_due_days_only_gives_what_every_day_gives(plot: list[tuple[int, int]], held: Belief) -> None:
    end = START + timedelta(days=420)
    daily, lazy = run(plot, held, True, end), run(plot, held, False, end)
    assert lazy.lives() == daily.lives()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plots, beliefs())
def test_the_state_survives_its_bytes_and_a_second_run_is_the_same(plot: list[tuple[int, int]], held: Belief) -> None:
    first, second = (run(plot, held, False, START + timedelta(days=300)) for _ in range(2))
    assert decode(encode(first.state)) == first.state
    assert encode(first.state) == encode(second.state)
    assert first.effects == second.effects


def closers() -> dict[str, tuple[Belief, list[Callable[[World, Belief], object]]]]:
    """Events of one day each, of which one prevents or closes what another raises."""
    college = belief(span("2025-09-08", None, "230"), marks=[mark("looked_after")])
    gone = belief(
        span("2025-09-08", "2025-11-21", "230"), span("2025-11-22", None, "810"), marks=[mark("looked_after")]
    )
    neet = belief(
        span("2025-11-22", None, "619"), marks=[mark("ehcp")], episodes=[episode("2025-11-22")], born="2006-05-02"
    )
    on = {"received": "2025-12-01"}
    summary, absence = "education.attendance.summary", "education.attendance.absence"
    away = {"days": 5, "reason": "unexplained", "last_day_on": "2025-11-21"}
    back = {"percent": 97.0, "days_counted": 20, "last_attended_on": "2025-11-28"}
    asked, housed = "housing.homelessness.approached", "housing.tenancy.started"
    return {
        "A02": (
            gone,
            [
                lambda w, b: w.tell("education.enrolment.withdrawn", "2025-11-21", **on, belief=b, event_id="w"),
                lambda w, b: w.tell("contact.verified", "2025-11-26", **on, belief=b, event_id="c"),
            ],
        ),
        "A10": (
            college,
            [
                lambda w, b: w.tell(
                    summary, "2025-11-14", **on, percent=80.0, days_counted=20, belief=b, event_id="s1"
                ),
                lambda w, b: w.tell(summary, "2025-11-28", **on, **back, belief=b, event_id="s2"),
            ],
        ),
        "A11": (
            college,
            [
                lambda w, b: w.tell(absence, "2025-11-17", **on, **away, belief=b, event_id="a"),
                lambda w, b: w.tell(summary, "2025-11-28", **on, **back, belief=b, event_id="s"),
            ],
        ),
        "A15": (
            college,
            [
                lambda w, b: w.tell(
                    "care.placement.changed", "2025-11-20", **on, same_carer=False, belief=b, event_id="m"
                ),
                lambda w, b: w.tell("education.arrangement.agreed", "2025-11-28", **on, belief=b, event_id="g"),
            ],
        ),
        "A27": (
            neet,
            [
                lambda w, b: w.tell("contact.verified", "2025-11-26", **on, belief=b, event_id="c"),
                lambda w, b: w.tell("ehcp.review_booked", "2025-11-28", **on, source="send", belief=b, event_id="r"),
            ],
        ),
        "A36": (
            college,
            [
                lambda w, b: w.tell(asked, "2025-11-20", **on, source="housing", belief=b, event_id="h"),
                lambda w, b: w.tell(housed, "2025-11-28", **on, source="housing", belief=b, event_id="t"),
            ],
        ),
    }


@pytest.mark.parametrize("rule", sorted(closers()))
def test_whatever_the_order_of_arrival_the_same_alerts_stand(rule: str) -> None:
    held, events = closers()[rule]
    standing = set()
    for order in itertools.permutations(events):
        world = World()
        for event in order:
            event(world, held)
        standing.add(tuple(sorted((a.rule, a.matter) for a in world.state.alerts if a.open)))
        assert not [a for a in world.alerts(rule) if a.open]
    assert len(standing) == 1
