"""``hub matching explain``: why two records are one person, two people, or a question."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.__main__ import app

BEN = {"given_name": "Benjamin", "family_name": "O'Connor", "date_of_birth": "2009-03-14", "postcode": "NS1 7HB"}
NHS, OTHER_NHS = "9434765919", "9876543210"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["matching", "explain", *(str(a) for a in arguments)])
    return result.exit_code, result.output


def explained(folder: Path, one: dict[str, str], other: dict[str, str], *more: object) -> dict[str, Any]:
    for name, block in (("a.json", one), ("b.json", other)):
        (folder / name).write_text(json.dumps(block), "utf-8")
    code, said = run(folder / "a.json", folder / "b.json", "--json", *more)
    assert code == 0, said
    told: dict[str, Any] = json.loads(said)
    return told


def guards(told: dict[str, Any]) -> list[str]:
    return [row["guard"] for row in told["guards"]]


def test_the_summands_are_the_sum_and_the_lower_alternative_is_the_weight(tmp_path: Path) -> None:
    told = explained(tmp_path, BEN, BEN | {"given_name": "Ben"})
    assert (told["decision"], told["rule"]) == ("link", "I5")
    sums = [sum(row[f"against_{side}_millibits"] for row in told["comparisons"]) for side in ("stranger", "household")]
    assert sums == [told["against_stranger_millibits"], told["against_household_millibits"]]
    assert told["weight_millibits"] == min(sums)
    grades = {row["compared"]: row["grade"] for row in told["comparisons"]}
    assert (grades["given"], grades["family"], grades["born"], grades["phone"]) == (
        "alias", "exact", "equal", "missing"
    )  # fmt: skip


def test_twins_are_two_people_and_the_guard_says_so(tmp_path: Path) -> None:
    told = explained(tmp_path, BEN, BEN | {"given_name": "Thomas"})
    assert (told["decision"], told["rule"]) == ("apart", "I2")
    assert "twin" in guards(told)


def test_two_valid_numbers_that_differ_are_named_as_a_clash(tmp_path: Path) -> None:
    told = explained(tmp_path, BEN | {"nhs_number": NHS}, BEN | {"nhs_number": OTHER_NHS})
    assert told["decision"] == "apart"
    assert "clash" in guards(told)
    assert "nhs_number" in next(row["words"] for row in told["guards"] if row["guard"] == "clash")


def test_an_identifier_alone_asks_a_reader(tmp_path: Path) -> None:
    stranger = {"given_name": "Maya", "family_name": "Shah", "date_of_birth": "2007-11-02", "nhs_number": NHS}
    told = explained(tmp_path, BEN | {"nhs_number": NHS}, stranger)
    assert (told["decision"], told["rule"]) == ("review", "I4")
    assert "identifier_only" in guards(told)


def test_what_no_weight_may_link_is_told(tmp_path: Path) -> None:
    twin = {"given_name": "Maya", "family_name": BEN["family_name"], "date_of_birth": BEN["date_of_birth"]}
    told = explained(tmp_path, BEN | {"nhs_number": NHS}, twin | {"nhs_number": NHS})
    assert (told["decision"], told["rule"]) == ("review", "I4")
    assert "contradicted" in guards(told)
    told = explained(
        tmp_path, BEN | {"source": "school", "source_ref": "1"}, BEN | {"source": "school", "source_ref": "2"}
    )
    assert "kept_apart" in guards(told)


def test_a_source_own_reference_links_unless_it_is_a_misfiled_event(tmp_path: Path) -> None:
    mine = {"source": "school", "source_ref": "S1"}
    told = explained(tmp_path, BEN | mine, BEN | mine | {"given_name": "B"})
    assert (told["decision"], told["rule"], guards(told)[0]) == ("link", "I1", "same_reference")
    other = {"given_name": "Maya", "family_name": "Shah", "date_of_birth": "2007-11-02"}
    told = explained(tmp_path, BEN | mine, other | mine)
    assert told["decision"] == "review"
    assert "misfiled" in guards(told)


def test_what_is_read_as_missing_is_shown_as_such(tmp_path: Path) -> None:
    told = explained(tmp_path, BEN | {"nhs_number": "1234567890"}, BEN)
    row = next(row for row in told["records"] if row["column"] == "nhs_number")
    assert (row["a"], row["a_as_read"], row["b_as_read"]) == ("1234567890", "(read as missing)", "")


def test_two_strangers_are_two_people_and_too_little_agrees_for_a_weight(tmp_path: Path) -> None:
    told = explained(tmp_path, BEN, {"given_name": "Maya", "family_name": "Shah", "date_of_birth": "2007-11-02"})
    assert (told["decision"], told["rule"]) == ("apart", "I9")
    assert "too_little" in guards(told)
    assert told["weight_millibits"] < 0


def people(count: int) -> list[str]:
    """Rows of as many different people, born each on another day."""
    lines = ["event_id,source,source_ref,given_name,family_name,date_of_birth,postcode"]
    for n in range(count):
        given, family = ("Ann" if n % 2 else "Joe") + chr(97 + n % 23), "Lee" + chr(97 + n % 19)
        lines.append(f"{n},school,S{n},{given},{family},{date(2004, 1, 1) + timedelta(days=n)},NS{n % 9} 1AA")
    return lines


def test_a_population_says_how_rare_values_are_and_which_threshold_holds(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    lines = people(1_100)
    lines += ["x,school,X,Isla,Bennett,2009-03-14,", "y,college,Y,Isla,Bennett,2009-03-14,"]
    file.write_text("\n".join(lines), "utf-8")
    code, said = run("x", "y", "--rows", file, "--json")
    assert code == 0, said
    told = json.loads(said)
    assert told["rule"] == "I6"
    assert told["people_known"] > 1_000
    assert told["threshold_millibits"] > told["review_threshold_millibits"]
    linked = told["weight_millibits"] >= told["threshold_millibits"]
    assert told["decision"] == ("link" if linked else "review")
    assert "few_people" not in guards(told)
    assert [row["event_id"] for row in told["in_the_file"]] == ["x", "y"]


def test_people_read_tables_and_a_decision(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(BEN), "utf-8")
    code, said = run(tmp_path / "a.json", tmp_path / "b.json")
    assert code == 0
    assert "Decision: link (one person)" in said
    assert "Guard few_people" in said


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (
            '{"given_name": 3, "surname": "Shah"}',
            "surname is unknown, known are event_id, source, source_ref, given_name",
        ),
        ("[", "A (a.json): not JSON"),
        ('{"family_name": "Shah", "date_of_birth": "2009-31-31"}', "date_of_birth is neither"),
        ('{"family_name": "Shah", "date_of_birth": "2009-31-31"}', "B: date_of_birth is neither"),
        ("[]", "B (a.json): not a JSON object"),
        ("{}", "source_ref or family_name must be there"),
    ],
)
def test_an_unusable_block_is_refused_with_every_fault_and_no_value(tmp_path: Path, block: str, why: str) -> None:
    (tmp_path / "a.json").write_text(block)
    code, said = run(tmp_path / "a.json", tmp_path / "a.json")
    assert code == 2
    assert why in said
    assert "Shah" not in said
    assert "2009" not in said


def test_a_row_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("\n".join(people(3)), "utf-8")
    code, said = run("1", "nobody", "--rows", file)
    assert code == 2
    assert "no usable row with event_id nobody" in said
