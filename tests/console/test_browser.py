"""The pages in a real browser: keyboard, live count, small screens, no JavaScript, and axe on every page and state."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.measures.publish import publish
from hub.under_way import UnderWay
from services.console import people
from services.console.steward import remember
from tests.console.conftest import CONTRACTS
from tests.console.test_measures import AT, found
from tests.console.test_operations import orders

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.postgres,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
LONG = "Anastasiakonstantinovnaalexandrovnamaria Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-dev-shm-usage", "--hide-scrollbars"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=False)
    made = context.new_page()
    made.problems = []
    made.on("pageerror", lambda error: made.problems.append(str(error)))
    made.on("console", lambda line: made.problems.append(line.text) if line.type == "error" else None)
    yield made
    context.close()


def sign_in(page: Any, url: str, user: str = "inclusion-team") -> None:
    page.goto(f"{url}/sign-in")
    page.locator(f'input[value="{user}"]').check()
    page.get_by_role("button", name="Sign in").click()


def violations(page: Any) -> list[tuple[str, list[str]]]:
    # Evaluated by the browser's own protocol: the page's policy forbids foreign scripts, and stays in force.
    page.evaluate(AXE)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run({runOnly: tags})", tags)
    return [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in found["violations"]]


def well(page: Any, what: str) -> None:
    """No violation, and nothing wider than the screen at 320 pixels."""
    assert not violations(page), what
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, what
    assert not violations(page), f"{what} at 320 px"
    page.set_viewport_size({"width": 1280, "height": 900})


def fits(page: Any, what: str) -> None:
    """As ``well``, looked at once, on the small screen: a page of the same parts as others."""
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, what
    assert not violations(page), f"{what} at 320 px"
    page.set_viewport_size({"width": 1280, "height": 900})


def test_every_page_and_state_of_a_caseworker_is_accessible(page: Any, served: Any) -> None:
    desk, url = served.desk, served.url
    page.goto(f"{url}/sign-in")
    well(page, "sign-in")
    page.get_by_role("button", name="Sign in").click()
    assert page.title().startswith("Error: ")
    well(page, "sign-in with an error")
    sign_in(page, url)
    well(page, "empty inbox")
    desk.crowd(60)
    headline = f"Left learning, destination unknown: {LONG}"
    ref = desk.alert("a1", name=LONG, headline=headline)
    desk.delivery("a1", "failed", reason="smtp_451")
    page.goto(url)
    well(page, "full inbox")
    page.goto(f"{url}/?scope=team&severity=P2&due=overdue")
    well(page, "filtered inbox")
    page.goto(f"{url}/?about=Nothing")
    well(page, "nothing matches")
    page.goto(f"{url}/alerts/{ref}")
    for summary in page.locator("main summary").all():
        summary.click()
    well(page, "alert with a long name")
    page.get_by_role("button", name="Take it back").click()
    fits(page, "alert with a fault in what is folded away")
    page.get_by_role("button", name="Record outcome").click()
    well(page, "alert with an error")
    page.get_by_role("button", name="Acknowledge").click()
    well(page, "alert after acknowledging")
    page.goto(f"{url}/alerts/{ref}/person?on=2026-10-01&at=2026-11-24")
    well(page, "person as known earlier")
    page.goto(f"{url}/alerts/{ref}/person?on=soon&at=2027-01-01")
    fits(page, "person with errors")
    _many_at_once(page, url)
    desk.alert("a1", act="retracted", is_open=False, told=[])
    page.goto(f"{url}/alerts/{ref}")
    well(page, "retracted alert")
    page.goto(f"{url}/?state=closed")
    well(page, "closed alerts")
    for path in ("/activity", "/about", "/accessibility", "/nope"):
        page.goto(url + path)
        well(page, path)
    assert not [p for p in page.problems if "404" not in p and "422" not in p]


def _many_at_once(page: Any, url: str) -> None:
    page.goto(url)
    for box in page.locator("tbody input").all()[3:6]:
        box.check()
    page.get_by_role("button", name="Hand over").click()
    fits(page, "handing many over")
    page.goto(url)
    page.locator("tbody input").nth(5).check()
    page.get_by_role("button", name="Put off").click()
    page.get_by_role("button", name="Put off").click()
    fits(page, "putting many off, with errors")
    page.goto(f"{url}/team")
    fits(page, "team")
    page.get_by_role("button", name="Hand over all").click()
    fits(page, "cover with errors")
    page.goto(f"{url}/emergency")
    page.get_by_role("button", name="Open it").click()
    fits(page, "emergency with errors")


def test_every_page_of_governance_is_accessible(page: Any, served: Any, tmp_path: Path) -> None:
    desk, url = served.desk, served.url
    ref = desk.alert("a1")
    sign_in(page, url)
    page.goto(f"{url}/alerts/{ref}/person")
    page.goto(f"{url}/emergency")
    page.get_by_label("Address of the alert").fill(ref)
    page.get_by_label("Why you must see it now").fill(f"Danger {LONG}")
    page.get_by_role("button", name="Open it").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, url, "dpo")
    desk.delivery("a1", "given_up", at=datetime.now(UTC))
    desk.refusal()
    orders(desk.url)
    (tmp_path / f"{LONG.replace(' ', '-')}.html").write_text("a report")
    UnderWay(tmp_path / f"{LONG.replace(' ', '-')}.json.progress", "verify")
    try:
        page.goto(f"{url}/operations")
        page.get_by_role("link", name="Featherstonehaugh.html").wait_for()
        fits(page, "operations with orders, versions and proofs")
    finally:
        with desk.journal.engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA governance, policy, audit CASCADE"))
    for path in ("/oversight", "/oversight?user=inclusion-team", "/oversight?like=1", "/operations", "/agreements"):
        page.goto(url + path)
        fits(page, path)
    assert not page.problems


def test_a_partners_page_is_accessible(page: Any, served: Any) -> None:
    sign_in(page, served.url, "housing-officer")
    page.goto(f"{served.url}/sent")
    fits(page, "nothing sent")
    _sent(served.desk)
    page.reload()
    for summary in page.locator("main summary").all():
        summary.click()
    well(page, "what a partner sent")
    # From the table of refusals the partner learns what to mend, and finds the same id among the accepted.
    row = page.get_by_role("row", name=re.compile("nsh-77"))
    assert "data, health: not shared" in row.inner_text() and "Nothing is kept" in row.inner_text()
    served.desk.observation("housing.accommodation.recorded", "nsh-77", "northshire-housing", at=served.desk.clock)
    page.reload()
    assert page.get_by_text("Accepted since, under the same id").is_visible()
    served.desk.tell("refusals", "northshire-housing", "refusal.v1", _refused("nsh-78") | {"sealed_body": b"sealed"})
    served.desk.settle()
    page.reload()
    page.get_by_role("link", name="Try again nsh-78").click()
    page.get_by_role("button", name="Try again").click()
    fits(page, "what the gate would say of a refused event, and why it was not sent")
    assert not [p for p in page.problems if "503" not in p]


def _refused(message_id: str) -> dict[str, Any]:
    fault = {"pointer": "/data/health", "code": "not_shared", "message": "Leave it out.", "expected": ""}
    return {
        "submission_id": f"s-{message_id}", "party": "northshire-housing", "message_id": message_id,
        "type": "person.registered", "received_at": datetime(2026, 11, 20, 9, tzinfo=UTC), "door": "http",
        "reason": "not_in_agreement", "faults": [fault],
    }  # fmt: skip


def _sent(desk: Any) -> None:
    """A partner's month: accepted, refused, and batches that stopped coming."""
    for n in range(40):
        kind = ("housing.application.opened", "person.registered", "case.assigned")[n % 3]
        at = datetime(2026, 11, 20, 8, tzinfo=UTC) - timedelta(days=n % 6, minutes=n)
        desk.observation(kind, f"nsh-{n}", "northshire-housing", at=at, settle=False)
    desk.tell("refusals", "northshire-housing", "refusal.v1", _refused("nsh-77"))
    desk.extract(38, date(2026, 11, 20), "northshire-housing")


