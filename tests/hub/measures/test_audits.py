"""Governance counts: youth justice at the end of a disposal, teenage parents, ceased plans, match quality."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from hub.measures import audits
from hub.measures.count import Tally
from services.alerts import settings as alerts_settings
from services.alerts.state import Alert, Seen, State
from services.status.belief import Belief
from services.status.characteristics import Mark
from services.status.days import FOREVER
from services.status.plan import PlanState
from services.status.spans import Layer

ON = date(2026, 11, 30)
DAY = ON.toordinal()
POLICY = alerts_settings.load(Path(__file__).resolve().parents[3] / "contracts").policy
SETTINGS = audits.Settings(12, 20, 25, 16, POLICY)
BORN = date(2010, 1, 5).toordinal()


def told(*marks: Mark, code: str = "230", plans: tuple[PlanState, ...] = ()) -> Belief:
    return Belief(BORN, (Layer(1, FOREVER, code),), (), marks, (), plans)


def fact(type_: str, on: date, **data: object) -> Seen:
    return Seen(type_, "northshire-social-care", "social-care", "m", type_, on, on, 0, 0, data=data)  # type: ignore[arg-type]


def counted(belief: Belief, *facts: Seen) -> dict[str, list[int]]:
    tally = Tally(ON, ())
    audits.add(tally, belief, State("p", facts), 1 << 60, SETTINGS)
    return tally.shares


def test_youth_justice_s_own_hours_decide_at_the_end_of_a_disposal() -> None:
    ended = Mark(1, DAY - 40, "yj_open")
    on = date.fromordinal(DAY - 40)
    assert counted(told(ended)) == {"yj_ete_at_end": [1, 0]}
    assert counted(told(ended), fact("yj.disposal.ended", on, ete_hours_at_end=15.5)) == {"yj_ete_at_end": [0, 1]}
    assert counted(told(ended, code="110"), fact("yj.disposal.ended", on, ete_hours_at_end=24.0)) == {
        "yj_ete_at_end": [0, 1]
    }
    assert counted(told(ended, code="619")) == {"yj_ete_at_end": [0, 1]}


def test_open_disposals_old_ones_and_those_that_end_in_custody_are_not_counted() -> None:
    assert counted(told(Mark(1, DAY + 5, "yj_open"))) == {}
    assert counted(told(Mark(1, DAY - 400, "yj_open"))) == {}
    assert counted(told(Mark(1, DAY - 40, "yj_open"), Mark(1, DAY, "custody"))) == {}


def test_a_teenage_parent_is_counted_with_permission_while_the_consent_stands() -> None:
    parent = told(Mark(1, FOREVER, "pregnant_or_parent"))
    given = fact("consent.given", date(2026, 10, 1), purpose="teenage_parent_support")
    over = fact("consent.given", date(2026, 10, 1), purpose="teenage_parent_support", expires_on="2026-11-29")
    assert counted(parent) == {"tbag_with_permission": [0, 1]}
    assert counted(parent, given) == {"tbag_with_permission": [1, 0]}
    assert counted(parent, over) == {"tbag_with_permission": [0, 1]}
    assert counted(replace(parent, born=date(2006, 11, 30).toordinal()), given) == {}


def test_a_closure_that_the_guard_refused_is_no_lawful_cease() -> None:
    ceased = PlanState(0, DAY - 10, "ceased", None, None, None, False, "e")
    refused = PlanState(0, DAY - 20, "maintained", None, None, None, True, "e")
    assert counted(told(plans=(refused, ceased))) == {"ehcp_cease_lawful": [1, 1]}


def test_education_plan_meetings_count_who_came_and_what_an_audit_said() -> None:
    held = told(Mark(1, DAY, "looked_after"))
    came = fact("pep.completed", date(2026, 3, 2), social_worker_attended=True, quality="good")
    alone = fact("pep.completed", date(2026, 6, 2), social_worker_attended=False, quality="not_assessed")
    old = fact("pep.completed", date(2025, 6, 2), social_worker_attended=False, quality="requires_work")
    assert counted(held, came, alone, old) == {"pep_social_worker_attended": [1, 1], "pep_good": [1, 0]}
    assert counted(told(), came, alone) == {}


def test_a_removal_from_the_roll_was_consulted_on_if_somebody_was_asked_since_the_enrolment() -> None:
    held, left = told(Mark(1, DAY, "care_leaver")), date(2026, 10, 9)
    started = fact("education.enrolment.started", date(2026, 9, 1))
    removed = fact("education.enrolment.withdrawn", left)
    asked = fact("education.withdrawal.intended", date(2026, 10, 1))
    earlier = fact("education.withdrawal.intended", date(2026, 5, 1))
    elsewhere = asked._replace(source="northvale-college")
    assert counted(held, started, removed) == {"removals_consulted": [0, 1]}
    assert counted(held, started, removed, asked) == {"removals_consulted": [1, 0]}
    assert counted(held, started, removed, earlier) == {"removals_consulted": [0, 1]}
    assert counted(held, started, removed, elsewhere) == {"removals_consulted": [0, 1]}
    said = fact("education.enrolment.withdrawn", left, pre_consultation=True)
    assert counted(held, said) == {"removals_consulted": [1, 0]}
    assert counted(told(), removed) == {}


def reviewed(*alerts: Alert, known: int = 1 << 60) -> dict[str, list[int]]:
    tally = Tally(ON, ())
    for _ in range(2):
        audits.add(tally, told(), State("p", alerts=alerts), known, SETTINGS)
    return tally.shares


def alert(rule: str, number: int, *, due: date, closed: date | None = None, because: str = "") -> Alert:
    ms = None if closed is None else closed.toordinal()
    made = Alert(f"a{number}", rule, "m", date(2026, 11, 2), due, "P3", 0, ())
    return replace(
        made, closed_on=closed, closed_ms=ms, because=because, outcome="open" if closed is None else "resolved"
    )


def test_a_match_review_counts_once_and_in_time_if_decided_by_its_day_or_not_yet_due() -> None:
    reviews = (
        alert("MR", 1, due=date(2026, 11, 5), closed=date(2026, 11, 4)),
        alert("MR", 2, due=date(2026, 11, 5), closed=date(2026, 11, 9)),
        alert("MR", 3, due=date(2026, 11, 5)),
        alert("MR", 4, due=date(2026, 12, 1)),
    )
    assert reviewed(*reviews) == {"match_reviews_in_time": [2, 2]}


def test_what_a_worker_said_is_about_somebody_else_is_a_link_that_was_wrong() -> None:
    day = date(2026, 11, 9)
    one = alert("A03", 1, due=day, closed=day, because="outcome done")
    other = alert("A03", 2, due=day, closed=day, because="outcome wrong_person")
    by_itself = alert("A03", 3, due=day, closed=day, because="ground gone")
    assert reviewed(one, other, by_itself) == {"links_right": [2, 2]}
    assert reviewed(one, known=0) == {}, "closed later than is known"
