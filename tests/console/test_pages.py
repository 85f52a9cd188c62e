"""What each role sees, does, and does not learn."""

from __future__ import annotations

import html
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from services.console.steward import Door
from services.console.tables import ACCESS, INBOX
from services.console.web import create_app

pytestmark = pytest.mark.postgres
SCHOOL = {"role": "school-careers-lead", "team": "providers", "worker": "w-8502"}


def test_nobody_sees_anything_before_signing_in(visit: Any, desk: Any) -> None:
    ref = desk.alert()
    for path in ("/", f"/alerts/{ref}", f"/alerts/{ref}/person", "/reviews", "/refusals", "/activity", "/about"):
        answer = visit.client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")
    assert visit.client.get("/live").status_code == 401


def test_after_signing_in_the_worker_comes_to_the_page_they_wanted(visit: Any, desk: Any) -> None:
    ref = desk.alert()
    page = visit.get(f"/alerts/{ref}")
    from_form = page.text.split('name="next" value="')[1].split('"')[0]
    assert html.unescape(from_form) == f"/alerts/{ref}"
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    answer = visit.client.post("/sign-in", data={"user": "inclusion-team", "csrf": token, "next": f"/alerts/{ref}"})
    assert str(answer.url).endswith(f"/alerts/{ref}")


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(visit: Any, next_: str) -> None:
    token = visit.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    data = {"user": "inclusion-team", "csrf": token, "next": next_}
    answer = visit.client.post("/sign-in", data=data, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_worker_sees_the_alerts_disclosed_to_their_role_and_team(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    other = desk.alert("a2", name="Ewa Brandt", told=[SCHOOL])
    visit.sign_in("inclusion-team")
    page = visit.get("/").text
    assert "Left learning, destination unknown: Aisha Verity" in page
    assert "Ewa Brandt" not in page
    assert visit.get(f"/alerts/{ref}").status_code == 200
    for path in (f"/alerts/{other}", f"/alerts/{other}/person", "/alerts/never-was"):
        assert visit.get(path).status_code == 404
    for verb in ("acknowledge", "outcome", "note"):
        assert visit.post(f"/alerts/{other}/{verb}", note="x", outcome="done").status_code == 404
    # One thing tried, however often; what never was is nothing.
    (tried,) = desk.sent()
    assert (tried["who"], tried["role"], tried["party"], tried["doing"]) == ("w-4401", "inclusion-team", "", "page")
    assert tried["_key"] == tried["person_id"] and other not in str(tried)


def test_pages_of_other_roles_are_tries_and_what_a_role_simply_has_not_is_none(visit: Any, desk: Any) -> None:
    visit.sign_in("provider-welfare")
    for path in ("/reviews", "/reviews/r1", "/refusals", "/oversight", "/agreements", "/measures", "/no-such-page"):
        assert visit.get(path).status_code == 404, path
    things = {fact["what"] for fact in desk.sent()}
    assert len(things) == 5


def test_the_answer_for_what_one_may_not_see_is_that_for_what_does_not_exist(visit: Any, desk: Any) -> None:
    hidden = desk.alert("a2", told=[SCHOOL])
    visit.sign_in("inclusion-team")
    answers = [visit.get(f"/alerts/{ref}") for ref in (hidden, "0" * 20)]
    assert answers[0].text == answers[1].text


def test_two_roles_see_two_views_of_one_alert(desk: Any) -> None:
    one = {"role": "inclusion-team", "team": "inclusion-south", "worker": None}
    two = {**SCHOOL, "view": _masked()}
    ref = desk.alert("a1", told=[one, two])
    for user, there, absent in (
        ("inclusion-team", "Did not attend", "Masked"),
        ("school-careers-lead", "Masked", "Did not"),
    ):
        with TestClient(create_app(desk.console())) as client:
            page = _signed_in(client, user).get(f"/alerts/{ref}").text
            assert there in page
            assert absent not in page


def _masked() -> dict[str, Any]:
    empty: list[Any] = []
    return {
        "headline": "Masked: an alert about one of your pupils", "lines": empty, "why": ["You teach them."],
        "todo": empty,
        "timeline": empty, "withheld": empty, "agreements": empty, "policy": "",
    }  # fmt: skip


def _signed_in(client: TestClient, user: str) -> TestClient:
    token = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    client.post("/sign-in", data={"user": user, "csrf": token})
    return client


def test_a_colleague_of_the_team_can_stand_in_and_another_team_cannot(desk: Any) -> None:
    ref = desk.alert("a1", told=[{"role": "sena-caseworker", "team": "sena-east", "worker": "w-6022"}])
    mine = desk.alert("a2", told=[{"role": "sena-caseworker", "team": "sena-west", "worker": "w-6022"}])
    with TestClient(create_app(desk.console())) as client:
        _signed_in(client, "sena-caseworker")
        assert client.get(f"/alerts/{ref}").status_code == 404
        assert client.get(f"/alerts/{mine}").status_code == 200


def test_an_alert_that_nobody_holds_is_for_the_whole_role(visit: Any, desk: Any) -> None:
    desk.alert("a1", told=[{"role": "inclusion-team", "team": None, "worker": None}])
    visit.sign_in("inclusion-team")
    assert "Aisha Verity" in visit.get("/?scope=unassigned").text
    assert "Aisha Verity" not in visit.get("/?scope=mine").text


def test_the_ground_and_other_peoples_views_are_not_even_stored(desk: Any) -> None:
    desk.alert("a1")
    with desk.journal.engine.connect() as connection:
        dump = str(connection.execute(sa.text("SELECT i.*, h.* FROM told i JOIN history h USING (alert_id)")).all())
    assert "ground_word_that_stays_out" not in dump


def test_a_test_alert_never_reaches_a_worker(visit: Any, desk: Any) -> None:
    desk.alert("a1", test=True)
    visit.sign_in("inclusion-team")
    assert "You do not have any alerts." in visit.get("/").text


def test_a_steward_reads_who_it_is_and_of_the_rest_only_whether_it_agrees(visit: Any, desk: Any) -> None:
    """The agreements let a steward read identity: no address, no number that came for matching only."""
    desk.review()
    visit.sign_in("data-steward")
    page = visit.get("/reviews/r1").text
    assert "Tansley" in page and "2008-05-02" in page and "A123456789012" in page
    assert "NS1 4QT" not in page and "4 Mill Lane" not in page and "NGA-4471" not in page
    assert "The same, not shown" in page and "Another, not shown" in page
    with desk.journal.engine.connect() as connection:
        stored = str(connection.execute(sa.text("SELECT subject, candidates FROM review")).all())
    assert "NS1 4QT" not in stored and "4 Mill Lane" not in stored


def test_a_test_review_never_reaches_a_steward(visit: Any, desk: Any) -> None:
    desk.review(test=True)
    visit.sign_in("data-steward")
    assert "There is nothing to decide." in visit.get("/reviews").text


def test_oldest_due_comes_first_and_overdue_is_said(visit: Any, desk: Any) -> None:
    desk.crowd(8)
    visit.sign_in("inclusion-team")
    page = visit.get("/").text
    days = [part.split("<")[0] for part in page.split('class="hub-due')[1:]]
    assert len(days) == 8
    assert "overdue" in page
    only = visit.get("/?due=overdue").text
    assert "2 alerts" in only


def test_filters_stand_in_the_url_and_nonsense_in_it_is_harmless(visit: Any, desk: Any) -> None:
    desk.crowd(7)
    visit.sign_in("inclusion-team")
    assert "1 alert<" in visit.get("/?severity=P1").text
    assert "No alerts match" in visit.get("/?about=Nothing").text
    for query in (
        "scope='--",
        "severity=P9",
        "page=0",
        "page=-1",
        "page=zzz",
        "page=99999999999",
        "about=%00%F0",
        "after=~~",
        "after=x",
        "before=2026-01-01~2026-01-01~x",
        "due=x",
    ):
        assert visit.get(f"/?{query}").status_code == 200


def refs_in(page: str) -> list[str]:
    """Alerts that a page of the inbox lists."""
    return re.findall(r'<a class="govuk-link" href="/alerts/([0-9a-f]{20})"', page)


def test_the_count_in_the_navigation_stops_at_99(visit: Any, desk: Any) -> None:
    desk.crowd(101)
    visit.sign_in("inclusion-team")
    page = visit.get("/").text
    assert "Inbox (99+)" in page
    assert "page 1 of 3" in page
    seen = refs_in(page)
    for number in (2, 3):
        page = visit.get(html.unescape(page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0])).text
        assert f"page {number} of 3" in page
        seen += refs_in(page)
    assert len(seen) == len(set(seen)) == 101
    assert 'rel="next"' not in page
    back = html.unescape(page.split('rel="prev"')[0].rsplit('href="', 1)[1].split('"')[0])
    assert refs_in(visit.get(back).text) == seen[50:100]


def test_an_acknowledgement_goes_to_the_log_and_shows_at_once(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", person="p-1")
    visit.sign_in("inclusion-team")
    page = visit.post(f"/alerts/{ref}/acknowledge")
    assert "You acknowledged this alert." in page.text
    (fact,) = desk.sent()
    assert (fact["_key"], fact["verb"], fact["alert_id"], fact["role"], fact["worker"]) == (
        "p-1", "acknowledge", "a1", "inclusion-team", "w-4401",
    )  # fmt: skip
    assert "Somebody acknowledged" in visit.post(f"/alerts/{ref}/acknowledge").text
    assert len(desk.sent()) == 1


def test_an_outcome_and_a_note_go_to_the_log(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    assert "Select what came of it" in visit.post(f"/alerts/{ref}/outcome").text
    assert visit.post(f"/alerts/{ref}/outcome", outcome="wrong").status_code == 422
    assert "Outcome recorded" in visit.post(f"/alerts/{ref}/outcome", outcome="declined").text
    assert "Enter a note" in visit.post(f"/alerts/{ref}/note", note="  ").text
    long = visit.post(f"/alerts/{ref}/note", note="x" * 2001)
    assert "2,000 characters or fewer" in long.text
    assert "x" * 2001 in long.text
    visit.post(f"/alerts/{ref}/note", note="Rang twice.\r\nNo answer.")
    assert [(f["verb"], f["value"]) for f in desk.sent()] == [
        ("outcome", "declined"),
        ("note", "Rang twice.\nNo answer."),
    ]
    assert "Rang twice.\nNo answer." in visit.get(f"/alerts/{ref}").text


def test_what_a_worker_of_another_role_wrote_is_not_shown_nor_who_it_was(visit: Any, desk: Any) -> None:
    yjt = {"role": "yjt-case-manager", "team": "yjt", "worker": "w-5010"}
    ref = desk.alert("a1", told=[yjt, {"role": "housing-officer", "team": "housing", "worker": "w-8001"}])
    visit.sign_in("yjt-case-manager")
    visit.post(f"/alerts/{ref}/note", note="Release from Northmoor on Friday.")
    day = (desk.clock + timedelta(days=3)).date().isoformat()
    assert visit.post(f"/alerts/{ref}/put-off", until=day, reason="After the court date").status_code == 200
    own = visit.get(f"/alerts/{ref}").text
    assert all(word in own for word in ("Northmoor", "court date", "Femi Adeyemi"))
    visit.sign_in("housing-officer")
    other = visit.get(f"/alerts/{ref}").text
    assert not any(word in other for word in ("Northmoor", "court date", "Femi", "w-5010"))
    assert "Another service" in other, "that something was done is told"


def test_a_form_without_its_token_does_nothing(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    for csrf in ("", "wrong", "ü"):
        assert visit.client.post(f"/alerts/{ref}/acknowledge", data={"csrf": csrf}).status_code == 403
    assert not desk.sent()
    assert visit.client.post("/sign-in", data={"user": "dpo", "csrf": "x"}).status_code == 403


def test_every_view_of_a_young_person_leaves_a_row(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1", person="p-1")
    visit.sign_in("inclusion-team")
    visit.get(f"/alerts/{ref}")
    visit.get(f"/alerts/{ref}/person")
    visit.get("/alerts/nope")
    with desk.journal.engine.connect() as connection:
        rows = connection.execute(sa.select(ACCESS.c.user_id, ACCESS.c.page, ACCESS.c.person_id)).all()
    assert [tuple(r) for r in rows] == [("inclusion-team", page, "p-1") for page in ("inbox", "alert", "person")]
    assert "Young person" in visit.get("/activity").text
    # Whoever a list names is written down once a day, not with every look at the list.
    visit.get("/")
    with desk.journal.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ACCESS)).scalar_one() == 3


def test_a_retraction_is_told_loudly(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    desk.alert("a1", act="retracted", is_open=False)
    visit.sign_in("inclusion-team")
    assert "This alert was not true." in visit.get(f"/alerts/{ref}").text
    assert "You do not have any alerts." in visit.get("/").text
    assert "Retracted" in visit.get("/?state=closed").text


def test_a_matter_that_moved_leaves_the_old_owner_with_what_they_saw(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    new = {"role": "personal-adviser", "team": "leaving-care-east", "worker": "w-2041"}
    desk.alert("a1", act="moved", told=[new], headline="Aisha Verity is now yours")
    desk.alert("a1", act="updated", told=[new], headline="News that only the new owner may see")
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}").text
    assert "Moved to another owner" in page
    assert "News that only" not in page
    assert "You do not have any alerts." in visit.get("/").text


def test_who_may_no_longer_see_an_alert_learns_nothing_of_what_becomes_of_it(visit: Any, desk: Any) -> None:
    mine = {"role": "inclusion-team", "team": "inclusion-south", "worker": "w-4401"}
    ref = desk.alert("a1", told=[mine, SCHOOL])
    visit.sign_in("school-careers-lead")
    visit.post(f"/alerts/{ref}/note", note="Seen in the library on Monday.")
    taken = {"headline": "No longer shared with you", "lines": [], "why": ["It ended."], "todo": [], "timeline": []}
    taken |= {"withheld": [], "agreements": [], "policy": "f00d"}
    desk.alert("a1", act="updated", told=[mine, {**SCHOOL, "view": taken, "gone": True}])
    desk.alert("a1", act="resolved", told=[mine], is_open=False, times=3)
    page = visit.get(f"/alerts/{ref}").text
    assert page.count("No longer shared") >= 2 and "Aisha" not in page and "library" not in page
    for word in ("Resolved", "Closed", "reported 3 times", "Moved to another owner", "Add note"):
        assert word not in page
    assert "You do not have any alerts." in visit.get("/").text
    for verb in ("acknowledge", "outcome", "note"):
        assert visit.post(f"/alerts/{ref}/{verb}", outcome="done", note="x").status_code == 404
    # Given back, it stands open again.
    desk.alert("a2", told=[{**SCHOOL, "view": taken, "gone": True}])
    desk.alert("a2", act="updated", told=[SCHOOL])
    assert "Aisha" in visit.get("/").text


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_what_becomes_of_an_alert_in_the_same_moment_is_not_read_by_who_lost_it(
    visit: Any, desk: Any, together: bool
) -> None:
    taken = {"headline": "No longer shared with you", "lines": [], "why": ["It ended."], "todo": [], "timeline": []}
    taken |= {"withheld": [], "agreements": [], "policy": "f00d"}
    moment = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    ref = desk.alert("a1", told=[SCHOOL])
    desk.alert("a1", act="updated", told=[{**SCHOOL, "view": taken, "gone": True}], at=moment, settle=not together)
    desk.alert("a1", act="stood_down", told=[], is_open=False, times=7, severity="P1", at=moment)
    visit.sign_in("school-careers-lead")
    page = visit.get(f"/alerts/{ref}").text
    assert "No longer shared" in page
    for word in ("Stood down", "Closed", "reported 7 times", "Urgent"):
        assert word not in page


def test_a_matter_that_moved_and_went_on_at_once_is_still_the_old_owner_s_to_read(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    new = {"role": "personal-adviser", "team": "leaving-care-east", "worker": "w-2041"}
    desk.alert("a1", act="moved", told=[new], headline="Aisha Verity is now yours", settle=False)
    desk.alert("a1", act="updated", told=[new], headline="News that only the new owner may see")
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}").text
    assert "Moved to another owner" in page and "No longer shared" not in page and "News that only" not in page


def test_an_act_without_recipients_keeps_the_views(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    desk.alert("a1", act="acknowledged", told=[])
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}").text
    assert "Left learning, destination unknown" in page
    assert "Acknowledged" in page


def test_a_repetition_on_the_log_shows_once(desk: Any) -> None:
    desk.alert("a1")
    desk.alert("a1", act="updated", times=2)
    with desk.journal.engine.connect() as connection:
        rows = connection.execute(sa.select(INBOX.c.times, INBOX.c.act)).all()
    assert [tuple(r) for r in rows] == [(2, "updated")]


def test_the_person_page_puts_together_what_this_role_may_see(visit: Any, desk: Any) -> None:
    one = desk.alert("a1", person="p-1")
    desk.alert("a2", person="p-1", headline="Aisha Verity was absent for 6 days", rule="A11")
    desk.alert("a3", person="p-1", headline="Secret of the school", told=[SCHOOL])
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{one}/person").text
    assert "absent for 6 days" in page
    assert "Secret of the school" not in page
    assert "14 March 2009" in page
    assert "p-1" not in page


def test_delivery_attempts_of_others_are_not_shown(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    desk.delivery("a1", "failed", reason="smtp_451")
    desk.delivery("a1", "delivered", attempt=2)
    desk.delivery("a1", "given_up", role="dwp-spoc", team="dwp", worker=None, delivery_id="x", reason="refused_550")
    visit.sign_in("inclusion-team")
    page = visit.get(f"/alerts/{ref}").text
    assert "smtp 451" in page
    assert "Delivered, attempt 2" in page
    assert "refused" not in page


def test_reviews_and_refusals_are_for_those_whose_work_they_are(desk: Any) -> None:
    desk.review()
    desk.refusal()
    for user, expected in (
        ("inclusion-team", (404, 404, 404)),
        ("data-steward", (200, 200, 200)),
        ("data-manager", (404, 404, 200)),
    ):
        with TestClient(create_app(desk.console())) as client:
            _signed_in(client, user)
            got = tuple(client.get(path).status_code for path in ("/reviews", "/reviews/r1", "/refusals"))
            assert got == expected, user


def test_a_session_ends_after_an_hour_of_silence_and_after_eight_hours(visit: Any, desk: Any) -> None:
    visit.sign_in("inclusion-team")
    desk.clock += timedelta(minutes=59)
    assert "Inbox" in visit.get("/").text
    desk.clock += timedelta(minutes=61)
    assert "Sign in" in visit.get("/").text
    visit.sign_in("inclusion-team")
    for _ in range(9):
        desk.clock += timedelta(minutes=58)
        page = visit.get("/").text
    assert "Sign in" in page


def test_signing_out_ends_the_session_on_the_server(visit: Any) -> None:
    visit.sign_in("inclusion-team")
    cookie = visit.client.cookies["hub_session"]
    visit.post("/sign-out")
    visit.client.cookies.set("hub_session", cookie)
    assert visit.client.get("/", follow_redirects=False).status_code == 303


def test_a_forged_cookie_is_nobody(visit: Any) -> None:
    for cookie in ("x", "abc.def", "a" * 5000):
        visit.client.cookies.clear()
        visit.client.cookies.set("hub_session", cookie)
        assert visit.client.get("/", follow_redirects=False).status_code == 303


def test_too_many_sign_ins_from_one_place_have_to_wait(desk: Any) -> None:
    from services.console.sessions import Sessions, secret_of

    engine = desk.journal.engine
    sessions = Sessions(engine, secret_of(engine), lambda: desk.clock, 3)
    with TestClient(create_app(desk.console(sessions=sessions))) as client:
        answers = []
        for _ in range(4):
            token = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
            answers.append(
                client.post("/sign-in", data={"user": "dpo", "csrf": token}, follow_redirects=False).status_code
            )
        assert answers == [303, 303, 303, 429]
        desk.clock += timedelta(minutes=6)
        token = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
        assert client.post("/sign-in", data={"user": "dpo", "csrf": token}).status_code == 200


def test_without_the_demo_setting_nobody_can_choose_who_they_are(desk: Any) -> None:
    with TestClient(create_app(desk.console(demo=False))) as client:
        page = client.get("/sign-in").text
        assert "not set up" in page
        token = client.cookies["hub_form"]
        csrf = desk.console().sessions.form_token(token)
        assert client.post("/sign-in", data={"user": "dpo", "csrf": csrf}).status_code == 403


def test_every_answer_carries_the_headers_that_keep_a_browser_careful(visit: Any, desk: Any) -> None:
    ref = desk.alert()
    visit.sign_in("inclusion-team")
    for path in ("/", f"/alerts/{ref}", "/nope", "/static/console.css", "/health"):
        headers = visit.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert visit.get("/").headers["cache-control"] == "no-store"
    assert "<script>" not in visit.get("/").text
    assert " style=" not in visit.get(f"/alerts/{ref}").text


def test_a_body_that_is_too_long_is_refused(visit: Any) -> None:
    visit.sign_in("inclusion-team")
    assert visit.client.post("/sign-out", data={"csrf": "x" * 100_000}).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(10))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert visit.client.post("/sign-out", content=chunks, headers=headers).status_code == 413


def test_the_health_page_says_up(visit: Any) -> None:
    assert visit.get("/health").json() == {"status": "up"}


def test_in_a_simulation_the_date_is_the_tickers(desk: Any) -> None:
    desk.alert("a1", due=desk.clock.date() - timedelta(days=40))
    desk.tell("deliveries", "", "tick.v1", {"on": desk.clock.date() - timedelta(days=42)})
    desk.settle()
    with TestClient(create_app(desk.console(simulated=True))) as client:
        assert "overdue</strong>" not in _signed_in(client, "inclusion-team").get("/").text
    with TestClient(create_app(desk.console())) as client:
        assert "overdue" in _signed_in(client, "inclusion-team").get("/").text


def test_a_stewards_decision_goes_through_the_ingest_door_like_any_event(desk: Any) -> None:
    desk.review()
    got: list[httpx2.Request] = []
    answers = [503, 202, 202]

    def door(request: httpx2.Request) -> httpx2.Response:
        got.append(request)
        return httpx2.Response(answers.pop(0), json={})

    made = Door("http://door.example", "key-of-the-steward", transport=httpx2.MockTransport(door))
    with TestClient(create_app(desk.console(door=made))) as client:
        visit = _signed_in(client, "data-steward")
        csrf = visit.get("/reviews/r1").text.split('name="csrf" value="')[1].split('"')[0]
        assert visit.post("/reviews/r1", data={"csrf": csrf, "choice": "link:0"}).status_code == 422
        choice = {"csrf": csrf, "choice": "link:0", "grounds": ["worker", "document"]}
        refused = visit.post("/reviews/r1", data=choice)
        assert refused.status_code == 503
        assert "Nothing was decided" in refused.text
        taken = visit.post("/reviews/r1", data=choice)
        assert "Decision sent" in taken.text
        assert "Priya Nair sent a decision" in taken.text
    bodies = [orjson.loads(request.content) for request in got]
    assert bodies[0] == bodies[1]
    assert got[0].headers["authorization"] == "Bearer key-of-the-steward"
    assert bodies[1]["type"] == "identity.linked"
    assert bodies[1]["data"]["data"]["confirmed_by"] == ["worker", "document"]


def test_five_hundred_alerts_open_quickly(visit: Any, desk: Any) -> None:
    desk.crowd(500)
    visit.sign_in("inclusion-team")
    visit.get("/")
    spent = []
    for _ in range(5):
        begun = time.monotonic()
        assert visit.get("/").status_code == 200
        spent.append(time.monotonic() - begun)
    # The aim is 0.3 s; the bound leaves room for a machine that does other things at the same time.
    assert min(spent) < 1.0, spent
    print(f"500 alerts: {min(spent):.3f} s")


def test_an_action_whose_broker_is_away_waits_in_the_outbox(visit: Any, desk: Any) -> None:
    ref = desk.alert("a1")
    visit.sign_in("inclusion-team")
    visit.post(f"/alerts/{ref}/acknowledge")
    assert desk.journal.outbox_size() == 1
    assert [f["verb"] for f in desk.sent()] == ["acknowledge"]
    assert desk.journal.outbox_size() == 0


INJECTIONS = (
    '<script>alert("x")</script>',
    '"><img src=x onerror=alert(1)>',
    "{{7919*7927}}",
    "</title><script>1</script>",
    "javascript:alert(1)",
    "' onmouseover='x",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_a_partner_sent_is_shown_as_text_everywhere(visit: Any, desk: Any, text: str) -> None:
    what = [{"what": text, "why": text}]
    ref = desk.alert(
        "a1", name=text, headline=text, rule=text[:8], severity="P2", why=[text], todo=[text], agreements=[text],
        lines=[{"label": text, "value": text, "category": "identity"}], withheld=what,
        timeline=[{"start": desk.clock.date(), "end": None, "label": text}],
        told=[{"role": "inclusion-team", "team": text, "worker": "w-4401"}],
    )  # fmt: skip
    desk.delivery("a1", "failed", reason=text, team=text)
    visit.sign_in("inclusion-team")
    visit.post(f"/alerts/{ref}/note", note=text)
    pages = [visit.get(path).text for path in ("/", f"/?about={text[:8]}", f"/alerts/{ref}", f"/alerts/{ref}/person")]
    pages.append(visit.post(f"/alerts/{ref}/note", note=text * 400).text)
    _harmless(pages)


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_a_steward_compares_is_shown_as_text(visit: Any, desk: Any, text: str) -> None:
    desk.review(given_name=text, source=text, reason=text, outcome=text)
    desk.refusal(reason=text)
    visit.sign_in("data-steward")
    pages = [visit.get(path).text for path in ("/reviews", "/reviews/r1", "/refusals")]
    pages.append(visit.post("/reviews/r1", choice=text).text)
    _harmless(pages)


def _harmless(pages: list[str]) -> None:
    for page in pages:
        assert "<script>" not in page
        assert "<img" not in page
        assert str(7919 * 7927) not in page
        assert "onmouseover='x" not in page


def test_an_alert_about_a_feed_leads_to_no_young_person(visit: Any, desk: Any) -> None:
    ref = desk.alert(person="feed:0123456789abcdef0123", headline="Data came without an agreement: Northvale College")
    other = desk.alert("a2")
    client = visit.sign_in("inclusion-team")
    assert f"/alerts/{ref}/person" not in client.get(f"/alerts/{ref}").text
    assert f"/alerts/{other}/person" in client.get(f"/alerts/{other}").text
    assert client.get(f"/alerts/{ref}/person").status_code == 404
    assert client.get(f"/alerts/{other}/person").status_code == 200
