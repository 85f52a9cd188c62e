"""Attendance, leaving learning, NEET starts: on hand-built beliefs."""

from __future__ import annotations

from tests.alerts.world import World, belief, d, episode, mark, span

LAC = (mark("looked_after"),)
COLLEGE = span("2025-09-08", None, "230")


def learner(*marks: object) -> World:
    world = World()
    world.tell("education.enrolment.started", "2025-09-08", belief=belief(COLLEGE, marks=marks))  # type: ignore[arg-type]
    return world


def summary(world: World, day: str, received: str, percent: float, days: int = 20) -> None:
    world.tell("education.attendance.summary", day, received=received, percent=percent, days_counted=days)


def test_a_looked_after_learner_under_95_percent_raises_a09_and_under_90_percent_a10_takes_over() -> None:
    world = learner(*LAC)
    summary(world, "2025-10-03", "2025-10-06", 93.0)
    assert world.lives() == [("A09", "2025-10-06", None, "open")]
    assert world.to("A09") == {"social-worker", "virtual-school"}
    assert world.alert("A09").due_on == d("2025-10-13")
    summary(world, "2025-10-17", "2025-10-20", 88.0)
    assert world.lives() == [
        ("A09", "2025-10-06", "2025-10-20", "superseded"),
        ("A10", "2025-10-20", None, "open"),
    ]
    assert "provider-welfare" in world.to("A10")


def test_attendance_of_fewer_than_ten_days_or_older_than_28_days_raises_nothing() -> None:
    world = learner(*LAC)
    summary(world, "2025-10-03", "2025-10-06", 50.0, days=9)
    summary(world, "2025-10-04", "2025-11-10", 50.0)
    assert world.lives() == []


def test_attendance_of_a_learner_outside_the_priority_groups_raises_nothing() -> None:
    world = learner()
    summary(world, "2025-10-03", "2025-10-06", 50.0)
    assert world.lives() == []


def test_recovered_attendance_resolves() -> None:
    world = learner(*LAC)
    summary(world, "2025-10-17", "2025-10-20", 88.0)
    summary(world, "2025-10-31", "2025-11-03", 91.0)
    assert world.lives("A10") == [("A10", "2025-10-20", "2025-11-03", "resolved")]


def test_three_unexplained_days_raise_a11_for_a_looked_after_child_and_five_for_others() -> None:
    absence = {"last_day_on": "2025-11-12", "days": 3, "reason": "unexplained"}
    world = learner(*LAC)
    world.tell("education.attendance.absence", "2025-11-10", received="2025-11-12", **absence)
    assert world.rules() == ["A11"]
    other = learner()
    other.tell("education.attendance.absence", "2025-11-10", received="2025-11-12", **absence)
    assert other.rules() == []
    other.tell("education.attendance.absence", "2025-11-10", received="2025-11-14", **{**absence, "days": 5})
    assert other.rules() == ["A11"]


def test_a_corrected_reason_retracts_and_everybody_is_told() -> None:
    world = learner(*LAC)
    absence = {"last_day_on": "2025-11-12", "days": 3}
    world.tell("education.attendance.absence", "2025-11-10", received="2025-11-12", reason="unexplained", **absence)
    effects = world.tell(
        "education.attendance.absence", "2025-11-10", received="2025-11-13", reason="illness", **absence
    )
    assert world.lives() == [("A11", "2025-11-12", "2025-11-13", "retracted")]
    assert len([e for e in effects if e.kind == "delivery.v1"]) == 6


def test_authorised_absence_raises_nothing() -> None:
    world = learner(*LAC)
    world.tell("education.attendance.absence", "2025-11-10", reason="authorised", days=9, last_day_on="2025-11-20")
    assert world.rules() == []


def left(world: World, *, marks: object = LAC, confirmed: bool = False) -> None:
    world.tell(
        "education.enrolment.withdrawn",
        "2025-11-21",
        received="2025-11-24",
        destination_confirmed=confirmed,
        belief=belief(
            span("2025-09-08", "2025-11-21", "230"),
            span("2025-11-22", None, "810"),
            marks=(*marks, mark("presumed_neet", "2025-11-22")),  # type: ignore[misc]
        ),
    )


def test_leaving_without_destination_raises_a02_and_replaces_attendance() -> None:
    world = learner(*LAC)
    summary(world, "2025-11-14", "2025-11-17", 85.0)
    left(world)
    assert world.lives() == [("A10", "2025-11-17", "2025-11-24", "superseded"), ("A02", "2025-11-24", None, "open")]
    assert world.to("A02") == {"social-worker", "virtual-school", "inclusion-team"}
    assert world.alert("A02").due_on == d("2025-11-26")


