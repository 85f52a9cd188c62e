"""What workers do with alerts, one at a time and many at once: what goes to the log, and what is refused in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.alerts import settings as alert_settings
from services.console import acting
from services.console.acting import Limits, Wrong
from services.console.tables import SHOWN
from spine import traces
from spine.carried import Carried, carried, trace_of
from tests.console.conftest import CONTRACTS, TODAY

pytestmark = pytest.mark.postgres
LIMITS = Limits(28, frozenset({"P1"}), 28)
NEXT_WEEK = (TODAY + timedelta(days=7)).isoformat()
NADIA = {"role": "inclusion-team", "team": "inclusion-south", "worker": "w-4403"}


def test_the_console_refuses_by_the_numbers_by_which_alerts_decides() -> None:
    policy = alert_settings.load(CONTRACTS).policy
    assert acting.load(CONTRACTS) == Limits(policy.snooze_days_max, policy.snooze_never, policy.reopen_days_max)


@pytest.mark.parametrize(
    ("severity", "until", "reason", "field"),
    [
        ("P1", NEXT_WEEK, "family away", "until"),
        ("P2", "", "family away", "until"),
        ("P2", "31/12/2026", "family away", "until"),
        ("P2", TODAY.isoformat(), "family away", "until"),
        ("P2", (TODAY + timedelta(days=29)).isoformat(), "family away", "until"),
        ("P2", NEXT_WEEK, " \x00\n", "reason"),
        ("P2", NEXT_WEEK, "x" * 201, "reason"),
    ],
)
def test_putting_off_needs_a_day_ahead_and_a_reason(severity: str, until: str, reason: str, field: str) -> None:
    found = acting.put_off([severity], until, reason, TODAY, LIMITS)
    assert isinstance(found, Wrong) and found.field == field


def test_the_value_of_putting_off_is_day_and_reason() -> None:
    last = TODAY + timedelta(days=28)
    assert acting.put_off(["P2"], last.isoformat(), " away\nuntil then ", TODAY, LIMITS) == f"{last} away until then"


def test_an_alert_is_put_off_and_says_so(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    desk.alert("a2", name="Ewa Brandt")
    visit.sign_in("inclusion-team")
    wrong = visit.post(f"/alerts/{ref}/put-off", until="soon", reason="away")
    assert wrong.status_code == 422 and "Enter the day" in wrong.text and 'value="away"' in wrong.text
    page = visit.post(f"/alerts/{ref}/put-off", until=NEXT_WEEK, reason="family away").text
    assert "You put this alert off." in page and "Put off until 2 December 2026" in page and "family away" in page
    assert [(f["verb"], f["value"]) for f in desk.sent()] == [("snooze", f"{NEXT_WEEK} family away")]
    assert "put off until 2 December 2026" in visit.get("/").text
    only = visit.get("/?state=put_off").text
    assert "Aisha Verity" in only and "Ewa Brandt" not in only


def test_nobody_puts_an_urgent_alert_off(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", severity="P1")
    visit.sign_in("inclusion-team")
    assert "put-off" not in visit.get(f"/alerts/{ref}").text
    answer = visit.post(f"/alerts/{ref}/put-off", until=NEXT_WEEK, reason="away")
    assert answer.status_code == 422 and "urgent alert cannot be put off" in answer.text
    assert not desk.sent()


def test_an_alert_is_handed_to_a_colleague_of_the_same_role_and_team(visit: Any, desk: Any) -> None:
    told = [{"role": "inclusion-team", "team": "inclusion-north", "worker": None}]
    ref = desk.alert("a1", told=[*told, {"role": "inclusion-team", "team": None, "worker": None}])
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}").text
    assert "Nadia Osman" in page and "Maya Ellison" not in page
    assert visit.post(f"/alerts/{ref}/hand-over", worker="w-1101").status_code == 422
    assert visit.post(f"/alerts/{ref}/hand-over", worker="").status_code == 422
    assert "Handed over" in visit.post(f"/alerts/{ref}/hand-over", worker="w-4403").text
    assert [(f["verb"], f["value"], f["role"]) for f in desk.sent()] == [("assign", "w-4403", "inclusion-team")]


def test_what_was_handed_over_stands_for_the_new_worker_and_not_for_the_old(visit: Any, desk: Any) -> None:
    desk.alert("a1")
    desk.alert("a1", act="updated", told=[NADIA])
    visit.sign_in("inclusion-team")
    assert "Aisha Verity" not in visit.get("/?scope=mine").text.split('id="list"')[1]
    page = visit.get("/?scope=team").text
    assert "1 alert<" in page and "Nadia Osman" in page
    # For the team it stands: it is not closed as well.
    assert "No alerts match" in visit.get("/?state=closed").text


def test_handed_on_in_the_same_moment_it_is_the_new_workers_alone(visit: Any, desk: Any) -> None:
    desk.alert("a1", settle=False)
    desk.alert("a1", act="updated", told=[NADIA])
    visit.sign_in("inclusion-team")
    assert "Aisha Verity" not in visit.get("/?scope=mine").text.split('id="list"')[1]
    assert "1 alert<" in visit.get("/?scope=team").text


def test_who_had_it_before_hears_that_it_was_not_true(visit: Any, desk: Any) -> None:
    north = {**NADIA, "team": "inclusion-north"}
    ref = desk.alert("a1")
    desk.alert("a1", act="updated", told=[north])
    desk.alert("a1", act="retracted", told=[north], is_open=False)
    visit.sign_in("inclusion-team")
    assert "This alert was not true." in visit.get(f"/alerts/{ref}").text


def test_a_wrong_person_is_confirmed_before_it_is_said(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    assert visit.post(f"/alerts/{ref}/wrong-person").status_code == 422
    assert not desk.sent()
    page = visit.post(f"/alerts/{ref}/wrong-person", sure="1").text
    assert "taken back from everybody" in page and "closes shortly" in page
    assert [f["verb"] for f in desk.sent()] == ["wrong_person"]


def test_a_worker_who_is_not_sure_asks_for_a_review_and_says_what_does_not_fit(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    refused = visit.post(f"/alerts/{ref}/ask-review")
    assert refused.status_code == 422 and "Enter what does not fit" in refused.text
    page = visit.post(f"/alerts/{ref}/ask-review", doubt="Another school is named").text
    assert "The alert stands meanwhile." in page and "A data steward was asked to look at the match." in page
    assert "Record outcome" in page
    assert [(f["verb"], f["value"]) for f in desk.sent()] == [("ask_review", "Another school is named")]


def test_each_act_begins_a_trace_without_a_receipt_where_somebody_collects(visit: Any, desk: Any) -> None:
    refs = [desk.alert(f"a{n}") for n in range(2)]
    visit.sign_in("inclusion-team").post(f"/alerts/{refs[0]}/acknowledge")
    spans = InMemorySpanExporter()
    traces.use("console", spans)
    try:
        visit.post(f"/alerts/{refs[0]}/note", note="Rang home")
        visit.post(f"/alerts/{refs[1]}/note", note="Rang home")
    finally:
        traces.end()
    assert len(desk.sent()) == 3
    plain, *beside = [carried(record.headers) for record in desk.log.read({("statuses", 0): 0}, 10)]
    assert plain == Carried()
    # What alerts decide on an act hangs under it, in its trace; seconds from a receipt are not counted from a click.
    clicks = {span.context.trace_id: span.context.span_id for span in spans.get_finished_spans() if span.name == "act"}
    under = [trace_of(one.trace) for one in beside]
    assert {one.trace_id: one.span_id for one in under if one} == clicks and len(clicks) == 2
    assert all(one.received_ms is None for one in beside)


def test_many_are_acknowledged_at_once_and_foreign_ones_are_left_alone(visit: Any, desk: Any) -> None:
    refs = [desk.alert(f"a{n}", person=f"p-{n}") for n in range(3)]
    school = desk.alert("b1", told=[{"role": "school-careers-lead", "team": "providers", "worker": "w-8502"}])
    visit.sign_in("inclusion-team")
    visit.post(f"/alerts/{refs[0]}/acknowledge")
    page = visit.post("/bulk", verb="acknowledge", refs=[*refs, school, "nonsense"], back="/?scope=mine")
    assert str(page.url).endswith("/?scope=mine") and "acknowledged the alerts you selected" in page.text
    assert sorted(f["alert_id"] for f in desk.sent()) == ["a0", "a1", "a2"]
    assert "select at least one" in visit.post("/bulk", verb="acknowledge").text
    assert str(visit.post("/bulk", verb="acknowledge", back="//evil.example").url).endswith("/")


def test_many_are_put_off_or_handed_over_after_a_question(visit: Any, desk: Any) -> None:
    refs = [desk.alert(f"a{n}", told=[{**NADIA, "team": "inclusion-north"}, {**NADIA, "worker": "w-4401"}])
            for n in range(2)]  # fmt: skip
    visit.sign_in("inclusion-team")
    assert "Put off 2 alerts" in visit.post("/bulk", verb="put_off", refs=refs).text
    wrong = visit.post("/bulk/put-off", refs=refs, until=NEXT_WEEK, reason="")
    assert wrong.status_code == 422 and "Enter why" in wrong.text
    visit.post("/bulk/put-off", refs=refs, until=NEXT_WEEK, reason="term break")
    assert [f["verb"] for f in desk.sent()] == ["snooze", "snooze"]
    assert "Hand over 2 alerts" in visit.post("/bulk", verb="hand_over", refs=refs).text
    assert visit.post("/bulk/hand-over", refs=refs, worker="w-1101").status_code == 422


def test_only_new_views_join_the_history_of_what_was_shown(desk: Any) -> None:
    desk.alert("a1")
    desk.alert("a1", act="acknowledged")
    desk.alert("a1", act="updated", todo=["Ring today."])
    with desk.journal.engine.connect() as connection:
        kept = connection.execute(sa.select(SHOWN.c.view).order_by(SHOWN.c.at)).scalars().all()
    assert [view["todo"][0] for view in kept] == ["Ring within two working days.", "Ring today."]


def test_a_rule_whose_meaning_is_masked_is_not_named_by_its_number(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", rule="A24", headline="Change of circumstances: priority group: Aisha Verity")
    visit.sign_in("inclusion-team")
    for path in ("/", f"/alerts/{ref}", f"/alerts/{ref}/person", "/?about=Change+of+circumstances%3A+priority+group"):
        page = visit.get(path).text
        assert "A24" not in page and "Aisha Verity" in page, path


@pytest.mark.parametrize(
    ("history", "verbs", "days_ago", "words"),
    [
        (["raised", "resolved"], ["outcome"], 28, ""),
        (["raised", "stood_down", "kept_closed"], ["outcome"], 0, ""),
        (["raised", "resolved"], ["outcome"], 29, "more than 28 days ago"),
        (["raised", "stood_down"], ["note"], 0, "not closed by a worker"),
        (["raised", "retracted"], ["wrong_person"], 0, "not closed by a worker"),
        (["raised", "superseded"], ["outcome"], 0, "not closed by a worker"),
    ],
)
def test_only_an_outcome_is_taken_back_and_not_for_ever(
    history: list[str], verbs: list[str], days_ago: int, words: str
) -> None:
    told = [(act, TODAY - timedelta(days=days_ago)) for act in history]
    found = acting.reopenable(told, verbs, TODAY, LIMITS)
    assert words in found and bool(words) == bool(found)


def test_an_alert_is_reopened_with_a_reason_and_its_history_shows_it(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    assert visit.post(f"/alerts/{ref}/reopen", reopen="a slip").status_code == 404
    visit.post(f"/alerts/{ref}/outcome", outcome="done")
    desk.alert("a1", act="resolved", is_open=False, at=desk.clock)
    desk.clock += timedelta(minutes=1)
    assert "Enter why" in visit.post(f"/alerts/{ref}/reopen", reopen=" ").text
    page = visit.post(f"/alerts/{ref}/reopen", reopen="pressed the wrong button").text
    assert "That is decided shortly" in page and "pressed the wrong button" in page
    assert [(f["verb"], f["value"]) for f in desk.sent()][1:] == [("reopen", "pressed the wrong button")]
    desk.alert("a1", act="kept_closed", is_open=False, at=desk.clock)
    assert "Stays closed" in visit.get(f"/alerts/{ref}").text
    desk.alert("a1", act="reopened", at=desk.clock)
    page = visit.get(f"/alerts/{ref}").text
    assert "Reopened: the outcome was given by mistake" in page and "What came of it?" in page


def test_what_the_hub_closed_by_itself_is_not_reopened_and_says_why(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    desk.alert("a1", act="stood_down", is_open=False)
    visit.sign_in("inclusion-team")
    assert "It cannot be reopened." in visit.get(f"/alerts/{ref}").text
    answer = visit.post(f"/alerts/{ref}/reopen", reopen="a slip")
    assert answer.status_code == 422 and "not closed by a worker" in answer.text
    assert not desk.sent()
