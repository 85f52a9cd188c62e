"""The young person's page as known at a moment, emergencies, oversight, and a team's caseload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from services.console import then
from services.console.tables import ACCESS, BREAK_GLASS
from services.console.web import create_app
from tests.console.conftest import TODAY, Visit, line, span

WEST = {"role": "inclusion-team", "team": "inclusion-north", "worker": "w-4403"}
EARLY = datetime(2026, 11, 10, 8, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 8, tzinfo=UTC)


def view(**more: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "headline": "Contact needed: Aisha Verity",
        "lines": [line("Name", "Aisha Verity", "identity"), line("Reason", "ill", "health")],
        "why": ["Northvale College told us on 4 November that the young person left."],
        "timeline": [{"start": "2026-09-01", "end": None, "label": "Full-time education"}],
        "withheld": [],
        "agreements": ["ISA-1@1.0"],
    }
    return whole | more


def test_a_category_that_may_not_be_read_any_more_is_not_shown_out_of_the_past() -> None:
    found = then.by_todays_rules(view(), view(lines=[line("Name", "Aisha Verity", "identity")]))
    assert [one["label"] for one in found["lines"]] == ["Name"]


def test_a_field_that_is_held_back_now_is_held_back_in_the_past() -> None:
    found = then.by_todays_rules(view(), view(withheld=[{"what": "reason", "why": "choice"}]))
    assert [one["label"] for one in found["lines"]] == ["Name"]


def test_days_hidden_now_are_hidden_in_the_past_and_without_a_timeline_there_is_none() -> None:
    hidden = [{"start": "2026-10-01", "end": "2026-10-31", "label": then.NOT_SHOWN}]
    assert then.by_todays_rules(view(), view(timeline=hidden))["timeline"][0]["label"] == then.NOT_SHOWN
    assert then.by_todays_rules(view(), view(timeline=[]))["timeline"] == []


def test_what_came_under_an_agreement_that_is_not_relied_on_today_stays_out() -> None:
    now = view(agreements=["ISA-2@1.0"], lines=[line("Reason", "moved", "health")], why=[])
    found = then.by_todays_rules(view(), now)
    assert (found["lines"], found["timeline"], found["why"]) == ([], [], [])


def test_an_earlier_headline_is_never_shown() -> None:
    found = then.by_todays_rules(view(headline="Pregnancy or parenthood: Aisha Verity"), view())
    assert found["headline"] == "Contact needed: Aisha Verity"


@pytest.mark.postgres
def test_the_person_page_answers_as_known_at_the_end_of_a_day(visit: Any, desk: Any) -> None:
    first = {"timeline": [span(TODAY - timedelta(days=90), None, "Full-time education")]}
    ref = desk.alert("a1", at=EARLY, **first)
    desk.alert("a1", act="updated", at=LATER)
    visit.sign_in("inclusion-team")
    now = visit.get(f"/alerts/{ref}/person").text
    assert "On 25 November 2026: Not in education, employment or training" in now
    earlier = visit.get(f"/alerts/{ref}/person?at=2026-11-15&on=2026-11-10").text
    assert "by the end of 15 November 2026" in earlier
    assert "On 10 November 2026: Full-time education" in earlier
    assert "<desc" in earlier and "Not in education" not in earlier.split("<desc")[1].split("</desc>")[0]
    assert "No timeline was shared" in visit.get(f"/alerts/{ref}/person?at=2026-11-01").text


@pytest.mark.postgres
def test_days_that_are_none_and_knowledge_of_tomorrow_are_refused_in_words(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    for query, words in (("on=soon", "the day that you ask about"), ("at=2026-11-26", "not after today")):
        answer = visit.get(f"/alerts/{ref}/person?{query}")
        assert answer.status_code == 422 and words in answer.text


@pytest.mark.postgres
def test_what_was_taken_back_is_not_read_out_of_the_past_either(visit: Any, desk: Any) -> None:
    mine = {"role": "inclusion-team", "team": "inclusion-south", "worker": "w-4401"}
    gone = {"headline": "No longer shared with you", "lines": [], "why": [], "todo": [], "timeline": []}
    gone |= {"withheld": [], "agreements": [], "policy": ""}
    ref = desk.alert("a1", at=EARLY)
    desk.alert("a1", act="updated", at=LATER, told=[{**mine, "gone": True, "view": gone}])
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}/person?at=2026-11-15").text
    assert "Aisha" not in page and "Full-time education" not in page


@pytest.mark.postgres
def test_who_breaks_the_glass_reads_for_an_hour_and_governance_reads_why(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", told=[WEST])
    visit.sign_in("inclusion-team")
    assert visit.get(f"/alerts/{ref}").status_code == 404
    reason = "She rang, is in danger, and Nadia is away"
    for data in ({"alert": "x", "reason": reason}, {"alert": ref, "reason": "short"}):
        assert visit.post("/emergency", **data).status_code == 422
    page = visit.post("/emergency", alert=f"https://hub.example/alerts/{ref}", reason=reason).text
    assert "Opened in an emergency" in page and "Aisha Verity" in page
    assert "/acknowledge" not in page and 'name="note"' not in page
    assert visit.get(f"/alerts/{ref}/person").status_code == 200
    assert visit.post(f"/alerts/{ref}/note", note="x").status_code == 404
    assert not desk.sent()
    desk.clock += timedelta(minutes=61)
    with TestClient(create_app(desk.console())) as client:
        again = Visit(client).sign_in("inclusion-team")
        assert again.get(f"/alerts/{ref}").status_code == 404
    assert not desk.sent(), "what the role may open in an emergency is beyond the team, not the role"
    with TestClient(create_app(desk.console())) as client:
        page = Visit(client).sign_in("dpo").get("/oversight").text
        assert reason in page and "Alert" in page


@pytest.mark.postgres
def test_the_glass_opens_no_other_role_and_a_guess_is_written_down(visit: Any, desk: Any) -> None:
    school = desk.alert("b1", told=[{"role": "school-careers-lead", "team": "providers", "worker": "w-8502"}])
    visit.sign_in("inclusion-team")
    answers = [
        visit.post("/emergency", alert=ref, reason="He is in danger and nobody answers") for ref in (school, "0" * 20)
    ]
    assert [a.status_code for a in answers] == [404, 404] and answers[0].text == answers[1].text
    with desk.journal.engine.connect() as connection:
        rows = connection.execute(sa.select(BREAK_GLASS.c.opened)).scalars().all()
    assert rows == [False, False]
    (tried,) = desk.sent()
    assert tried["doing"] == "emergency", "a guess at what never was is nobody's"
    for _ in range(8):
        visit.post("/emergency", alert="0" * 20, reason="He is in danger and nobody answers")
    assert "too many in a day" in visit.post("/emergency", alert="0" * 20, reason="He is in danger again").text


@pytest.mark.postgres
def test_oversight_shows_both_ways_who_looked_at_whom(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", person="p-1")
    other = desk.alert("a2", person="p-2", name="Ewa Brandt")
    visit.sign_in("inclusion-team")
    visit.get(f"/alerts/{ref}")
    visit.get(f"/alerts/{ref}/person")
    visit.get(f"/alerts/{other}")
    assert visit.get("/oversight").status_code == 404
    with TestClient(create_app(desk.console())) as client:
        auditor = Visit(client).sign_in("auditor")
        assert auditor.get("/oversight").text.count("Who else looked") == 3
        with desk.journal.engine.connect() as connection:
            number = connection.execute(sa.select(ACCESS.c.number).where(ACCESS.c.person_id == "p-1")).scalars().first()
        page = auditor.get(f"/oversight?like={number}").text
        assert page.count("Who else looked") == 3 and "Inbox" in page and "p-1" not in page and "Aisha" not in page
        assert auditor.get("/oversight?user=inclusion-team&like=x").status_code == 200


@pytest.mark.postgres
def test_a_team_sees_who_holds_what_and_covers_for_a_colleague(visit: Any, desk: Any) -> None:
    for n in range(3):
        desk.alert(f"a{n}", person=f"p-{n}", due=TODAY - timedelta(days=n), told=[{**WEST, "worker": "w-4403"}])
    desk.alert("b1", told=[{**WEST, "worker": None}])
    desk.alert("c1", told=[{"role": "careers-adviser", "team": "inclusion-north", "worker": "w-4402"}])
    with TestClient(create_app(desk.console())) as client:
        adviser = Visit(client).sign_in("careers-adviser")
        page = adviser.get("/team").text
        assert "Luke Farrow" in page and "Nadia Osman" not in page
    with TestClient(create_app(desk.console())) as client:
        assert Visit(client).sign_in("auditor").get("/team").status_code == 404
    visit.sign_in("inclusion-team")
    assert "Your team has no open alerts." in visit.get("/team").text
    mine = {**WEST, "team": "inclusion-south"}
    for n in range(2):
        desk.alert(f"d{n}", person=f"p-{n}", told=[mine])
    assert "Nadia Osman" in visit.get("/team").text
    assert visit.post("/team/cover", absent="", worker="w-4401").status_code == 422
    assert visit.post("/team/cover", absent="w-4403", worker="w-4403").status_code == 422
    assert "Whoever takes them" in visit.post("/team/cover", absent="w-4403", worker="w-4401").text
    assert sorted((f["alert_id"], f["value"]) for f in desk.sent()) == [("d0", "w-4401"), ("d1", "w-4401")]
