"""Agreed starts, no-shows, the September Guarantee, lapses, long NEET: on hand-built beliefs."""

from __future__ import annotations

from tests.alerts.world import World, belief, d, episode, mark, span, wait

PUPIL = "2009-11-30"


def guarantee(world: World) -> None:
    school = belief(span("2025-09-01", "2026-08-31", "110"), span("2026-09-01", None, "810"), born=PUPIL)
    world.tell("education.enrolment.started", "2025-09-01", received="2025-09-15", belief=school)
    world.tell("september_guarantee.status", "2026-05-29", status="no_offer", year_group=11)


def test_no_offer_is_asked_about_on_the_first_of_june_and_an_accepted_place_resolves() -> None:
    world = World()
    guarantee(world)
    assert "A08" not in world.rules()
    world.until("2026-06-01")
    assert world.lives("A08") == [("A08", "2026-06-01", None, "open")]
    assert world.alert("A08").due_on == d("2026-06-29")
    world.tell("offer.made", "2026-07-09", kind="further_education", suitable=True)
    assert world.alert("A08").open
    world.tell("offer.accepted", "2026-07-15", kind="further_education", suitable=True, conditional=False)
    assert world.lives("A08") == [("A08", "2026-06-01", "2026-07-15", "resolved")]
    world.until("2026-10-02")
    assert len(world.alerts("A08")) == 1


def test_without_a_guarantee_status_silence_is_no_evidence() -> None:
    world = World()
    school = belief(span("2025-09-01", "2026-08-31", "110"), span("2026-09-01", None, "810"), born=PUPIL)
    world.tell("education.enrolment.started", "2025-09-01", belief=school)
    world.until("2026-10-02")
    assert "A08" not in world.rules()


def test_not_recorded_counts_only_from_september_and_is_then_due_in_two_days() -> None:
    world = World()
    guarantee(world)
    world.tell("september_guarantee.status", "2026-05-30", status="not_recorded", year_group=11)
    world.until("2026-08-31")
    assert "A08" not in world.rules()
    world.until("2026-09-01")
    assert world.alert("A08").due_on == d("2026-09-03")


def no_show() -> World:
    world = World()
    waiting = belief(
        span("2025-09-01", "2026-08-31", "110"),
        span("2026-09-01", "2026-09-21", "616"),
        span("2026-09-22", None, "810"),
        born=PUPIL,
        waits=[wait("2026-07-15", "2026-09-07", "2026-09-21")],
    )
    world.tell("offer.accepted", "2026-07-15", kind="further_education", suitable=True, belief=waiting)
    return world.until("2026-09-22")


def test_nobody_came_ten_working_days_after_the_agreed_start() -> None:
    world = no_show()
    assert world.lives() == [("A07", "2026-09-22", None, "open")]
    assert world.to("A07") == {"inclusion-team"}
    assert world.alert("A07").due_on == d("2026-09-29")
    world.tell("contact.failed", "2026-09-29", attempts=3, address_current=True)
    assert world.alert("A07").open


def test_found_in_learning_all_along_retracts_the_no_show() -> None:
    world = no_show()
    found = belief(
        span("2025-09-01", "2026-08-31", "110"),
        span("2026-09-01", "2026-09-02", "616"),
        span("2026-09-03", None, "230"),
        born=PUPIL,
        waits=[wait("2026-07-15", "2026-09-07", "2026-09-02", "eet")],
    )
    world.tell("education.enrolment.started", "2026-09-03", received="2026-10-14", belief=found)
    assert world.lives() == [("A07", "2026-09-22", "2026-10-14", "retracted")]


def test_a_later_start_resolves_and_neet_supersedes() -> None:
    later = no_show()
    spans = (span("2026-09-01", "2026-09-21", "616"), span("2026-09-22", "2026-10-04", "810"))
    wait_ = [wait("2026-07-15", "2026-09-07", "2026-09-21")]
    later.tell(
        "education.enrolment.started", "2026-10-05", belief=belief(*spans, span("2026-10-05", None, "230"), waits=wait_)
    )
    assert later.alert("A07").outcome == "resolved"
    neet = no_show()
    neet.tell("contact.verified", "2026-10-05", belief=belief(*spans, span("2026-10-05", None, "619"), waits=wait_))
    assert neet.alert("A07").outcome == "superseded"


