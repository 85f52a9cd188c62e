"""What an officer sees: the difference of two policies, and each agreement as a page."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.agreement_checks import check, due_for_review
from hub.agreement_pages import pages, period
from hub.policy_diff import differences
from hub.sharing import Sources, compile_sources, ensure_built, read_sources
from spine.headed import Head

ROOT = Path(__file__).resolve().parents[2]
COLLEGE = "isa-2024-011-northvale-college.isa.yaml"
ON = date(2026, 9, 1)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return read_sources(ROOT / "contracts")


def changed(sources: Sources, change: Callable[[Any], object]) -> Sources:
    agreements: dict[str, Any] = {**sources.agreements, COLLEGE: copy.deepcopy(sources.agreements[COLLEGE])}
    change(agreements[COLLEGE])
    return Sources(agreements, sources.catalogue, sources.parties, sources.policy)


def found(sources: Sources, change: Callable[[Any], object]) -> set[tuple[str, str]]:
    """(direction, role) of every difference that a change makes."""
    old, new = compile_sources(sources).content, compile_sources(changed(sources, change)).content
    assert not differences(new, new)
    made = differences(old, new)
    assert {one.party for one in made} <= {"northvale-college"}
    return {(one.direction, one.role) for one in made}


def row(agreement: Any, role: str) -> Any:
    return next(r for r in agreement["recipients"] if r["role"] == role)


def test_an_item_more_widens_for_the_party_and_for_who_may_read_it(sources: Sources) -> None:
    def drop(agreement: Any) -> None:
        agreement["commonItems"] = [i for i in agreement["commonItems"] if i["field"] != "subject.email"]

    made = found(sources, drop)
    assert (
        {direction for direction, _ in made} == {"narrows"} and ("narrows", "") in made and ("narrows", "est") in made
    )


def test_a_category_more_widens_for_the_role_alone(sources: Sources) -> None:
    assert found(sources, lambda a: row(a, "school-improvement")["shows"].append("contact")) == {
        ("widens", "school-improvement")
    }


def test_what_the_mask_of_a_role_keeps_back_is_told_as_such(sources: Sources) -> None:
    """Disclosure shows what agreement and mask both allow: an agreement alone makes nobody read more."""
    new = changed(sources, lambda a: row(a, "school-improvement")["shows"].append("contact"))
    old, masks = compile_sources(sources).content, sources.policy["masks"]
    made = differences(old, compile_sources(new).content, masks)
    assert made and all("the mask of the role keeps contact back" in one.condition for one in made)
    freely = changed(sources, lambda a: row(a, "dwp-spoc").pop("consent"))
    made = differences(old, compile_sources(freely).content, masks)
    assert made and not any("mask" in one.condition for one in made)


def test_a_consent_that_is_no_longer_asked_widens(sources: Sources) -> None:
    assert found(sources, lambda a: row(a, "dwp-spoc").pop("consent")) == {("widens", "dwp-spoc")}


def test_naming_rules_narrows_and_naming_none_widens(sources: Sources) -> None:
    assert found(sources, lambda a: row(a, "est").update(rules=["A01"])) == {("narrows", "est")}
    assert found(sources, lambda a: row(a, "dwp-spoc").pop("rules")) == {("widens", "dwp-spoc")}


def test_younger_ages_and_a_later_end_widen_what_may_be_sent(sources: Sources) -> None:
    assert found(sources, lambda a: a["ages"].update(min=a["ages"]["min"] - 1)) == {("widens", "")}
    assert found(sources, lambda a: a["dates"].update(effectiveTo="2028-08-31")) == {("widens", "")}
    assert found(sources, lambda a: a["dates"].update(effectiveTo="2026-08-31")) == {("narrows", "")}


def test_taking_away_the_persons_choice_widens(sources: Sources) -> None:
    def no_choice(agreement: Any) -> None:
        for item in agreement["commonItems"]:
            item.pop("subjectChoice", None)

    assert found(sources, no_choice) == {("widens", "")}


def test_suspending_in_the_file_narrows_everything(sources: Sources) -> None:
    assert {direction for direction, _ in found(sources, lambda a: a.update(status="suspended"))} == {"narrows"}


def test_another_way_with_over_sharing_is_named(sources: Sources) -> None:
    assert found(sources, lambda a: a.update(overSharing="minimise")) == {("changes", "")}


class Headings(HTMLParser):
    """Counts tags, to see that what opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_agreement_has_a_page_that_says_who_may_read_what_and_why(sources: Sources) -> None:
    made = pages(sources, ON)
    assert len(made) == len(sources.agreements) + 1
    for text in made.values():
        parser = Headings()
        parser.feed(text)
        assert not parser.open
    page = made["isa-2024-011-northvale-college.html"]
    for words in ("Northvale College", "Who may read", "ESA 2008 s.14", "the person may object", "30 days"):
        assert words in page


def test_text_of_an_agreement_is_text_on_its_page(sources: Sources) -> None:
    made = pages(changed(sources, lambda a: a.update(title="<script>x</script>")), ON)
    page = made[COLLEGE.replace(".isa.yaml", ".html")]
    assert "<script>" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (date(2027, 4, 15), "Review is due by 2027-06-01."),
        (date(2027, 7, 15), "Ends on 2027-08-31; after that day nothing passes."),
        (date(2027, 9, 1), "Expired: it lets nothing through."),
        (date(2024, 1, 1), "Not in force before 2024-09-01."),
    ],
)
def test_the_index_tells_an_officer_what_to_act_on(sources: Sources, on: date, words: str) -> None:
    assert words in pages(sources, on)["index.html"]


