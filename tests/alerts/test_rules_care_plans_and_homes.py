"""Care, EHC plans, homelessness, pregnancy, youth justice and the rest: on hand-built beliefs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.sharing import compile_policy
from services.alerts.sharing import Closed, Compiled
from tests.alerts.world import ROOT, World, belief, d, episode, mark, plan, settings, span

COLLEGE = span("2025-09-08", None, "230")
MOVE = {"same_carer": False, "placement_authority": "northshire", "out_of_area": False, "education_changes": False}


def known(*marks: object, code: str = "230", born: str = "2008-06-15", plans: object = ()) -> World:
    world = World()
    held = belief(span("2025-09-08", None, code), born=born, marks=marks, plans=plans)  # type: ignore[arg-type]
    world.tell("education.enrolment.started", "2025-09-08", belief=held)
    return world


def test_a_placement_move_of_a_child_in_learning_and_the_social_workers_visit() -> None:
    world = known(mark("looked_after"))
    world.tell("care.placement.changed", "2025-11-08", received="2025-11-13", source="care", **MOVE)
    assert world.lives() == [("A15", "2025-11-13", None, "open")]
    assert world.to("A15") == {"social-worker", "virtual-school", "commissioning"}
    world.tell(
        "contact.verified", "2025-11-26", source="care", contact_role="social-worker", activity="further_education"
    )
    assert world.lives() == [("A15", "2025-11-13", "2025-11-26", "resolved")]


def test_a_move_with_the_same_carer_or_loaded_late_raises_nothing() -> None:
    world = known(mark("looked_after"))
    world.tell("care.placement.changed", "2025-11-08", source="care", **{**MOVE, "same_carer": True})
    world.tell("care.placement.changed", "2025-10-01", received="2025-11-13", source="care", **MOVE)
    assert world.rules() == []


def test_a_child_placed_elsewhere_raises_a38_until_that_council_is_told() -> None:
    world = known(mark("looked_after"))
    away = {**MOVE, "placement_authority": "eastmarsh", "out_of_area": True}
    world.tell("care.episode.started", "2026-02-10", received="2026-02-11", source="care", **away)
    assert world.to("A38") == {"inclusion-team", "virtual-school"}
    world.tell("area.notified", "2026-02-17", authority="eastmarsh", direction="living_there")
    assert world.lives("A38") == [("A38", "2026-02-11", "2026-02-17", "resolved")]


def test_without_an_agreement_with_that_council_the_data_protection_officer_is_asked() -> None:
    compiled = compile_policy(ROOT / "contracts")
    sharing = Compiled.parse(compiled.content, compiled.policy_hash)
    suspended = sharing.less((), ("eastmarsh-council",))
    for rules, council, told in (
        (sharing, "eastmarsh", {"inclusion-team", "virtual-school"}),
        (sharing, "westmarsh", {"dpo"}),
        (suspended, "eastmarsh", {"dpo"}),
        (Closed(), "eastmarsh", {"dpo"}),
    ):
        world = World(settings=replace(settings(), sharing=rules))
        world.tell("education.enrolment.started", "2025-09-08", belief=belief(COLLEGE, marks=[mark("looked_after")]))
        away = {**MOVE, "placement_authority": council, "out_of_area": True}
        world.tell("care.episode.started", "2026-02-10", received="2026-02-11", source="care", **away)
        assert world.to("A38") == told


def test_ten_working_days_after_entering_care_without_a_pep() -> None:
    world = known(mark("looked_after"))
    world.tell("care.episode.started", "2026-02-10", received="2026-02-11", source="care", **MOVE)
    world.until("2026-02-24")
    assert "A16" not in world.rules()
    world.until("2026-02-25")
    assert world.alert("A16").due_on == d("2026-03-11")
    world.tell("pep.completed", "2026-03-05", social_worker_attended=True)
    assert world.lives("A16") == [("A16", "2026-02-25", "2026-03-05", "resolved")]
    world.until("2026-04-15")
    assert len(world.alerts("A16")) == 1


def test_a_notice_of_withdrawal_and_an_arrangement() -> None:
    world = known(mark("care_leaver"))
    world.tell("education.withdrawal.intended", "2025-11-20", intended_on="2025-12-12", reason="non_attendance")
    assert world.to("A12") == {"personal-adviser", "virtual-school"}
    world.tell("education.arrangement.agreed", "2025-11-25", measures=["mentor"])
    assert world.alert("A12").outcome == "resolved"


@pytest.mark.parametrize(
    ("kind", "days", "raised"), [("off_roll", None, "2025-11-03"), ("no_school_place", None, "2025-11-10")]
)
def test_a_looked_after_pupil_out_of_school(kind: str, days: int | None, raised: str) -> None:
    world = known(mark("looked_after"), code="110", born="2011-01-05")
    world.tell("education.provision_gap.recorded", "2025-11-03", kind=kind, days=days)
    world.until("2025-11-14")
    assert world.alert("A13").raised_on == d(raised)
    world.tell("education.provision_gap.ended", "2025-11-17", resolution="returned")
    assert world.alert("A13").outcome == "resolved"


def test_ceasing_without_corporate_parenting() -> None:
    world = known(mark("care_leaver"), mark("ehcp"), code="280", born="2006-11-11")
    held = belief(
        span("2025-09-08", None, "280"),
        born="2006-11-11",
        marks=[mark("care_leaver"), mark("ehcp")],
        plans=[plan("2026-05-18", "corporate_parenting", "c1")],
    )
    world.tell(
        "ehcp.cease_considered", "2026-05-18", source="send", event_id="c1", ground="outcomes_achieved", belief=held
    )
    assert world.to("A26") == {"leaving-care-manager", "personal-adviser", "sena-caseworker"}
    assert world.alert("A26").due_on == d("2026-05-19")
    world.tell(
        "ehcp.consultation_responded", "2026-05-20", source="care", respondent="corporate_parenting", view="opposes"
    )
    assert world.lives("A26") == [("A26", "2026-05-18", "2026-05-20", "resolved")]


def refused() -> World:
    world = known(mark("care_leaver"), mark("ehcp"), code="280", born="2006-11-11")
    held = belief(
        span("2025-09-08", None, "280"),
        born="2006-11-11",
        marks=[mark("care_leaver"), mark("ehcp")],
        plans=[plan("2026-08-03", "appeal_window", "x1", deadline="2026-09-01", refused=True)],
    )
    world.tell("ehcp.ceased", "2026-07-31", received="2026-08-03", source="send", event_id="x1", belief=held)
    return world


def test_a_plan_closed_inside_the_appeal_window_is_refused_and_the_appeal_takes_over() -> None:
    world = refused()
    assert world.to("A28") == {"sena-manager", "personal-adviser", "dpo"}
    assert world.alert("A28").due_on == d("2026-08-03")
    world.tell("ehcp.appeal_registered", "2026-08-27", received="2026-08-28", source="send", about="cease")
    assert world.lives("A28") == [("A28", "2026-08-03", "2026-08-28", "superseded")]


def test_the_deadline_passes_without_an_appeal() -> None:
    world = refused()
    world.until("2026-09-02")
    assert world.lives("A28") == [("A28", "2026-08-03", "2026-09-02", "resolved")]


@pytest.mark.parametrize("outcome", ["plan_continues", "plan_may_cease", "conceded", "withdrawn"])
def test_a_closure_refused_while_an_appeal_was_pending_is_settled_when_the_appeal_is_over(outcome: str) -> None:
    world = known(mark("ehcp"), born="2006-11-11")
    world.tell("ehcp.appeal_registered", "2026-07-20", source="send", about="cease")
    held = belief(
        COLLEGE,
        born="2006-11-11",
        marks=[mark("ehcp")],
        plans=[plan("2026-08-03", "appeal_pending", "c1", refused=True)],
    )
    world.tell("ehcp.ceased", "2026-08-03", source="send", event_id="c1", ground="outcomes_achieved", belief=held)
    world.until("2026-12-01")
    assert world.lives("A28") == [("A28", "2026-08-03", None, "open")], "no deadline runs while the appeal is pending"
    world.tell("ehcp.appeal_concluded", "2026-12-02", source="send", outcome=outcome)
    assert world.lives("A28") == [("A28", "2026-08-03", "2026-12-02", "resolved")]


def test_an_appeal_that_was_over_before_the_closure_settles_nothing() -> None:
    world = known(mark("ehcp"), born="2006-11-11")
    world.tell("ehcp.appeal_concluded", "2026-08-03", source="send", outcome="plan_continues")
    held = belief(COLLEGE, born="2006-11-11", marks=[mark("ehcp")], plans=[plan("2026-08-03", "", "c1", refused=True)])
    world.tell("ehcp.ceased", "2026-08-03", source="send", event_id="c1", ground="outcomes_achieved", belief=held)
    assert world.lives("A28") == [("A28", "2026-08-03", None, "open")]


def test_an_unlawful_ground_under_18_and_its_withdrawal() -> None:
    world = known(mark("ehcp"), born="2008-10-05")
    held = belief(COLLEGE, born="2008-10-05", marks=[mark("ehcp")], plans=[plan("2025-12-08", "unlawful_ground", "c1")])
    world.tell(
        "ehcp.cease_considered", "2025-12-08", source="send", event_id="c1", ground="not_in_education", belief=held
    )
    assert world.to("A28") == {"sena-manager"}
    world.tell("ehcp.cease_withdrawn", "2025-12-09", source="send", stage="considered")
    assert world.lives("A28") == [("A28", "2025-12-08", "2025-12-09", "resolved")]


def test_no_decision_four_weeks_after_the_review_meeting() -> None:
    world = known(mark("ehcp"))
    world.tell("ehcp.review_meeting_held", "2026-04-27", received="2026-04-28", source="send", activity_confirmed=True)
    world.until("2026-05-25")
    assert "A29" not in world.rules()
    world.until("2026-05-26")
    assert world.alert("A29").due_on == d("2026-06-02")
    world.tell("ehcp.cease_decided", "2026-06-15", source="send", ground="outcomes_achieved")
    assert world.lives("A29")[0] == ("A29", "2026-05-26", "2026-06-15", "resolved")


def test_decision_and_final_plan_in_time_keep_a29_silent() -> None:
    world = known(mark("ehcp"))
    world.tell("ehcp.review_meeting_held", "2026-01-14", source="send", activity_confirmed=True)
    world.tell("ehcp.amend_notice_sent", "2026-02-09", source="send", proposed_amendments_enclosed=True)
    world.tell("ehcp.final_amended_plan", "2026-03-30", source="send", kind="special_post16")
    world.until("2026-05-30")
    assert "A29" not in world.rules()


def test_neet_with_a_plan_asks_for_a_review_once_for_the_episode() -> None:
    world = known(mark("ehcp"), born="2008-10-05")
    neet = belief(
        span("2025-11-29", None, "610"), born="2008-10-05", marks=[mark("ehcp")], episodes=[episode("2025-11-29")]
    )
    world.tell("contact.verified", "2025-12-03", activity="not_in_eet", belief=neet)
    assert world.lives("A27") == [("A27", "2025-12-03", None, "open")]
    world.tell("ehcp.review_meeting_held", "2026-01-14", source="send", activity_confirmed=True)
    assert world.alert("A27").outcome == "resolved"
    world.until("2026-02-15")
    assert len(world.alerts("A27")) == 1


def test_presumed_neet_with_a_plan_waits_ten_working_days() -> None:
    world = known(mark("ehcp"))
    gone = belief(
        span("2025-09-08", "2025-11-28", "230"),
        span("2025-11-29", None, "810"),
        marks=[mark("ehcp"), mark("presumed_neet", "2025-11-29")],
    )
    world.tell("education.enrolment.withdrawn", "2025-11-28", destination_confirmed=False, belief=gone)
    world.until("2025-12-11")
    assert "A27" not in world.rules()
    world.until("2025-12-12")
    assert "A27" in world.rules()


APPROACH = {"circumstance": "sofa_surfing", "stated_age": 17, "education_provider": "northgate-academy"}


def test_a_homeless_17_year_old_is_told_at_once_although_nobody_knows_who_it_is() -> None:
    stub, person = World(), World()
    stub.state = type(stub.state)("stub-1")
    stub.tell("housing.homelessness.approached", "2026-02-02", source="housing", how="held", event_id="h1", **APPROACH)
    stub.review("review_opened", "2026-02-02", safeguarding=True)
    assert stub.rules() == ["A36", "MR"]
    assert stub.to("A36") == {"csc-front-door", "housing-officer", "school-safeguarding-lead"}
    assert stub.alert("A36").due_on == stub.alert("MR").due_on == d("2026-02-02")
    person.tell("education.enrolment.started", "2025-09-04", belief=belief(COLLEGE, born="2009-01-27"))
    effects = person.tell(
        "housing.homelessness.approached",
        "2026-02-02",
        source="housing",
        how="released",
        event_id="h1",
        from_person="stub-1",
        known="2026-02-03",
        **APPROACH,
    )
    moved = stub.withdraw("2026-02-03", "h1", "person-1")
    stub.review("review_closed", "2026-02-03")
    assert person.alert("A36").alert_id == stub.alert("A36").alert_id
    assert person.alert("A36").raised_on == d("2026-02-02")
    assert person.to("A36") == stub.to("A36")
    assert not [e for e in effects if e.kind == "delivery.v1"]
    assert [e.fields["act"] for e in moved] == ["moved"]
    assert stub.lives("MR") == [("MR", "2026-02-02", "2026-02-03", "resolved")]
    person.tell("care.episode.started", "2026-02-10", received="2026-02-11", source="care", **MOVE)
    assert person.lives("A36") == [("A36", "2026-02-02", "2026-02-11", "resolved")]


def test_a_tenancy_that_ended_by_moving_is_no_risk() -> None:
    world = known()
    world.tell("housing.tenancy.ended", "2026-02-02", source="housing", reason="moved")
    assert world.rules() == []
    world.tell("housing.tenancy.ended", "2026-02-05", source="housing", reason="evicted")
    assert world.rules() == ["A36"]


def test_a_held_event_raises_nothing_else() -> None:
    stub = World()
    stub.tell("education.enrolment.withdrawn", "2026-02-02", how="held", destination_confirmed=False)
    stub.tell("circumstance.pregnant", "2026-02-03", how="held", due_on="2026-06-01")
    assert stub.rules() == []


def test_pregnancy_reaches_the_teenage_parent_service_only_after_consent() -> None:
    world = known(mark("care_leaver"), mark("pregnant_or_parent"), born="2006-02-17")
    world.tell("circumstance.pregnant", "2025-09-18", source="care", due_on="2025-12-20")
    world.tell("consent.refused", "2025-09-18", source="care", purpose="teenage_parent_support")
    assert world.to("A24") == {"personal-adviser"}
    world.tell("circumstance.birth", "2025-12-18", source="care", living_with_child=True)
    assert len(world.alerts("A24")) == 1
    world.tell("consent.given", "2026-04-20", source="care", purpose="teenage_parent_support")
    first, second = world.alerts("A24")
    assert (first.outcome, first.closed_on) == ("superseded", d("2026-04-20"))
    assert {r.role for r in second.recipients} == {"tbag-coordinator", "early-help"}
    assert second.due_on == d("2026-05-05")
    world.tell("referral.accepted", "2026-04-27", service="teenage_parent_support")
    assert world.alerts("A24")[1].outcome == "resolved"


def test_a_supported_job_without_a_call_in_its_first_week() -> None:
    world = known(mark("care_leaver"), code="330", born="2006-05-02")
    world.tell(
        "employment.started", "2026-01-19", source="care", kind="permanent", hours_per_week=36, supported_by_est=True
    )
    world.until("2026-02-01")
    assert "A21" not in world.rules()
    world.until("2026-02-02")
    assert world.to("A21") == {"est", "personal-adviser"}
    world.tell("contact.in_work", "2026-02-03", contact_role="est", concerns=False)
    assert world.alert("A21").outcome == "resolved"


def test_a_short_job_lost() -> None:
    world = known(mark("care_leaver"), code="330", born="2006-05-02")
    world.tell("employment.started", "2026-01-19", kind="permanent", hours_per_week=36)
    gone = belief(
        span("2026-01-19", "2026-03-01", "330"),
        span("2026-03-02", None, "810"),
        born="2006-05-02",
        marks=[mark("care_leaver")],
    )
    world.tell("employment.ended", "2026-03-01", received="2026-03-02", reason="dismissed", belief=gone)
    assert "A22" in world.rules()
    assert "A04" not in world.rules()


def test_a_disposal_with_too_few_hours_and_its_last_month() -> None:
    world = known(mark("yj_open"), born="2008-06-15")
    world.tell(
        "yj.disposal.started",
        "2025-10-01",
        source="yjt",
        kind="referral_order",
        ends_on="2026-03-31",
        ete_hours_offered=25,
    )
    assert world.rules() == []
    world.tell("yj.hours.summary", "2025-12-05", source="yjt", attended_hours_per_week=10)
    assert world.to("A30") == {"yjt-education-coordinator"}
    world.until("2026-03-03")
    assert world.lives("A30", "A31") == [
        ("A30", "2025-12-05", "2026-03-03", "superseded"),
        ("A31", "2026-03-03", None, "open"),
    ]


def test_rising_18_and_the_claim() -> None:
    world = known(mark("looked_after"), born="2008-03-02")
    world.until("2026-02-02")
    assert world.to("A34") == {"social-worker", "personal-adviser"}
    world.tell("uc.preparation_recorded", "2026-02-10", source="care", documents_ready=True)
    assert world.alert("A34").outcome == "resolved"


def test_benefit_trouble_but_not_because_of_study() -> None:
    world = known(mark("care_leaver"), born="2006-05-02")
    world.tell("uc.claim_ended", "2026-02-10", source="jcp", reason="student")
    assert world.rules() == []
    world.tell("uc.sanctioned", "2026-02-12", source="jcp", level="low")
    assert world.to("A35") == {"personal-adviser"}


def test_rent_rises_with_work() -> None:
    world = known(mark("care_leaver"), code="330", born="2006-05-02")
    world.tell(
        "housing.rent_contribution_changed",
        "2026-03-01",
        received="2026-02-10",
        cause="in_work",
        supported_housing=True,
    )
    assert world.to("A37") == {"personal-adviser", "housing-commissioner", "dhp-officer"}
    world.tell("housing.dhp_awarded", "2026-03-01", received="2026-02-20")
    assert world.alert("A37").outcome == "resolved"


def test_died_stands_everything_down_and_raises_nothing_more() -> None:
    world = known(mark("care_leaver"), born="2006-05-02")
    world.tell("uc.sanctioned", "2026-02-12", source="jcp", level="low")
    world.tell("circumstance.died", "2026-02-13", source="care", confirmed=True)
    assert world.lives() == [("A35", "2026-02-12", "2026-02-13", "stood_down")]
    world.tell("uc.sanctioned", "2026-02-14", source="jcp", level="low")
    assert len(world.state.alerts) == 1


def test_a_provider_that_is_no_party_of_the_hub_never_becomes_a_team_that_is_told() -> None:
    """What a housing officer typed would stand in deliveries, and the safeguarding alert reach nobody."""
    world = World()
    typed = {**APPROACH, "education_provider": "St Elsewhere, ask for Jo"}
    effects = world.tell("housing.homelessness.approached", "2026-02-02", source="housing", event_id="h1", **typed)
    told = [e.fields for e in effects if e.kind == "delivery.v1"]
    assert told and not any("Elsewhere" in str(fields) for fields in told)