def test_the_measures_are_accessible(page: Any, served: Any) -> None:
    sign_in(page, served.url, "inclusion-manager")
    page.goto(f"{served.url}/measures")
    fits(page, "no measures")
    publish(served.desk.journal.engine, found(), AT)
    page.goto(f"{served.url}/measures?by=academic+age")
    page.locator("main summary").click()
    well(page, "measures")
    assert not page.problems


def test_an_alert_prints_what_was_told_and_no_forms(page: Any, served: Any) -> None:
    ref = served.desk.alert("a1")
    sign_in(page, served.url)
    page.goto(f"{served.url}/alerts/{ref}")
    page.emulate_media(media="print")
    assert page.get_by_role("heading", name="Why did I get this?").is_visible()
    assert not page.locator("form:visible, nav:visible, button:visible").count()
    page.goto(served.url)
    assert page.locator("tbody tr").first.is_visible()
    assert not page.locator("button:visible, input:visible, select:visible").count()


def test_every_page_and_state_of_a_steward_is_accessible(page: Any, served: Any) -> None:
    url = served.url
    sign_in(page, url, "data-steward")
    page.goto(f"{url}/reviews")
    well(page, "no reviews")
    served.desk.review()
    served.desk.refusal()
    for path in ("/reviews", "/reviews/r1", "/refusals"):
        page.goto(url + path)
        well(page, path)
    page.goto(f"{url}/operations/quarantine?party=southmere-college&reason=not_in_agreement")
    page.get_by_role("button", name="Ask for another person").click()
    page.get_by_text("another person may agree").wait_for()
    fits(page, "refused events that another person must agree to send")
    page.goto(f"{url}/reviews/r1")
    page.get_by_role("button", name="Send decision").click()
    well(page, "review with an error")
    page.get_by_label("No, keep the record apart").check()
    page.get_by_role("button", name="Send decision").click()
    assert "not set up" in page.content()
    page.get_by_label("I cannot tell").check()
    page.get_by_role("button", name="Send decision").click()
    fits(page, "backlog with a review that nobody could tell")
    remember(
        served.desk.journal.engine, "r1", people.load(CONTRACTS).users["data-steward"], "link:0", served.desk.clock
    )
    served.desk.review(state="closed", outcome="linked", closed_at=served.desk.clock)
    page.goto(f"{url}/reviews/quality")
    well(page, "quality of reviews")
    page.goto(f"{url}/reviews/r1")
    well(page, "decided review")


