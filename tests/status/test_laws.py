"""Laws of the belief and of the state, over invented lives."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from status_lives import START, life
from told import POLICY, ROOT, event, linked, moment, run, tick

from services.status.belief import belief
from services.status.bitemporal import live
from services.status.codes import GROUPS, NEET_GROUPS
from services.status.days import FOREVER
from services.status.reading import milliseconds
from services.status.state import decode, encode
from services.status.story import believed, timeline, view

LAW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LAW
@given(life(), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(events: list[dict[str, Any]], random: Any) -> None:
    facts = linked(events)
    state, _ = run(facts)
    random.shuffle(facts)
    other, _ = run(facts)
    assert other.seen == state.seen
    assert belief(live(other.seen, POLICY), POLICY) == belief(live(state.seen, POLICY), POLICY)
    assert (other.code, other.ahead) == (state.code, state.ahead)


@LAW
@given(life(), st.lists(st.sampled_from([None, "2008-06-15", "2007-01-02"]), min_size=12, max_size=12))
def test_a_fact_that_is_said_to_change_nothing_changes_nothing(events: list[dict[str, Any]], births: list[Any]) -> None:
    for one, born in zip(events, births, strict=False):
        one["subject"] = {k: v for k, v in one["subject"].items() if k != "date_of_birth"}
        if born is not None:
            one["subject"]["date_of_birth"] = born
    state = None
    for known in linked(events):
        state, _ = run([known], state)
        assert state.told == belief(live(state.seen, POLICY), POLICY)


@LAW
@given(life())
def test_a_timeline_has_no_hole_and_no_overlap_and_reaches_into_the_future(events: list[dict[str, Any]]) -> None:
    told = belief(live(run(linked(events))[0].seen, POLICY), POLICY)
    for one, following in zip(told.timeline, told.timeline[1:], strict=False):
        assert one.start <= one.end == following.start - 1
        assert (one.code, one.source, one.since) != (following.code, following.source, following.since)
    gone = any(e["type"] in ("circumstance.died", "circumstance.moved_abroad") for e in events)
    if told.timeline and not gone:
        assert told.timeline[-1].end == FOREVER and told.timeline[-1].ends_by == "open"
    for mark in told.marks:
        assert mark.start <= mark.end
    for spell in told.episodes:
        groups = {GROUPS[s.code] for s in told.timeline if s.start <= spell.end and s.end >= spell.start}
        assert groups & NEET_GROUPS and not groups & {"EET", "EET_SOFT", "PRE16_IN", "CUSTODY"}


@LAW
@given(life(), st.integers(0, 480))
def test_what_was_known_then_is_what_was_told_then(events: list[dict[str, Any]], n: int) -> None:
    known_at = moment(f"{START + timedelta(days=n)}T23:59:59Z")
    facts = linked(events)
    now, _ = run(facts)
    then, _ = run([fact for fact in facts if fact.fields["known_at"] <= known_at])
    assert believed(now, known_at) == believed(then, known_at)
    day = known_at.date()
    assert view(now, known_at, day) == view(then, known_at, day)
    assert timeline(now, known_at, day) == timeline(then, known_at, day)


@LAW
@given(life())
def test_a_state_comes_back_from_its_bytes(events: list[dict[str, Any]]) -> None:
    state, _ = run(linked(events))
    withdrawn = state.without(state.seen[0].id, milliseconds(moment("2026-12-01T00:00:00Z")))
    for one in (state, withdrawn):
        assert decode(encode(one)) == one
        assert encode(decode(encode(one))) == encode(one)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(life(facts_max=6))
def test_ticks_tell_each_lapse_on_its_day_and_nothing_else(events: list[dict[str, Any]]) -> None:
    state, _ = run(linked(events))
    told = belief(live(state.seen, POLICY), POLICY)
    day, last = state.today, state.today + 300
    while day < last:
        before = told.code(day)
        day += 1
        due = state.due_on is not None and state.due_on.toordinal() <= day
        state, effects = run([tick(date.fromordinal(day))], state)
        assert [e.fields["cause"] for e in effects] == (["lapsed"] if told.code(day) != before else [])
        assert due or not effects
        assert state.code == told.code(day)


DIGEST = """
import hashlib, sys
sys.path.insert(0, "tests/status")
from told import cases, events_of, linked, run
from services.status.state import encode
out = hashlib.sha256()
for _, case in cases():
    state, effects = run(linked(events_of(case)))
    out.update(encode(state) + repr([e.fields["belief"] for e in effects]).encode())
print(out.hexdigest())
"""


def test_beliefs_are_the_same_under_another_hash_seed() -> None:
    digests = set()
    for seed in ("0", "4711"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", DIGEST], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        digests.add(ran.stdout.strip())
    assert len(digests) == 1


def test_presence_settles_what_a_worker_or_a_long_absence_had_put_in_doubt() -> None:
    """The shortcut for attendance must not be taken where somebody's presence is the answer to a question."""
    enrolled: dict[str, Any] = {"is": "enrolled", "of": "college", "predicted_end_on": date(2026, 7, 3)}
    enrolled |= {"day": date(2025, 9, 8), "at": date(2025, 9, 9)}
    doubts: list[dict[str, Any]] = [
        {"is": "contact", "of": "inclusion", "activity": "not_in_eet", "neet_reason": "seeking"},
        {"is": "education.attendance.absence", "of": "college", "last_day_on": date(2025, 11, 17), "days": 12},
    ]
    there = {"of": "college", "last_attended_on": date(2025, 12, 1), "day": date(2025, 12, 1), "at": date(2025, 12, 2)}
    for doubt in doubts:
        told = [
            event(1, "2008-06-15", enrolled),
            event(2, "2008-06-15", {**doubt, "day": date(2025, 11, 4), "at": date(2025, 11, 18)}),
            event(3, "2008-06-15", {"is": "education.attendance.summary", **there}),
        ]
        state, _ = run(linked(told[:2]))
        assert state.told is not None
        open_one = [mark for mark in state.told.marks if mark.name.startswith("conflict:")]
        state, _ = run(linked(told[2:]), state)
        assert state.told == belief(live(state.seen, POLICY), POLICY)
        settled = [mark for mark in state.told.marks if mark.name.startswith("conflict:")]
        assert open_one and settled != open_one