def test_a_course_that_ends_with_nothing_to_follow_warns_thirty_days_before_on_a_working_day() -> None:
    world = World()
    ends = belief(
        span("2025-09-08", "2026-08-31", "280"),
        span("2026-09-01", None, "810"),
        born="2006-11-11",
        marks=[mark("care_leaver")],
    )
    world.tell("education.enrolment.started", "2025-09-08", belief=ends)
    world.until("2026-08-02")
    assert world.rules() == []
    world.until("2026-08-03")
    assert world.lives() == [("A04", "2026-08-03", None, "open")]
    assert world.to("A04") == {"personal-adviser"}
    world.until("2026-09-01")
    assert world.alert("A04").open
    agreed = belief(
        span("2025-09-08", "2026-08-31", "280"),
        span("2026-09-01", "2026-09-28", "615"),
        span("2026-09-29", None, "810"),
        born="2006-11-11",
        marks=[mark("care_leaver")],
        waits=[wait("2026-09-02", "2026-09-14", "2026-09-28")],
    )
    world.tell("start.agreed", "2026-09-02", starts_on="2026-09-14", kind="supported_internship", belief=agreed)
    assert world.lives() == [("A04", "2026-08-03", "2026-09-02", "resolved")]


def test_an_accepted_offer_keeps_a04_silent() -> None:
    world = World()
    follows = belief(
        span("2025-09-08", "2026-08-31", "230"),
        span("2026-09-01", "2026-10-05", "615"),
        span("2026-10-06", None, "810"),
        waits=[wait("2026-06-15", "2026-09-21", "2026-10-05")],
    )
    world.tell("offer.accepted", "2026-06-15", suitable=True, belief=follows)
    world.until("2026-10-05")
    assert world.rules() == []


def test_a_gap_under_a_disposal_stands_alone_whether_it_was_heard_of_before_or_after_the_care_status() -> None:
    """Of one day's two facts, either may come first."""
    standing = []
    for order in ((0, 1), (1, 0)):
        world = World()
        known = belief(marks=[mark("care_leaver"), mark("yj_open")], born="2008-05-02")
        for n in order:
            if n == 0:
                world.tell("care.leaver_status.changed", "2025-09-01", belief=known)
            else:
                world.tell(
                    *("yj.disposal.started", "2025-09-01"),
                    source="yjt",
                    ends_on="2026-05-20",
                    ete_hours_offered=5,
                    belief=known,
                )
        standing.append([alert.rule for alert in world.state.alerts if alert.open])
    assert standing == [["A30"], ["A30"]]


def test_a_priority_person_of_whom_nothing_is_known_is_asked_about_once_and_again_after_the_cool_down() -> None:
    world = World()
    world.tell(
        "care.leaver_status.changed", "2025-09-01", belief=belief(marks=[mark("care_leaver")], born="2006-05-02")
    )
    assert world.lives() == [("A04", "2025-09-01", None, "open")]
    world.act("A04", "outcome", "2025-09-03", "done")
    world.until("2025-10-03")
    assert len(world.alerts("A04")) == 1
    world.until("2025-10-06")
    assert [life[1] for life in world.lives()] == ["2025-09-01", "2025-10-06"]


def neet(marks: list[object], start: str = "2025-06-16", waits: list[object] | None = None) -> World:
    world = World()
    held = belief(
        span(start, None, "619"),
        born="2006-02-17",
        marks=marks,
        episodes=[episode(start)],
        waits=waits or [],  # type: ignore[arg-type]
    )
    world.tell("contact.verified", start, source="care", activity="not_in_eet", belief=held)
    return world


def test_thirteen_weeks_go_to_the_panel_and_its_review_resolves() -> None:
    world = neet([mark("care_leaver")])
    world.until("2025-09-14")
    assert "A06" not in world.rules()
    world.until("2025-09-15")
    assert world.lives("A06") == [("A06", "2025-09-15", None, "open")]
    assert world.to("A06") == {"eet-panel", "personal-adviser"}
    assert world.alert("A06").due_on == d("2025-10-13")
    world.tell("panel.reviewed", "2025-09-18", panel="eet-panel", decision="continue_plan")
    assert world.lives("A06") == [("A06", "2025-09-15", "2025-09-18", "resolved")]