def press_until(page: Any, key: str, wanted: str, limit: int = 80) -> None:
    """Go on by keyboard until the element with the focus matches ``wanted``."""
    for _ in range(limit):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
        page.keyboard.press(key)
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_a_worker_gets_from_signing_in_to_acknowledging_by_keyboard_alone(page: Any, served: Any) -> None:
    desk = served.desk
    ref = desk.alert("a1")
    page.goto(f"{served.url}/sign-in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    press_until(page, "Tab", 'input[name="user"]')
    press_until(page, "ArrowDown", 'input[value="inclusion-team"]')
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/")
    press_until(page, "Tab", f'a[href="/alerts/{ref}"]')
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/alerts/{ref}")
    press_until(page, "Tab", 'form[action$="/acknowledge"] button')
    page.keyboard.press("Enter")
    page.get_by_text("You acknowledged this alert.").wait_for()
    assert [f["verb"] for f in desk.sent()] == ["acknowledge"]
    # The banner takes the focus, so that a screen reader begins there.
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"


def test_a_worker_takes_an_outcome_back(page: Any, served: Any) -> None:
    desk = served.desk
    ref = desk.alert("a1")
    sign_in(page, served.url)
    page.goto(f"{served.url}/alerts/{ref}")
    page.get_by_label("Not needed").check()
    page.get_by_role("button", name="Record outcome").click()
    desk.alert("a1", act="stood_down", is_open=False, at=desk.clock)
    desk.clock += timedelta(minutes=1)
    page.goto(f"{served.url}/alerts/{ref}")
    page.get_by_text("Reopen", exact=True).first.click()
    page.get_by_role("button", name="Reopen").click()
    fits(page, "reopening with an error")
    page.get_by_label("Why the outcome was a mistake").fill("pressed the wrong button")
    page.keyboard.press("Enter")
    page.get_by_text("That is decided shortly").wait_for()
    assert not violations(page)
    assert [f["verb"] for f in desk.sent()] == ["outcome", "reopen"]
    desk.alert("a1", act="reopened", at=desk.clock)
    page.reload()
    assert page.get_by_role("button", name="Record outcome").is_visible()


def test_a_worker_chooses_how_to_be_told(page: Any, served: Any) -> None:
    sign_in(page, served.url)
    page.get_by_role("link", name="My notifications").click()
    page.get_by_role("group", name="Normal alerts").get_by_label("Once a working day").check()
    page.keyboard.press("Enter")
    page.get_by_text("There is a problem").wait_for()
    fits(page, "notifications with an error")
    page.get_by_label("When the digest comes").select_option("16:00")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. It holds for what comes from now on.").wait_for()
    well(page, "notifications")
    assert page.get_by_role("group", name="Normal alerts").get_by_label("Once a working day").is_checked()
    assert not [p for p in page.problems if "422" not in p]


def test_a_visitor_signs_in_at_the_demos_own_provider(page: Any, served_by_provider: str) -> None:
    page.goto(f"{served_by_provider}/")
    page.get_by_role("button", name="Sign in with your work account").click()
    page.get_by_role("heading", name="Choose who you are").wait_for()
    well(page, "the demo's sign-in")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Error: Select who you are").wait_for()
    fits(page, "the demo's sign-in with an error")
    press_until(page, "Tab", 'input[name="user"]')
    page.get_by_label("Beth Novak").check()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served_by_provider}/")
    assert page.get_by_text("Beth Novak, Inclusion team").is_visible()
    assert not [p for p in page.problems if "422" not in p and "favicon" not in p and "404" not in p]


