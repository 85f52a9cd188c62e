"""Training: errors that were planted are found, what readers said counts, and a file of one input is one file."""

from __future__ import annotations

import copy
import csv
import json
import math
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hub_of_matching import CONTRACTS
from typer.testing import CliRunner

from hub.__main__ import app
from services.matching.agent import MODEL, matcher_of
from services.matching.blocking import CAPS
from services.matching.bulk import Bulk
from services.matching.model import read_model
from services.matching.train import Change, Trained, train
from services.matching.train_file import HASH, content_hash
from services.matching.train_pairs import ADDRESS, LOOKS_AT, Gathering, Pairs, Pattern

MATCHER, _ = matcher_of(CONTRACTS)
PEOPLE = 800
#: Share of second records with another telephone, and with a slip in the birth date.
OTHER_PHONE, SLIP = 0.25, 0.06


def rows(people: int = PEOPLE) -> list[dict[str, str]]:
    """Everybody in two sources, in two rounds."""
    random, first, second = Random(4), [], []
    for n in range(people):
        born = date(2004, 1, 1) + timedelta(days=random.randrange(3_000))
        row = {
            "source_ref": f"{n}",
            "given_name": "".join(random.choices("bcdfglmnrst", k=1) + random.choices("aeioulmnrst", k=5)),
            "family_name": "".join(random.choices("bcdfglmnrst", k=1) + random.choices("aeioulmnrst", k=6)),
            "date_of_birth": born.isoformat(),
            "postcode": f"NS{random.randrange(1, 30)} {random.randrange(10)}{random.choice('ABDEFG')}A",
            "phone": f"07{random.randrange(10**9):09d}",
        }
        first.append(row | {"event_id": f"a{n}", "source": "school"})
        row = row | {"event_id": f"b{n}", "source": "college"}
        if random.random() < OTHER_PHONE:
            row["phone"] = f"07{random.randrange(10**9):09d}"
        if random.random() < SLIP:
            row["date_of_birth"] = born.replace(day=1 if born.day != 1 else 15).isoformat()
        second.append(row)
    return first + second


def gathered(of: Iterable[dict[str, str]]) -> Pairs:
    bulk, of = Bulk(MATCHER), list(of)
    for row in of:
        bulk.resolve(row)
    gathering = Gathering(MATCHER, bulk.ledger.index.frequencies, {})
    for row in of:
        gathering.take(row)
    return gathering.pairs


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return gathered(rows())


def change(trained: Trained, kind: str, grade: str, of: str = "same") -> Change:
    (found,) = [c for c in trained.changes if (c.kind, c.grade, c.of) == (kind, grade, of)]
    return found


def millibits(share: float) -> float:
    return 1000 * math.log2(share)


def test_every_pass_of_blocking_says_what_it_looks_at() -> None:
    assert set(LOOKS_AT) == {*CAPS, ADDRESS}


@pytest.mark.parametrize(
    ("kind", "grade", "share"),
    [("phone", "different", OTHER_PHONE), ("phone", "equal", 1 - OTHER_PHONE), ("born", "near", SLIP)],
)
def test_planted_errors_are_found_without_truth(pairs: Pairs, kind: str, grade: str, share: float) -> None:
    found = change(train(MATCHER.model, pairs), kind, grade)
    assert found.new is not None
    # Three standard deviations of a share counted among 1,200 people.
    spread = 3 * math.sqrt(share * (1 - share) / PEOPLE)
    assert millibits(share - spread) <= found.new <= millibits(share + spread)
    assert found.new != found.old


def test_a_grade_that_is_hardly_seen_keeps_its_weight(pairs: Pairs) -> None:
    trained = train(MATCHER.model, pairs)
    for found in trained.changes:
        if found.new is None:
            assert getattr(trained.grades[found.kind, found.grade], found.of) == found.old
    assert change(trained, "swapped", "swapped").new is None


def test_training_comes_to_rest_and_the_rows_are_no_less_likely_than_before(pairs: Pairs) -> None:
    trained = train(MATCHER.model, pairs)
    assert trained.rounds < 60
    assert trained.likelihood[1] >= trained.likelihood[0]


@pytest.mark.parametrize("same", [True, False])
def test_what_readers_decide_moves_the_weight_their_way(pairs: Pairs, same: bool) -> None:
    """A pair with another birth date and little else, of which nobody could tell: a hundred times decided."""
    unclear = (("given", "exact", 1), ("family", "exact", 1), ("born", "different", 1), ("phone", "equal", 1))
    told = copy.deepcopy(pairs)
    told.patterns[Pattern(unclear, 80, frozenset("nh"), same)] = 100
    before, after = train(MATCHER.model, pairs), train(MATCHER.model, told)
    old = before.grades["born", "different"].same
    new = after.grades["born", "different"].same
    assert new > old + 1_000 if same else new <= old


