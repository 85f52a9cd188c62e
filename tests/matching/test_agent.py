"""The shell: rows are the truth, a warm index is only their shadow; batches can fail; partitions move."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hub_of_matching import CONTRACTS, ROOT, Matching, acts, fresh_processor
from test_reviews import COLLEGE, SCHOOL, apart, linked, suggested

from services.matching import agent
from services.matching.rows import Ledger
from spine.journal import MemoryJournal, Transaction

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
from matching_records import Difficulty, population

COLUMNS_NOT_SUBJECT = ("event_id", "source")


@pytest.mark.parametrize("changed", ["aliases.txt", *(f"{name}.py" for name in agent.RULES)])
def test_another_list_of_aliases_or_another_rule_is_another_setting(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = agent.matcher_of(CONTRACTS)[1]
    copied = tmp_path / "matching"
    shutil.copytree(agent.ALIASES.parent, copied)
    monkeypatch.setattr(agent, "ALIASES", copied / "aliases.txt")
    assert agent.matcher_of(CONTRACTS)[1] == before
    with (copied / changed).open("a", encoding="utf-8") as text:
        text.write("# another\n")
    assert agent.matcher_of(CONTRACTS)[1] != before


def feed(hub: Matching, people: int = 60, seed: int = 3, repeats: int = 2, authority: str = "northshire") -> None:
    """A small population with everything: links, reviews, separations, suggestions."""
    of = "" if authority == "northshire" else authority
    rng = random.Random(seed)
    rows = [row for row in population(seed, people, Difficulty("messy", 3.0, 1.0)).rows for _ in range(repeats)]
    rng.shuffle(rows)
    for number, row in enumerate(rows):
        subject = {k: v or None for k, v in row.items() if k not in COLUMNS_NOT_SUBJECT}
        hub.append(f"{of}o{number}", row["source"], subject, authority=authority)
        if number % 9 == 8:
            one, other = rng.choice(rows[:number]), rng.choice(rows[:number])
            pair = (one["source"], one["source_ref"], other["source"], other["source_ref"])
            kind = rng.choice(("linked", "separated", "duplicate_suggested"))
            data: dict[str, Any] = {"linked": linked, "separated": apart, "duplicate_suggested": suggested}[kind](*pair)
            hub.append(f"{of}s{number}", "steward", None, f"identity.{kind}", data, authority=authority)


def rows_of(hub: Matching) -> dict[str, bytes]:
    return {key: body for key, (_, body, _) in hub.journal.store.states.items()}


def warm_rows(hub: Matching) -> dict[str, bytes | None]:
    """Rows as the index in memory would write them now."""
    (partition,) = hub.processor._partitions.values()
    out: dict[str, bytes | None] = {}
    for key in rows_of(hub):
        if key[0] in "lprx":
            out[key] = partition.ledgers["northshire"].body(key)
    return out


def ledger_of(hub: Matching) -> Ledger:
    (partition,) = hub.processor._partitions.values()
    return partition.ledgers["northshire"]


def told(hub: Matching) -> list[dict[str, Any]]:
    return hub.facts("attributions") + hub.facts("reviews")


def test_the_index_in_memory_is_what_its_rows_say() -> None:
    hub = Matching()
    feed(hub)
    hub.run()
    kept = {key: body for key, body in rows_of(hub).items() if key[0] in "lprx"}
    assert warm_rows(hub) == kept
    assert {"withdrawn", "review_opened", "review_closed", "released"} <= set(acts(hub.facts("attributions")))
    again = Matching(fresh_processor(), hub.journal)
    again.log = hub.log
    again.observe("wake", "school", {"source_ref": "wake"})
    index, rebuilt = ledger_of(hub).index, ledger_of(again).index
    people = index.frequencies.people
    assert rebuilt.frequencies.people == people + 1
    assert set(index.people) <= set(rebuilt.people)


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_restarts_and_batches_change_nothing(batch: int) -> None:
    steady = Matching()
    feed(steady, 20)
    steady.run()
    moved = Matching()
    feed(moved, 20)
    while moved.run_once(batch):
        moved.processor = fresh_processor()
    assert told(moved) == told(steady)
    same = {k: v for k, v in rows_of(moved).items() if k[0] != "v"}
    assert same == {k: v for k, v in rows_of(steady).items() if k[0] != "v"}
    before_after = [(r.state_before, r.state_after) for r in steady.journal.decisions]
    assert before_after == [(r.state_before, r.state_after) for r in moved.journal.decisions]


class FailingJournal(MemoryJournal):
    """Every other commit fails, as when the database goes away."""

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(1)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as held:
            yield held
            if self.random.random() < 0.5:
                raise ConnectionError


def test_a_batch_that_was_not_committed_leaves_no_trace() -> None:
    hub, steady = Matching(), Matching()
    feed(hub)
    feed(steady)
    steady.run()
    hub.journal = FailingJournal()
    failures = 0
    for _ in range(400):
        try:
            if not hub.run_once(5):
                break
        except ConnectionError:
            failures += 1
    assert failures > 10
    assert told(hub) == told(steady)


def test_another_worker_that_had_the_partition_is_noticed() -> None:
    one = Matching()
    one.observe("a", "school", SCHOOL)
    two = Matching(fresh_processor(), one.journal)
    two.log = one.log
    two._count = 10
    two.observe("b", "college", {**SCHOOL, "source_ref": "C1"})
    one._count = 20
    (row,) = one.observe("c", "college", {**SCHOOL, "source_ref": "C1", "given_name": None, "upn": None})
    assert row["person_id"] == one.whose()["a"] == one.whose()["b"]


def test_a_partition_that_the_spine_says_to_forget_is_read_again() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.processor.forget(("observations", 0))
    assert hub.observe("b", "school", SCHOOL)[0]["person_id"] == hub.whose()["a"]


def test_the_same_fact_twice_is_decided_once() -> None:
    hub = Matching()
    assert acts(hub.observe("a", "school", SCHOOL)) == ["linked"]
    assert hub.observe("a", "school", SCHOOL) == []


def test_person_ids_follow_from_the_first_observation() -> None:
    one, two = Matching(), Matching()
    one.observe("a", "school", SCHOOL)
    two.observe("a", "school", SCHOOL)
    assert one.whose() == two.whose()
    assert one.whose()["a"].startswith("p-")
    assert len(one.whose()["a"]) == 22


@pytest.mark.parametrize("seed", range(5))
def test_clear_records_find_the_same_people_in_any_order(seed: int) -> None:
    """Every record shares a number or name, birth date and address with the others: then order is nothing."""
    people = [
        [
            {**SCHOOL, "source_ref": f"S{n}", "given_name": name, "upn": None, "postcode": f"NS{n} 1AA"},
            {**SCHOOL, "source_ref": f"C{n}", "given_name": name, "upn": None, "postcode": f"NS{n} 1AA", "phone": "1"},
            {**SCHOOL, "source_ref": f"T{n}", "given_name": name, "upn": None, "postcode": f"NS{n} 1AA"},
        ]
        for n, name in enumerate(("Isla", "Tom", "Grace", "Omar"), start=1)
    ]
    records = [(f"{s['source_ref']}", s["source_ref"][0], s) for person in people for s in person]
    random.Random(seed).shuffle(records)
    hub = Matching()
    for label, source, subject in records:
        hub.append(label, source, subject)
    hub.run()
    assert hub.clusters() == {frozenset(f"{s['source_ref']}" for s in person) for person in people}
    assert hub.held() == set()


def test_what_waits_is_not_a_candidate_for_others() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    hub.observe("held", "college", COLLEGE)
    rows = hub.observe("other", "training", {**COLLEGE, "source_ref": "T1"})
    assert acts(rows) == ["held", "review_opened"]
    assert [c["person_id"] for c in hub.facts("reviews")[-1]["candidates"]] == [hub.whose()["known"]]


SCRIPT = """
import hashlib, sys
sys.path[:0] = [{tests!r}, {root!r}]
from hub_of_matching import Matching
from test_agent import feed, rows_of, told
hub = Matching()
feed(hub, 25)
hub.run()
print(hashlib.sha256(repr((told(hub), sorted(rows_of(hub).items()))).encode()).hexdigest())
"""


def test_two_hash_seeds_give_equal_results() -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent), root=str(ROOT))
    told_by = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
        )
        told_by.add(ran.stdout)
    assert len(told_by) == 1
