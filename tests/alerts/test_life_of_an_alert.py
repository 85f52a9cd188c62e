"""What happens to an alert once it stands: folding, workers' acts, escalation, new owners, retraction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.alerts.consent import HEALTH
from services.alerts.reading import Breached, Moved, breach_of
from services.alerts.sharing import NOTHING, Closed, Readable, Shared
from services.alerts.state import Recipient, State
from services.ingest.decide import feed_id
from spine.record import Fact
from tests.alerts.world import Everything, World, belief, d, episode, mark, settings, span, utc

COLLEGE = span("2025-09-08", None, "230")


def low(*marks: str) -> World:
    world = World()
    held = belief(COLLEGE, marks=[mark(name) for name in marks or ("looked_after",)])
    world.tell("education.enrolment.started", "2025-09-08", belief=held)
    world.tell("education.attendance.summary", "2025-10-17", received="2025-10-20", percent=88.0, days_counted=20)
    return world


def acts(world: World, rule: str) -> list[str]:
    return [e.fields["act"] for e in world.effects if e.kind == "alert.v1" and e.fields["rule"] == rule]


def test_a_refusal_is_asked_about_once_until_its_outcome_and_then_again() -> None:
    world = World(State(feed_id("college")), every_day=False)
    for n, day in enumerate(("2025-11-03", "2025-11-03", "2025-11-04", "2025-11-06")):
        if day == "2025-11-06":
            world.act("A39", "outcome", "2025-11-05", "done")
        fields = {"party": "college", "type": "yj.disposal.started", "reason": "no_agreement", "received_at": utc(day)}
        world.feed(Breached(f"b{n}", utc(day), breach_of(Fact("breach.v1", f"b{n}", fields))))
    assert world.lives("A39") == [
        ("A39", "2025-11-03", "2025-11-05", "resolved"),
        ("A39", "2025-11-06", None, "open"),
    ]
    assert [alert.times for alert in world.alerts("A39")] == [1, 1]
    assert len(world.state.facts) == 1


def test_raising_tells_each_recipient_by_inbox_and_email() -> None:
    world = low()
    told = [(e.fields["role"], e.fields["channel"]) for e in world.effects if e.kind == "delivery.v1"]
    roles = ("social-worker", "virtual-school", "provider-welfare")
    assert sorted(told) == sorted((role, channel) for role in roles for channel in ("inbox", "email"))


def test_a_further_report_is_folded_and_nobody_is_told_twice() -> None:
    world = low()
    before = len([e for e in world.effects if e.kind == "delivery.v1"])
    world.tell("education.attendance.summary", "2025-10-20", received="2025-10-21", percent=85.0, days_counted=20)
    assert world.alert("A10").times == 2
    assert acts(world, "A10") == ["raised", "updated"]
    assert len([e for e in world.effects if e.kind == "delivery.v1"]) == before


def test_overdue_and_not_acknowledged_goes_to_the_manager_once() -> None:
    world = low().until("2025-10-31")
    assert acts(world, "A10") == ["raised", "escalated"]
    (escalated,) = [e for e in world.effects if e.kind == "alert.v1" and e.fields["act"] == "escalated"]
    assert escalated.fields["on"] == d("2025-10-23")
    assert [r["role"] for r in escalated.fields["recipients"]] == ["social-work-manager"]
    assert world.to("A10") == {"social-worker", "virtual-school", "provider-welfare"}


def test_acknowledged_alerts_are_not_escalated() -> None:
    world = low()
    world.act("A10", "acknowledge", "2025-10-21")
    world.until("2025-10-31")
    assert acts(world, "A10") == ["raised", "acknowledged"]


def test_outcomes_close_as_the_policy_says() -> None:
    for word, outcome in (("done", "resolved"), ("declined", "resolved"), ("not_needed", "stood_down")):
        world = low()
        world.act("A10", "outcome", "2025-10-21", word)
        assert world.alert("A10").outcome == outcome
        world.until("2025-11-10")
        assert len(world.alerts("A10")) == 1


def test_the_wrong_person_retracts_opens_a_match_review_and_is_not_raised_again() -> None:
    world = low()
    world.act("A10", "wrong_person", "2025-10-21")
    assert world.alert("A10").outcome == "retracted"
    assert world.to("MR") == {"data-steward"}
    world.until("2025-11-10")
    assert len(world.alerts("A10")) == 1
    world.act("MR", "outcome", "2025-11-11", "done")
    assert world.alert("MR").outcome == "resolved"


def test_a_review_that_a_worker_asks_for_reaches_the_steward_once_and_the_alert_stands() -> None:
    world = low()
    world.act("A10", "ask_review", "2025-10-21", "another school is named")
    assert world.to("MR") == {"data-steward"}
    world.act("A10", "ask_review", "2025-10-22", "another birth date, too")
    assert len(world.alerts("MR")) == 1
    assert world.alert("A10").open
    world.act("MR", "outcome", "2025-10-23", "done")
    assert world.alert("MR").outcome == "resolved"
    world.act("A10", "ask_review", "2025-10-24", "it came again")
    assert [alert.open for alert in world.alerts("MR")] == [False, True]


def test_an_outcome_that_a_partner_records_closes_too() -> None:
    world = low()
    world.tell("alert.outcome_recorded", "2025-10-22", source="care", rule="A10", outcome="done")
    assert world.alert("A10").outcome == "resolved"


def test_a_standing_alert_follows_the_case_to_its_new_worker() -> None:
    world = low()
    effects = world.tell(
        "case.assigned", "2025-10-21", source="care", role="social-worker", team="csc-north", worker_ref="w-1101"
    )
    (found,) = [r for r in world.alert("A10").recipients if r.role == "social-worker"]
    assert (found.team, found.worker) == ("csc-north", "w-1101")
    assert {e.fields["worker"] for e in effects if e.kind == "delivery.v1"} == {"w-1101"}


def test_the_day_after_a_worker_left_the_duty_desk_has_the_alert() -> None:
    world = low()
    world.tell(
        "case.assigned", "2025-10-21", source="care", role="social-worker", team="csc-north", worker_ref="w-1101"
    )
    world.tell("case.unassigned", "2025-10-23", source="care", role="social-worker", reason="worker_left")
    (kept,) = [r for r in world.alert("A10").recipients if r.role == "social-worker"]
    assert kept.worker == "w-1101", "the 23rd is the last day of the allocation"
    world.until("2025-10-24")
    (found,) = [r for r in world.alert("A10").recipients if r.role == "social-worker"]
    assert (found.team, found.worker) == (None, None)


def test_the_source_takes_its_event_back() -> None:
    world = low()
    event = world.state.facts[-1].message_id
    world.tell("event.retracted", "2025-10-22", retracts_id=event, reason="entered_in_error")
    assert world.lives("A10") == [("A10", "2025-10-20", "2025-10-22", "retracted")]


def test_an_event_that_proves_to_be_about_somebody_else_retracts_what_it_raised() -> None:
    world = low()
    world.withdraw("2025-10-22", world.state.facts[-1].event_id, "person-2")
    assert world.alert("A10").outcome == "retracted"


def test_consent_withdrawn_stops_the_sharing_at_once() -> None:
    world = World()
    world.tell("consent.given", "2025-09-01", source="care", purpose="dwp_sharing")
    neet = belief(
        span("2025-09-08", None, "619"),
        born="2006-05-02",
        marks=[mark("care_leaver")],
        episodes=[episode("2025-09-08")],
    )
    world.tell("contact.verified", "2025-09-10", source="care", belief=neet)
    assert "dwp-spoc" in world.to("A01")
    effects = world.tell("consent.withdrawn", "2025-09-12", source="care", purpose="dwp_sharing")
    (updated,) = [e for e in effects if e.kind == "alert.v1" and e.fields["rule"] == "A01"]
    views = {r["role"]: r["view"] for r in updated.fields["recipients"]}
    assert views["dwp-spoc"]["headline"] == "No longer shared with you" and not views["dwp-spoc"]["lines"]
    assert views["personal-adviser"]["lines"] and len(views) == len(world.to("A01"))
    assert {e.fields["role"] for e in effects if e.kind == "delivery.v1"} == {"dwp-spoc"}


def test_consent_given_again_brings_the_alert_back_with_a_message() -> None:
    world = World()
    world.tell("consent.given", "2025-09-01", source="care", purpose="dwp_sharing")
    marks, spells = [mark("care_leaver")], [episode("2025-09-08")]
    neet = belief(span("2025-09-08", None, "619"), born="2006-05-02", marks=marks, episodes=spells)
    world.tell("contact.verified", "2025-09-10", source="care", belief=neet)
    world.tell("consent.withdrawn", "2025-09-12", source="care", purpose="dwp_sharing")
    effects = world.tell("consent.given", "2025-09-15", source="care", purpose="dwp_sharing")
    (updated,) = [e for e in effects if e.kind == "alert.v1" and e.fields["act"] == "updated"]
    views = {r["role"]: r["view"] for r in updated.fields["recipients"]}
    assert views["dwp-spoc"]["lines"] and not world.alert("A01").gone
    told = {e.fields["role"] for e in effects if e.kind == "delivery.v1" and e.fields["act"] == "updated"}
    assert told == {"dwp-spoc"}


def shared_with_jobcentre(**more: Any) -> World:
    """A care leaver without education or work, whose alert the jobcentre reads by consent."""
    world = World(**more)
    world.tell("consent.given", "2025-09-01", source="care", purpose="dwp_sharing", expires_on="2025-09-20")
    marks, spells = [mark("care_leaver")], [episode("2025-09-08")]
    neet = belief(span("2025-09-08", None, "619"), born="2006-05-02", marks=marks, episodes=spells)
    world.tell("contact.verified", "2025-09-10", source="care", belief=neet)
    assert "dwp-spoc" in world.to("A01")
    return world


def test_consent_that_runs_out_takes_the_alert_back_on_the_day_after_its_last() -> None:
    world = shared_with_jobcentre(every_day=False).until("2025-09-20")
    assert not world.alert("A01").gone
    world.until("2025-09-21")
    assert world.alert("A01").gone == ("dwp-spoc",)
    told = {e.fields["role"] for e in world.effects if e.kind == "delivery.v1" and e.fields["act"] == "updated"}
    assert told == {"dwp-spoc"}


def test_a_role_that_may_no_longer_see_an_alert_hears_nothing_of_its_new_worker() -> None:
    world = shared_with_jobcentre()
    world.tell("consent.withdrawn", "2025-09-12", source="care", purpose="dwp_sharing")
    effects = world.tell("case.assigned", "2025-09-15", source="care", role="dwp-spoc", team="jcp", worker_ref="w-77")
    assert not [e for e in effects if e.kind == "delivery.v1" and e.fields["role"] == "dwp-spoc"]
    assert not [r for e in effects if e.kind == "alert.v1" for r in e.fields["recipients"] if r["role"] == "dwp-spoc"]


@dataclass(frozen=True, slots=True)
class UntilMidOctober(Everything):
    """Agreements that all end with 15 October 2025."""

    def next_turn(self, after: date) -> date | None:
        return date(2025, 10, 16) if after < date(2025, 10, 16) else None

    def readable(self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]) -> Readable:
        return NOTHING if today > date(2025, 10, 15) else Everything.readable(self, fact, role, rule, today, consented)


def test_an_agreement_that_ends_takes_back_what_stands_open_on_the_day_after_its_last() -> None:
    world = shared_with_jobcentre(every_day=False, settings=replace(settings(), sharing=UntilMidOctober()))
    world.until("2025-10-15")
    before = [e for e in world.effects if e.kind == "alert.v1" and e.fields["rule"] == "A01"][-1]
    assert any(line["label"] == "Name" for r in before.fields["recipients"] for line in r["view"]["lines"])
    world.until("2025-10-16")
    after = [e for e in world.effects if e.kind == "alert.v1" and e.fields["rule"] == "A01"][-1]
    assert str(after.fields["on"]) == "2025-10-16"
    named = [line for r in after.fields["recipients"] for line in r["view"]["lines"] if line["label"] == "Name"]
    assert not named


def test_facts_from_a_test_key_reach_nobody() -> None:
    from dataclasses import replace

    world = low()
    assert not world.alert("A10").test
    state = replace(world.state, alerts=(), facts=tuple(f._replace(test=True) for f in world.state.facts))
    world.state, world.effects = state, []
    world.until("2025-10-21")
    assert world.alert("A10").test
    assert not [e for e in world.effects if e.kind == "delivery.v1"]


def told_by_consent() -> World:
    """An alert that stands for one recipient, who may be told while a consent lasts."""
    world = low()
    world.tell("consent.given", "2025-10-21", purpose=HEALTH)
    alert = replace(world.alert("A10"), recipients=(Recipient("health-lead"),), shown="", gone=())
    world.state = replace(world.state, alerts=(alert,))
    return world


def suspend(world: World) -> None:
    world.settings = replace(world.settings, sharing=Closed())
    world.feed(Moved("head-2", datetime(2025, 10, 22, 12, tzinfo=UTC)))


def take_back(world: World) -> None:
    world.tell("consent.withdrawn", "2025-10-22", purpose=HEALTH)


def test_a_suspension_alone_leaves_an_alert_open() -> None:
    world = told_by_consent()
    suspend(world)
    assert world.alert("A10").open


@pytest.mark.parametrize(
    "order", [(suspend, take_back), (take_back, suspend)], ids=["suspended first", "consent first"]
)
def test_a_consent_that_ends_stands_an_alert_down_whether_or_not_sharing_was_suspended_before(order: Any) -> None:
    world = told_by_consent()
    for step in order:
        step(world)
    assert world.alert("A10").outcome == "stood_down"


def recalled(effects: list[Any]) -> set[tuple[str, str | None]]:
    """Who is told by message that an alert was retracted."""
    told = [e.fields for e in effects if e.kind == "delivery.v1" and e.fields["act"] == "retracted"]
    return {(f["role"], f["worker"]) for f in told if f["rule"] == "A10" and f["channel"] == "email"}


def test_everybody_who_was_ever_told_hears_that_it_was_the_wrong_person() -> None:
    world = low()
    world.until("2025-10-24")
    assert "escalated" in acts(world, "A10")
    world.tell(
        "case.assigned", "2025-10-27", source="care", role="social-worker", team="csc-north", worker_ref="w-1101"
    )
    effects = world.act("A10", "wrong_person", "2025-10-28")
    assert recalled(effects) == {
        ("social-worker", None),
        ("social-worker", "w-1101"),
        ("social-work-manager", None),
        ("virtual-school", None),
        ("provider-welfare", None),
    }


def test_an_alert_put_off_with_a_reason_goes_to_the_manager_only_after_that_day() -> None:
    world = low()
    world.act("A10", "snooze", "2025-10-21", "2025-11-03 the family is away")
    world.until("2025-11-02")
    assert acts(world, "A10") == ["raised", "updated"]
    world.until("2025-11-03")
    assert acts(world, "A10") == ["raised", "updated", "escalated"]


@pytest.mark.parametrize(
    "value", ["2025-11-03", "2025-11-03  ", "2026-11-03 too far", "2025-10-21 not ahead", "soon because", "x", ""]
)
def test_nothing_is_put_off_without_a_reason_or_beyond_the_limit(value: str) -> None:
    world = low()
    world.act("A10", "snooze", "2025-10-21", value)
    world.until("2025-10-24")
    assert acts(world, "A10") == ["raised", "escalated"]


def test_a_colleague_who_is_handed_an_alert_is_told_and_the_one_before_hears_of_a_retraction() -> None:
    world = low()
    effects = world.act("A10", "assign", "2025-10-21", "w-1104", role="social-worker")
    assert {(e.fields["role"], e.fields["worker"]) for e in effects if e.kind == "delivery.v1"} == {
        ("social-worker", "w-1104")
    }
    assert world.act("A10", "assign", "2025-10-21", "w-1104", role="social-worker") == []
    assert world.act("A10", "assign", "2025-10-21", "w-9", role="health-lead") == []
    assert ("social-worker", None) in recalled(world.act("A10", "wrong_person", "2025-10-22"))


def test_a_note_changes_no_alert() -> None:
    world = low()
    assert world.act("A10", "note", "2025-10-21", "rang twice") == []


def test_an_outcome_given_by_mistake_is_taken_back_and_the_others_are_told() -> None:
    world = low()
    world.act("A10", "outcome", "2025-10-21", "done")
    effects = world.act("A10", "reopen", "2025-10-22", "wrong button", role="social-worker")
    assert acts(world, "A10") == ["raised", "resolved", "reopened"]
    told = {e.fields["role"] for e in effects if e.kind == "delivery.v1" and e.fields["channel"] == "email"}
    assert told == {"virtual-school", "provider-welfare"}
    assert world.alert("A10").open and world.alert("A10").acknowledged
    # A second mistake is told a second time.
    world.act("A10", "outcome", "2025-10-23", "declined")
    again = world.act("A10", "reopen", "2025-10-23", "wrong again", role="social-worker")
    ids = {e.fields["delivery_id"] for e in effects if e.kind == "delivery.v1"}
    assert ids.isdisjoint(e.fields["delivery_id"] for e in again if e.kind == "delivery.v1")


@pytest.mark.parametrize(
    ("outcome", "day", "role", "reason", "last"),
    [
        ("done", "2025-11-18", "social-worker", "a slip", "reopened"),
        ("done", "2025-11-19", "social-worker", "a slip", "kept_closed"),
        ("done", "2025-10-22", "social-worker", "  ", "resolved"),
        ("done", "2025-10-22", "health-lead", "a slip", "resolved"),
        ("wrong_person", "2025-10-22", "social-worker", "a slip", "retracted"),
    ],
)
def test_nothing_else_is_reopened(outcome: str, day: str, role: str, reason: str, last: str) -> None:
    world = low()
    world.act("A10", "outcome", "2025-10-21", outcome)
    world.act("A10", "reopen", day, reason, role=role)
    assert acts(world, "A10")[-1] == last
    assert world.alert("A10").open is (last == "reopened")


def test_an_alert_whose_ground_has_gone_stays_closed_and_its_history_says_so() -> None:
    world = low()
    world.act("A10", "outcome", "2025-10-21", "done")
    world.tell("education.attendance.summary", "2025-10-24", percent=99.0, days_counted=25)
    world.act("A10", "reopen", "2025-10-27", "a slip", role="social-worker")
    assert acts(world, "A10") == ["raised", "resolved", "kept_closed"]
    assert not world.alert("A10").open