def test_a_pass_says_nothing_of_what_it_looks_at(pairs: Pairs) -> None:
    """Pairs found by birth date alone bear one birth date, whoever they are."""
    told = copy.deepcopy(pairs)
    alike = (("given", "exact", 1), ("family", "exact", 1), ("born", "equal", 1), ("phone", "equal", 1))
    told.patterns[Pattern(alike, 120, frozenset("d"), True)] = 5_000
    before, after = train(MATCHER.model, pairs), train(MATCHER.model, told)
    assert change(after, "born", "equal").pairs == change(before, "born", "equal").pairs
    assert after.grades["born", "near"] == before.grades["born", "near"]
    assert change(after, "phone", "equal").pairs >= change(before, "phone", "equal").pairs + 5_000


def test_nothing_to_compare_is_said_and_not_trained_on() -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        train(MATCHER.model, gathered(rows(1)[:1]))


# The command


def write(path: Path, of: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(of[0]))
        writer.writeheader()
        writer.writerows(of)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["matching", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("rows") / "rows.csv", rows(250))


def test_one_input_gives_one_file_and_matching_reads_it(people: Path, tmp_path: Path) -> None:
    texts = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        out = tmp_path / folder / "2026-12-01-weights.json"
        assert run("train", people, "--out", out, "--date", "2026-12-01", "--json")[0] == 0
        texts.append(out.read_text("utf-8"))
    assert texts[0] == texts[1]
    read = json.loads(texts[0])
    model = read_model(texts[0])
    assert model.name == "2026-12-01"
    assert model.auto_millibits == MATCHER.model.auto_millibits
    assert model.grades != MATCHER.model.grades
    assert read[HASH] == content_hash(read)
    assert read["trained"]["rows"]["read"] == 500
    assert str(tmp_path) not in texts[0]


def test_what_readers_decided_is_met_among_the_rows(people: Path, tmp_path: Path) -> None:
    decided: list[dict[str, str]] = [{"one": "a1", "other": "b1", "decision": "same"}]
    decided.append({"one": "a2", "other": "b2", "decision": "different"})
    reviewed = write(tmp_path / "reviewed.csv", decided)
    code, said = run("train", people, "--out", tmp_path / "m-weights.json", "--reviewed", reviewed, "--json")
    assert code == 0
    assert json.loads(said)["reviewed_pairs_met"] == 2


def test_faults_are_named_all_at_once(people: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    missing = tmp_path / "no.csv"
    code, said = run("train", missing, "--out", there, "--reviewed", missing, "--date", "soon")
    assert code == 2
    for word in ("rows: no.csv", "--reviewed: no.csv", "there.json is there", "yyyy-mm-dd"):
        assert word in said
    assert there.read_text() == "{}"
    lines: list[dict[str, str]] = [{"one": "a1", "other": "", "decision": "same"}]
    lines.append({"one": "a2", "other": "b2", "decision": "perhaps"})
    code, said = run("train", people, "--out", tmp_path / "n.json", "--reviewed", write(tmp_path / "r.csv", lines))
    assert code == 2
    assert "line 2" in said and "line 3" in said and "same or different" in said


def test_a_decision_about_an_unknown_event_is_refused_by_its_line(people: Path, tmp_path: Path) -> None:
    reviewed = write(tmp_path / "r.csv", [{"one": "a1", "other": "zz", "decision": "same"}])
    code, said = run("train", people, "--out", tmp_path / "n.json", "--reviewed", reviewed)
    assert code == 2
    assert "line 2: other: no row has this event_id" in said
    assert not (tmp_path / "n.json").exists()


def difference(people: Path, model: Path) -> dict[str, Any]:
    code, said = run("difference", people, "--model", model, "--json")
    assert code == 0
    read: dict[str, Any] = json.loads(said)
    return read


def test_the_same_model_changes_nothing(people: Path) -> None:
    told = difference(people, MODEL)
    assert (told["rows_that_stand_otherwise"], told["people_merged"], told["people_split"]) == (0, 0, 0)
    assert "truth" not in told


def test_a_model_to_which_a_false_link_is_dear_links_less_and_names_events_alone(tmp_path: Path) -> None:
    found = rows(400)
    for row in found[400:]:
        # Names and birth date alone: what a weight decides (I6).
        row |= {"phone": "", "postcode": ""}
    file = write(tmp_path / "rows.csv", [row | {"cluster": row["source_ref"]} for row in found])
    document = json.loads(MODEL.read_text("utf-8"))
    document["costs"]["false_link"] = 1 << 60
    dear = tmp_path / "dear-weights.json"
    dear.write_text(json.dumps(document))
    told = difference(file, dear)
    changed = {(row["before"], row["after"]): row["rows"] for row in told["decisions"]}
    assert changed["link", "review"] > 100
    assert told["people_split"] == changed["link", "review"]
    assert told["people_merged"] == 0
    assert all(len(pair) == 2 and pair[0][0] == "a" and pair[1][0] == "b" for pair in told["splits"])
    assert {"of": "false merges per 10,000 people", "before": "0.0", "after": "0.0"} in told["truth"]
    assert not any(row["family_name"] in json.dumps(told) for row in found)
