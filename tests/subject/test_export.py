"""``hub export-subject``: everything of the person, and nothing of anybody else or of what is exempt."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.subject.books import Books, books_of
from hub.subject.copy_for import Exempt, exempt
from hub.subject.export import COPY, OFFICER, READABLE, Made, made_for, write
from hub.subject.logs import Access
from tests.adversary.canaries import Person, found_in
from tests.adversary.world_of_canaries import World, build
from tests.subject.conftest import CONTRACTS

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOOKS = [Access(AT, "qzofficer", "tracking-team", "alert", "p", "")]


@pytest.fixture(scope="module")
def world() -> World:
    return build(every=10)


@pytest.fixture(scope="module")
def book(world: World) -> Books:
    return books_of(world.hub)


@pytest.fixture(scope="module")
def rules() -> Exempt:
    return exempt(CONTRACTS)


def chosen(world: World, with_source: str) -> tuple[str, Person]:
    """Somebody about whom this party spoke, and more than one other."""
    return next(
        (key, person)
        for key, person in sorted(world.people.items())
        if {fact.source for fact in world.states[key].facts} > {with_source, "northvale-college"}
    )


def copy_of(book: Books, person_id: str, rules: Exempt, tmp_path: Path) -> tuple[Made, bytes]:
    made = made_for(book, person_id, CONTRACTS, rules, LOOKS, AT)
    write(tmp_path, made)
    return made, (tmp_path / READABLE).read_bytes() + (tmp_path / COPY).read_bytes()


def test_every_fact_that_counts_is_in_the_copy_and_nobody_else(
    world: World, book: Books, rules: Exempt, tmp_path: Path
) -> None:
    person_id, person = chosen(world, "northshire-inclusion")
    made, text = copy_of(book, person_id, rules, tmp_path)
    given = {row["type"] for row in made.document["told"]}
    assert given == {fact.type for fact in world.states[person_id].facts} - {"report.third_party"}
    whose = {world.flock.person_of[key] for key in found_in(world.flock, text) if not key[:2].isdigit()}
    assert whose == {person.number}
    names = {"given_name", "family_name", "postcode"}
    assert all(person.values[name].encode() in text for name in names)


def test_every_disclosure_on_the_log_is_in_the_copy_without_workers(
    world: World, book: Books, rules: Exempt, tmp_path: Path
) -> None:
    person_id, _ = chosen(world, "northshire-inclusion")
    made, text = copy_of(book, person_id, replace(rules, rows=()), tmp_path)
    acts = [t.fact.fields for t in book.of_key("alerts", person_id) if t.fact.kind == "alert.v1"]
    shown = [one for alert in made.document["alerts"] for one in alert["shown_to"]]
    assert len(shown) == sum(len(act["recipients"]) for act in acts) > 0
    assert made.document["decisions"] > len(acts)
    assert b"qzofficer" not in text and made.document["looks"] == [
        {"when": "2026-06-01T12:00:00+00:00", "as": "tracking-team", "where": "alert"}
    ]


def test_an_exempt_source_is_withheld_with_its_reason_and_nothing_gives_it_away(
    world: World, book: Books, rules: Exempt, tmp_path: Path
) -> None:
    source = "northshire-youth-justice"
    person_id, person = chosen(world, source)
    row = {"party": source, "reason": "It could prejudice the prevention of crime.", "basis": "DPA 2018 Sch 2 para 2"}
    _, open_text = copy_of(book, person_id, rules, tmp_path)
    made, text = copy_of(book, person_id, replace(rules, rows=(row,)), tmp_path)
    mine = {key for key, origins in world.flock.origins.items() if {o.party for o in origins} == {source}}
    theirs = {key for key in mine if world.flock.person_of[key] == person.number and not key[:2].isdigit()}
    assert found_in(world.flock, open_text) & theirs
    assert not found_in(world.flock, text) & theirs
    shown = [one for alert in made.document["alerts"] for one in alert["shown_to"]]
    assert not any("yjt" in one["to"] for one in shown)
    assert not any("outh justice" in f"{one['shown']}" for one in shown)
    assert not any("Youth Justice" in one["from"] for one in made.document["told"])
    assert not any("Youth Justice" in one["said_by"] for one in made.document["timeline"])
    assert made.document["withheld"] == [row["reason"]]
    officer = json.loads((tmp_path / OFFICER).read_text())["kept_back"]
    assert {one["basis"] for one in officer if one["source"] == source} == {row["basis"]}


def test_the_files_are_for_their_owner_only(world: World, book: Books, rules: Exempt, tmp_path: Path) -> None:
    copy_of(book, chosen(world, "northshire-inclusion")[0], rules, tmp_path / "new")
    for name in (READABLE, COPY, OFFICER):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600


def test_an_exemption_without_a_reason_or_a_basis_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "subject_access.yaml").write_text(
        "withhold:\n- {type: report.third_party}\n- {reason: r, basis: b}\n"
    )
    with pytest.raises(ValueError, match="line 1, 2"):
        exempt(tmp_path)