def test_a_mark_inside_the_quiet_period_is_skipped_not_deferred() -> None:
    world = neet([mark("care_leaver"), mark("quiet", "2025-09-01", "2025-10-01")])
    world.until("2025-12-01")
    assert "A06" not in world.rules()
    world.until("2025-12-15")
    assert world.lives("A06") == [("A06", "2025-12-15", None, "open")]


def test_a_start_in_the_next_thirty_days_skips_the_mark() -> None:
    world = neet([mark("care_leaver")], waits=[wait("2025-09-01", "2025-10-10", "2025-10-24")])
    world.until("2025-11-30")
    assert "A06" not in world.rules()


def test_a_taster_is_due_three_months_after_the_last_and_attending_one_resolves() -> None:
    world = neet([mark("care_leaver")])
    world.until("2025-09-15")
    assert "A19" not in world.rules() or world.alert("A19").raised_on == d("2025-09-16")
    world.until("2025-09-16")
    assert world.alert("A19").raised_on == d("2025-09-16")
    world.tell("taster.attended", "2025-09-20")
    assert world.alert("A19").outcome == "resolved"
    world.until("2025-12-20")
    assert len(world.alerts("A19")) == 1


def test_without_a_plan_ten_working_days_after_a01_the_manager_is_told() -> None:
    world = neet([mark("care_leaver")], start="2025-11-24")
    world.until("2025-12-08")
    assert "A18" not in world.rules()
    world.until("2025-12-09")
    assert world.to("A18") == {"leaving-care-manager"}
    assert world.alert("A18").due_on == d("2025-12-16")
    world.tell("plan.multi_agency_recorded", "2025-12-10", agencies=["est"])
    assert world.lives("A18") == [("A18", "2025-12-09", "2025-12-10", "resolved")]


def test_a_plan_inside_ten_working_days_keeps_a18_silent() -> None:
    world = neet([mark("care_leaver")], start="2025-11-24")
    world.tell("plan.multi_agency_recorded", "2025-12-05", agencies=["est"])
    world.until("2026-01-15")
    assert "A18" not in world.rules()


def test_an_in_touch_day_missed_in_april_is_asked_about_in_may() -> None:
    world = World()
    held = belief(
        span("2025-06-16", None, "630"),
        born="2006-02-17",
        episodes=[episode("2025-06-16")],
        marks=[mark("care_leaver"), mark("quiet", "2025-10-04", "2026-04-02")],
    )
    world.tell("circumstance.birth", "2025-12-18", source="care", living_with_child=True, belief=held)
    world.until("2026-04-30")
    assert "A20" not in world.rules()
    world.until("2026-05-01")
    assert world.lives("A20") == [("A20", "2026-05-01", None, "open")]
    world.tell("in_touch_day.held", "2026-05-06", attended=True)
    assert world.alert("A20").outcome == "resolved"
    world.until("2026-06-01")
    assert len(world.alerts("A20")) == 1


def test_conflicting_sources_are_a_question_that_agreement_answers() -> None:
    world = World()
    college = span("2025-09-08", None, "230")
    world.tell("education.enrolment.started", "2025-09-08", belief=belief(college, marks=[mark("care_leaver")]))
    torn = belief(college, marks=[mark("care_leaver"), mark("conflict:benefit", "2025-11-03")])
    world.tell("uc.claim_started", "2025-11-03", received="2025-11-05", source="jcp", regime="UAA", belief=torn)
    assert world.lives() == [("A05", "2025-11-05", None, "open")]
    assert world.to("A05") == {"personal-adviser"}
    world.tell(
        "uc.claim_ended",
        "2025-11-20",
        source="jcp",
        reason="withdrawn",
        belief=belief(college, marks=[mark("care_leaver")]),
    )
    assert world.alert("A05").outcome == "resolved"