def test_an_end_and_a_review_that_come_near_are_warned_of(sources: Sources) -> None:
    schema = json.loads((ROOT / "contracts" / "isa.schema.json").read_bytes())
    told = [f.what for f in check(sources, schema, date(2027, 7, 15)) if f.file == COLLEGE]
    assert told == ["ends on 2027-08-31; after that day nothing passes", "review was due by 2027-06-01"]


def test_a_choice_that_an_event_cannot_do_without_is_warned_of(sources: Sources) -> None:
    def choose(agreement: Any) -> None:
        for entry in agreement["sharing"]:
            for item in entry["items"]:
                if item["field"] == "data.percent":
                    item["subjectChoice"] = "opt-out"
                if item["field"] == "data.days_counted":
                    item["subjectChoice"] = "consent"

    schema = json.loads((ROOT / "contracts" / "isa.schema.json").read_bytes())
    told = {f.what.partition(":")[0]: f.level for f in check(changed(sources, choose), schema, ON) if f.file == COLLEGE}
    assert told == {"data.percent": "warning", "data.days_counted": "error"}


@pytest.mark.parametrize(
    ("on", "within", "told"),
    [
        (date(2026, 1, 15), 60, []),
        (date(2027, 4, 15), 60, ["review is due by 2027-06-01"]),
        (date(2027, 4, 15), 10, []),
        (date(2027, 7, 15), 60, ["ends on 2027-08-31; after that day nothing passes", "review was due by 2027-06-01"]),
        (date(2027, 9, 1), 60, ["expired: it lets nothing through"]),
    ],
)
def test_an_agreement_needs_an_officer_before_its_review_and_its_end(
    sources: Sources, on: date, within: int, told: list[str]
) -> None:
    only = Sources({COLLEGE: sources.agreements[COLLEGE]}, sources.catalogue, sources.parties, sources.policy)
    schema = json.loads((ROOT / "contracts" / "isa.schema.json").read_bytes())
    assert [one.what for one in due_for_review(only, schema, on, within)] == told


def test_a_scheduler_hears_by_the_exit_code_that_something_is_due() -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["contracts", "review", *words])

    nothing, due = run("--on", "2026-01-15"), run("--on", "2027-04-15")
    assert (nothing.exit_code, nothing.output) == (0, "")
    assert due.exit_code == 1 and "isa-2024-011-northvale-college" in due.output
    assert run("--on", "soon", "--json").exit_code == 2


def test_an_agreement_with_errors_needs_an_officer_too(sources: Sources) -> None:
    schema = json.loads((ROOT / "contracts" / "isa.schema.json").read_bytes())
    wrong = changed(sources, lambda a: a["approvals"].clear())
    wrong = Sources({COLLEGE: wrong.agreements[COLLEGE]}, wrong.catalogue, wrong.parties, wrong.policy)
    (found,) = due_for_review(wrong, schema, date(2026, 1, 15), 60)
    assert found.file == COLLEGE and "errors" in found.what


def test_periods_read_as_words() -> None:
    assert [period(p) for p in ("P30D", "P2Y", "P1M", "PT24H")] == ["30 days", "2 years", "1 month", "24 hours"]


def test_commands_say_what_they_did(tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app, ["contracts", "render", "--out", str(tmp_path / "pages"), "--json"])
    assert made.exit_code == 0 and json.loads(made.stdout)["pages"] == len(list((tmp_path / "pages").glob("*.html")))
    assert run(app, ["contracts", "diff", "no-such-hash", "--json"]).exit_code == 1


def test_the_difference_is_from_what_the_running_hub_judges_by_not_from_what_was_built_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", contracts, ignore=shutil.ignore_patterns("compiled"))
    monkeypatch.setenv("HUB_CONTRACTS", str(contracts))
    running = ensure_built(contracts)
    file = contracts / "agreements" / COLLEGE
    file.write_text(file.read_text().replace("overSharing: refuse", "overSharing: minimise"))
    # Some other command has built what the files say by now.
    assert ensure_built(contracts) != running
    monkeypatch.setattr("hub.agreement_moves.head_in_force", lambda: Head(1, running))
    told = json.loads(CliRunner().invoke(app, ["contracts", "diff", "--json"]).stdout)
    assert [one["direction"] for one in told] == ["changes"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["contracts", "suspend", "isa-2024-011", "--by", "R. Osei"], 1),
        (["contracts", "resume", "isa-2024-011", "--by", "R. Osei"], 1),
        (["contracts", "release"], 1),
        (["quarantine", "list"], 1),
        (["quarantine", "show"], 1),
        (["contracts", "resume", "isa-2024-011", "--by", "R. Osei", "--approve"], 1),
        (["quarantine", "redrive"], 2),
        (["quarantine", "redrive", "abc123"], 2),
        (["quarantine", "redrive", "--by", "A", "--approve"], 1),
        (["quarantine", "redrive", "--dry-run"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_without_a_hub_or_without_the_people_a_command_ends_with_its_code(
    command: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_HOME", str(tmp_path))
    for name in ("HUB_KAFKA", "HUB_POSTGRES", "HUB_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    ran = CliRunner().invoke(app, [*command, "--json"])
    assert ran.exit_code == code and "error" in json.loads(ran.stdout)