def test_outside_the_priority_groups_a02_has_five_days() -> None:
    world = learner()
    left(world, marks=())
    assert world.alert("A02").due_on == d("2025-12-01")
    assert world.alert("A02").severity == "P3"


def test_leaving_with_a_confirmed_destination_raises_no_a02() -> None:
    world = learner(*LAC)
    left(world, confirmed=True)
    assert "A02" not in world.rules()


def test_contact_that_was_known_before_the_withdrawal_prevents_a02() -> None:
    world = learner(*LAC)
    world.tell("contact.verified", "2025-11-23", source="care", contact_role="social-worker", activity="unknown")
    left(world)
    assert "A02" not in world.rules()


def test_an_answer_that_was_about_somebody_else_leaves_a02_to_be_asked_again() -> None:
    world = learner(*LAC)
    left(world)
    world.tell("contact.verified", "2025-11-26", source="care", event_id="spoken", activity="unknown")
    world.withdraw("2025-12-03", "spoken", "person-2")
    world.until("2025-12-10")
    assert [(alert.raised_on, alert.outcome) for alert in world.alerts("A02")] == [
        (d("2025-11-24"), "resolved"),
        (d("2025-12-03"), "open"),
    ]


def test_a_withdrawal_taken_back_retracts_a02() -> None:
    world = learner(*LAC)
    left(world)
    event = world.state.facts[-1].message_id
    world.tell("event.retracted", "2025-11-25", retracts_id=event, belief=belief(COLLEGE, marks=LAC))
    assert world.lives("A02") == [("A02", "2025-11-24", "2025-11-25", "retracted")]


def neet(world: World, marks: object = LAC) -> None:
    world.tell(
        "contact.verified",
        "2025-11-26",
        source="care",
        contact_role="social-worker",
        activity="not_in_eet",
        belief=belief(
            span("2025-09-08", "2025-11-21", "230"),
            span("2025-11-22", "2026-02-26", "619"),
            span("2026-02-27", None, "810"),
            marks=marks,  # type: ignore[arg-type]
            episodes=[episode("2025-11-22", "2026-02-26")],
        ),
    )


def test_neet_established_resolves_a02_and_raises_a01_once_for_the_episode() -> None:
    world = learner(*LAC)
    left(world)
    neet(world)
    assert world.lives() == [
        ("A02", "2025-11-24", "2025-11-26", "resolved"),
        ("A01", "2025-11-26", None, "open"),
    ]
    world.until("2026-03-02")
    assert world.lives("A01") == [("A01", "2025-11-26", "2026-02-27", "superseded")]
    assert ("A04", "2026-02-27", None, "open") in world.lives()


def test_outside_the_priority_groups_a03_goes_to_the_inclusion_team() -> None:
    world = learner()
    neet(world, marks=())
    assert world.rules() == ["A03"]
    assert world.to("A03") == {"inclusion-team"}
    assert world.alert("A03").due_on == d("2025-12-10")


def test_first_eet_day_resolves_and_an_episode_that_never_was_is_retracted() -> None:
    world = learner(*LAC)
    neet(world)
    over = belief(
        span("2025-09-08", "2025-11-21", "230"),
        span("2025-11-22", "2026-01-11", "619"),
        span("2026-01-12", None, "530"),
        marks=LAC,
        episodes=[episode("2025-11-22", "2026-01-11")],
    )
    world.tell("provision.started", "2026-01-12", belief=over)
    assert ("A01", "2025-11-26", "2026-01-12", "resolved") in world.lives()
    other = learner(*LAC)
    neet(other)
    other.tell("provision.started", "2025-11-20", received="2025-12-01", belief=belief(COLLEGE, marks=LAC))
    assert other.lives("A01") == [("A01", "2025-11-26", "2025-12-01", "retracted")]


def test_custody_stands_down_and_keeps_silent() -> None:
    world = learner(*LAC)
    neet(world)
    inside = belief(
        span("2025-09-08", "2025-11-21", "230"),
        span("2025-11-22", "2025-12-09", "619"),
        span("2025-12-10", None, "290"),
        marks=(*LAC, mark("custody", "2025-12-10")),
        episodes=[episode("2025-11-22", "2025-12-09")],
    )
    world.tell("yj.custody.entered", "2025-12-10", source="yjt", kind="sentence", belief=inside)
    assert world.lives("A01") == [("A01", "2025-11-26", "2025-12-10", "stood_down")]
    assert world.to("A32") == {"csc-front-door", "virtual-school", "yjt-manager"}