def test_news_is_counted_on_the_open_page_and_no_row_moves(page: Any, served: Any) -> None:
    desk = served.desk
    desk.alert("a1")
    sign_in(page, served.url)
    before = page.locator("#list").inner_html()
    for n in range(3):
        name = ("Ewa Brandt", "Milo Hartnell", "Tia Osgood")[n]
        desk.alert(f"b{n}", name=name, due=desk.clock.date() - timedelta(days=9))
    line = page.locator("#news")
    playwright.expect(line).to_have_text("3 new alerts. Refresh list", timeout=15_000)
    assert line.get_attribute("role") == "status"
    assert page.locator("#list").inner_html() == before
    assert not violations(page)
    line.get_by_role("link").click()
    page.get_by_text("4 alerts, oldest due first").wait_for()
    playwright.expect(page.locator("#news")).to_have_text("")
    assert not page.problems


def test_the_live_stream_says_a_number_and_nothing_else(page: Any, served: Any) -> None:
    served.desk.alert("a1")
    sign_in(page, served.url)
    script = """async () => {
      const reader = (await fetch('/live?since=0')).body.getReader();
      let text = '';
      while (!text.includes('event: news')) text += new TextDecoder().decode((await reader.read()).value);
      reader.cancel();
      return text;
    }"""
    assert re.fullmatch(r"retry: \d+\n\nevent: news\ndata: 1\n\n", page.evaluate(script))


def test_filters_work_without_leaving_the_page_and_stand_in_the_url(page: Any, served: Any) -> None:
    served.desk.crowd(7)
    sign_in(page, served.url)
    page.evaluate("window.stayed = true")
    page.get_by_label("Priority").select_option("P1")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("1 alert", exact=True).wait_for()
    assert "severity=P1" in page.url
    assert page.evaluate("window.stayed") is True
    assert not violations(page)
    assert not page.problems


def test_everything_works_without_javascript(browser: Any, served: Any) -> None:
    served.desk.crowd(7)
    ref = served.desk.alert("a1")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, served.url)
    page.get_by_label("Priority").select_option("P1")
    page.get_by_role("button", name="Show").click()
    assert "severity=P1" in page.url
    assert page.locator("tbody tr").count() == 1
    page.goto(f"{served.url}/alerts/{ref}")
    page.get_by_label("Done: the young person was helped or contacted").check()
    page.get_by_role("button", name="Record outcome").click()
    assert page.get_by_text("Outcome recorded.").is_visible()
    context.close()


def test_nothing_that_a_partner_sent_runs_in_the_browser(page: Any, served: Any) -> None:
    text = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
    ref = served.desk.alert("a1", name=text, headline=text, why=[text], todo=[text])
    sign_in(page, served.url)
    for path in ("/", f"/alerts/{ref}", f"/alerts/{ref}/person"):
        page.goto(served.url + path)
        assert page.evaluate("window.hurt") is None
    assert not page.problems


def test_pictures_for_the_readme_are_of_generated_people(page: Any, served: Any, tmp_path: Path, request: Any) -> None:
    """Writes docs/images when asked: ``pytest tests/console -k pictures --pictures``; else into a scratch folder."""
    folder = IMAGES if request.config.getoption("--pictures") else tmp_path
    desk = served.desk
    desk.crowd(9)
    desk.delivery("crowd-0", "delivered")
    sign_in(page, served.url)
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.goto(served.url)
    # A picture that ends in the middle of a row looks broken.
    end = page.locator("tbody tr").nth(5).bounding_box()
    page.set_viewport_size({"width": 1200, "height": int(end["y"])})
    page.screenshot(path=folder / "inbox.png")
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.locator("tbody a").first.click()
    page.screenshot(path=folder / "alert.png", full_page=True)
    assert (folder / "alert.png").stat().st_size > 20_000
