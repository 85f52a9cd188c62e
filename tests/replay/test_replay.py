"""A replay shows each decision again, in processes that can reach nothing; what was altered or is gone is named."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from hub.inprocess import SEAL_KEY, InProcessHub
from hub.replay.asked import Everything, Person, Places, Span
from hub.replay.child import Child, Code, KeysOf, ReplayFailed, walled
from hub.replay.command import shown, unpacked
from hub.replay.engine import Plan, Replayed, batches, compared, recorded, replayed
from hub.replay.report import Run, comparison, page
from hub.replay.sources import no_keys, with_days
from hub.replay.verdicts import Judge, Verdict, sealed_in_part, stands
from services.ingest.days import DailySealer
from services.matching import agent as matching
from spine import build
from spine.journal import DecisionRow
from spine.log import Place
from spine.record import Record
from spine.seal import Sealer
from spine.step import link_after
from tests.benchmarks.lives import county, event, life
from tests.ingest.test_days import TODAY, Calendar

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
BEGAN = datetime(2026, 9, 1, tzinfo=UTC)


@dataclass
class Memory:
    """What an in-process hub recorded. ``rows`` are the test's to alter."""

    hub: InProcessHub
    rows: dict[str, list[DecisionRow]] = field(default_factory=dict)

    def of(self, service: str) -> list[DecisionRow]:
        return self.rows.setdefault(service, list(self.hub.journal(service).decisions))

    def places(self, service: str) -> list[Place]:
        return sorted({(row.topic, row.partition) for row in self.of(service)})

    def decisions(self, service: str, place: Place) -> Iterator[tuple[DecisionRow, datetime]]:
        for number, row in enumerate(self.of(service)):
            if (row.topic, row.partition) == place:
                yield row, BEGAN + timedelta(seconds=number)

    def records(self, place: Place, last: int) -> Iterator[Record]:
        yield from self.hub.log.read({place: 0}, last + 1, 0)

    def keys(self, refs: Iterable[str]) -> Mapping[str, bytes | None]:
        return with_days(_of_people, SEAL_KEY, lambda days: {})(refs)

    def chain(self, service: str) -> None:
        """Chain the rows anew, as somebody who can write the table would."""
        rows, links = self.of(service), dict[Place, bytes]()
        for n, row in enumerate(rows):
            place = (row.topic, row.partition)
            links[place] = link_after(links.get(place, b""), row)
            rows[n] = replace(row, link=links[place])


def _of_people(refs: Iterable[str]) -> Mapping[str, bytes | None]:
    return {ref: hmac.new(b"memory", ref.encode(), hashlib.sha512).digest() for ref in refs}


def code(service: str, contracts: Path = CONTRACTS) -> Code:
    return Code(service, ROOT, contracts, (SCHEMAS,))


def run(memory: Memory, service: str, seed: int = 1, **more: object) -> Replayed:
    return replayed(replace(Plan(service, memory, code(service), memory.keys), **more), seed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hub() -> InProcessHub:
    return county(3)


@pytest.fixture
def memory(hub: InProcessHub) -> Memory:
    return Memory(hub)


@pytest.mark.parametrize("service", ["ingest", "matching", "status", "alerts"])
def test_every_decision_is_shown_again_under_any_hash_seed(memory: Memory, service: str) -> None:
    found = [run(memory, service, seed) for seed in (1, 2)]
    assert {verdict for verdict, n in found[0].judge.counts.items() if n} == {Verdict.SAME}
    assert found[0].decisions == len(memory.of(service)) > 60
    assert len({one.judge.digest for one in found}) == 1
    assert stands(found[0].judge.counts)


def test_an_altered_decision_is_tampered_and_one_chained_anew_is_changed(memory: Memory) -> None:
    rows = memory.of("alerts")
    number = next(n for n, row in enumerate(rows) if row.effects)
    rows[number] = replace(rows[number], note="altered")
    found = run(memory, "alerts").judge
    assert found.counts[Verdict.TAMPERED] == 1
    place = f"{rows[number].topic}/{rows[number].partition}@{rows[number].offset}"
    assert [f.place for f in found.findings] == [place]
    memory.chain("alerts")
    again = run(memory, "alerts").judge
    assert (again.counts[Verdict.TAMPERED], again.counts[Verdict.CHANGED]) == (0, 1)
    assert again.findings[0].paths == (("note", "altered", ""),)
    assert not stands(again.counts)


def test_a_decision_that_is_not_there_is_one_too_many(memory: Memory) -> None:
    rows = memory.of("status")
    del rows[next(n for n, row in enumerate(rows) if row.offset == 3)]
    found = run(memory, "status").judge
    assert found.counts[Verdict.EXTRA] == 1
    assert found.counts[Verdict.TAMPERED] == 1, "the chain does not hold behind it"


def test_where_a_key_is_destroyed_decisions_are_sealed_and_what_follows_for_that_person_too(memory: Memory) -> None:
    fact = next(f for f in memory.hub.facts("statuses") if f.kind == "status.v1" and f.fields["observation"])
    ref = fact.fields["observation"]["sealed_under"]

    def keys(refs: Iterable[str]) -> Mapping[str, bytes | None]:
        return {r: None if r == ref else key for r, key in memory.keys(refs).items()}

    found = run(memory, "alerts", keys=keys).judge
    assert found.counts[Verdict.SEALED] > 0
    assert found.counts[Verdict.CHANGED] == 0
    assert found.counts[Verdict.SAME] > 0
    assert stands(found.counts)


def test_of_a_submission_whose_day_is_over_the_record_proves_that_it_was_decided_and_not_how() -> None:
    days = Calendar()
    hub = InProcessHub(CONTRACTS, SCHEMAS, sealer=DailySealer(Sealer(SEAL_KEY), days))
    for later, number in enumerate((0, 0, 1)):
        days.now = TODAY + timedelta(days=later)
        on, party, kind, data = next(life(number, random.Random(number)))
        hub.submit(event(number, 0, on, party, kind, data), party=party, received_at=BEGAN + timedelta(days=later))
    hub.settle()

    def keys(gone: set[date]) -> KeysOf:
        return with_days(_of_people, SEAL_KEY, lambda asked: {d: None if d in gone else days.key(d) for d in asked})

    assert run(Memory(hub), "ingest", keys=keys(set())).judge.counts == {Verdict.SAME: 3}
    found = run(Memory(hub), "ingest", keys=keys({TODAY})).judge
    assert found.counts == {Verdict.SEALED: 2, Verdict.SAME: 1}, "the same message again follows from the first"
    assert stands(found.counts)


def test_the_gate_is_replayed_over_every_move_of_the_policy_head() -> None:
    hub = InProcessHub(CONTRACTS, SCHEMAS)
    for number, move in enumerate((None, hub.release, lambda at: hub.suspend("northvale-college", at))):
        if move is not None:
            move(BEGAN)
        on, party, kind, data = next(life(number, random.Random(number)))
        hub.submit(event(number, 0, on, party, kind, data), party=party, received_at=BEGAN)
        hub.settle()
    found = run(Memory(hub), "ingest")
    assert set(found.judge.counts) == {Verdict.SAME} and len({row.settings for row in Memory(hub).of("ingest")}) == 3


def tick_for_two(memory: Memory) -> tuple[int, DecisionRow, list[str]]:
    """A tick that brought something about two people of one partition: its number among the rows, the row, both."""
    number, row = next((n, r) for n, r in enumerate(memory.of("alerts")) if r.kind == "tick.v1" and len(r.effects) == 6)
    stood = {f.fields["person_id"] for f in memory.hub.facts("alerts") if f.fields["on"] == row.tick}
    return number, row, sorted(stood)


def test_a_tick_is_sealed_only_in_what_is_about_the_person_whose_keys_are_gone(memory: Memory) -> None:
    number, row, (one, other) = tick_for_two(memory)
    told = [f.fields for f in memory.hub.facts("statuses") if f.fields.get("person_id") == one]
    gone = {fields["observation"]["sealed_under"] for fields in told if fields["observation"]}

    def keys(refs: Iterable[str]) -> Mapping[str, bytes | None]:
        return {ref: None if ref in gone else key for ref, key in memory.keys(refs).items()}

    whole = run(memory, "alerts", keys=keys).judge
    assert whole.counts[Verdict.CHANGED] == 0
    assert whole.counts[Verdict.SEALED] > len(told), "theirs, and the ticks that reached them"
    # Theirs come first in the order of keys; somebody alters what stands there about the other.
    effects = (*row.effects[:4], (row.effects[4][0], bytes(32)), *row.effects[5:])
    memory.of("alerts")[number] = replace(row, effects=effects)
    memory.chain("alerts")
    altered = run(memory, "alerts", keys=keys).judge
    assert [f.place for f in altered.findings] == [f"{row.topic}/{row.partition}@{row.offset}"]
    assert altered.counts[Verdict.CHANGED] == 1 and other != one


def test_in_a_decision_sealed_in_part_all_else_stands_in_its_order() -> None:
    """Without a process: what is recorded about a, b and c; b is sealed."""
    was = [
        *("t", 0, 1, "e", "tick.v1", "in", "s", "s"),
        [["", x] for x in ("a0", "b1", "b2", "c3")],
        "1",
        "p",
        None,
        "",
    ]

    def stands(effects: list[str], reached: list[tuple[str, int]], sealed: set[str] = {"b"}, **more: str) -> bool:  # noqa: B006
        now = [*was[:6], "other", "other", [], "1", more.get("settings", "p"), None, more.get("note", "")]
        return sealed_in_part(was, now, reached, sealed, lambda by: [f"{e}{n + by}" for n, e in enumerate(effects)])

    assert stands(["a", "c"], [("a", 1), ("c", 1)]), "nothing is made any more about b"
    assert stands(["a", "x", "x", "x", "c"], [("a", 1), ("b", 3), ("c", 1)], note="sealed"), "something else is"
    assert not stands(["c"], [("c", 1)], {"d"}), "what stands before c is about nobody sealed"
    assert not stands(["a"], [("a", 1)], {"0"}), "what stands behind a is about nobody sealed"
    assert not stands(["a", "d"], [("a", 1), ("c", 1)]), "c is another one"
    assert not stands(["a", "c"], [("a", 1), ("c", 1)], settings="q")
    assert not stands(["a", "c"], [("a", 1), ("c", 1)], set()), "nobody is sealed"


def test_what_is_about_one_person_is_judged_alone_with_the_verdicts_of_the_whole(memory: Memory) -> None:
    rows = memory.of("alerts")
    _, tick, (one, _) = tick_for_two(memory)
    mine = {f.event_id for f in memory.hub.facts("statuses") if f.fields.get("person_id") == one}
    for number, row in enumerate(rows):
        if row.event_id in mine or (row.topic, row.partition) != (tick.topic, tick.partition):
            continue
        if row.kind != "tick.v1":
            rows[number] = replace(row, note="altered")
    first = next(n for n, row in enumerate(rows) if row.event_id in mine)
    rows[first] = replace(rows[first], note="altered, too")
    memory.chain("alerts")
    found = run(memory, "alerts", part=Person(one, "alerts"))
    assert found.judge.counts[Verdict.CHANGED] == 1, "what is altered about the other is not asked for"
    assert found.judge.findings[0].event_id == rows[first].event_id
    assert len(mine) < sum(found.judge.counts.values()) < len(mine) + 25, "theirs, and the ticks that reach them"
    assert found.decisions == sum((r.topic, r.partition) == (tick.topic, tick.partition) for r in rows), "one place"


def test_matchings_decisions_about_one_person_are_those_that_tell_of_them(memory: Memory) -> None:
    linked = [f for f in memory.hub.facts("attributions") if f.is_a("attribution")]
    person = linked[0].fields["person_id"]
    counts = run(memory, "matching", part=Person(person, "matching")).judge.counts
    assert counts == {Verdict.SAME: sum(f.fields["person_id"] == person for f in linked)}


def test_places_are_written_as_findings_name_them_and_asked_for_from_their_first_record(memory: Memory) -> None:
    one, some = Span.read("statuses/1@31"), Span.read("statuses/2:5..9")
    assert (one.first, one.last, Span.read("statuses/1@31..").last) == (31, 31, None)
    for wrong in ("statuses", "statuses/1", "statuses/1@", "statuses/1@9..5", "statuses/x@1"):
        with pytest.raises(ValueError, match="is no place"):
            Span.read(wrong)
    part = Places([one, some])
    assert part.ends(memory, "alerts") == {("statuses", 1): 31, ("statuses", 2): 9}
    assert part.ends(memory, "status") == {}
    asked = [n for n in range(40) if part.has(("statuses", 2), n, "", Verdict.SAME, None)]
    assert asked == [5, 6, 7, 8, 9]
    # An event that was decided first in another partition: that one is needed, too.
    rows = memory.of("alerts")
    number = next(n for n, row in enumerate(rows) if (row.partition, row.offset) == (2, 7))
    rows[number] = replace(rows[number], note="repeated")
    assert set(part.ends(memory, "alerts")) == set(memory.places("alerts"))


def test_places_are_decided_apart_unless_an_event_stands_at_two(memory: Memory) -> None:
    expected: list[int] = []
    found = list(recorded(memory, "status", Everything(), expected.append))
    assert expected == [len(found)]
    parted = list(batches(iter(found)))
    assert [one for batch in parted for one in batch] == sorted(found, key=lambda one: one[1:3])
    assert len(parted) == len(memory.places("status"))
    rows = memory.of("status")
    one, other = (next(n for n, row in enumerate(rows) if row.partition == place) for place in (1, 2))
    rows[other] = replace(rows[other], event_id=rows[one].event_id, note="repeated")
    found = list(recorded(memory, "status", Everything()))
    assert [one for batch in batches(iter(found)) for one in batch] == found, "in the order in which it was recorded"


def test_without_keys_what_is_about_people_is_sealed(memory: Memory) -> None:
    found = run(memory, "status", keys=no_keys).judge
    assert {verdict for verdict, n in found.counts.items() if n} <= {Verdict.SAME, Verdict.SEALED}
    assert found.counts[Verdict.SEALED] > 0


@pytest.mark.long
def test_a_build_that_is_not_kept_is_said_and_this_one_may_decide_all_the_same(memory: Memory) -> None:
    rows = memory.of("status")
    rows[:] = [replace(row, build="0.0+gone") for row in rows]
    memory.chain("status")
    assert run(memory, "status").judge.counts[Verdict.NO_BUILD] == len(rows)
    assert run(memory, "status", regardless=True).judge.counts[Verdict.SAME] == len(rows)


def test_a_kept_build_decides_what_it_decided(memory: Memory, tmp_path: Path) -> None:
    """The zip alone, with the contracts that it was started under, in place of this checkout."""
    name, settings = {(row.build, row.settings) for row in memory.of("status")}.pop()
    path = build.keep(tmp_path, "status", name, settings, CONTRACTS)
    assert path == build.keep(tmp_path, "status", name, settings, CONTRACTS), "written once"
    kept = unpacked(path, "status", tmp_path / "out", {})
    found = replayed(Plan("status", memory, kept, memory.keys), 1)
    assert found.builds == [name]
    assert found.judge.counts[Verdict.SAME] == len(memory.of("status"))


def test_a_kept_build_of_matching_brings_the_model_that_it_was_given(tmp_path: Path) -> None:
    weights = json.loads(matching.MODEL.read_text("utf-8"))
    given = tmp_path / "given.json"
    given.write_text(json.dumps(weights | {"name": "another", "gap_millibits": weights["gap_millibits"] + 1}))
    shipped, settings = matching.matcher_of(CONTRACTS)[1], matching.matcher_of(CONTRACTS, given)[1]
    assert settings != shipped
    for model, wanted in ((given, settings), (None, shipped)):
        # Named by the settings, and so by the model's content: neither takes the other's place.
        path = build.keep(tmp_path, "matching", matching.build_name(), wanted, CONTRACTS, model)
        with Child(unpacked(path, "matching", tmp_path / path.stem, {}), no_keys) as child:
            assert (child.build, child.settings) == (matching.build_name(), wanted)


@pytest.mark.long
def test_two_builds_one_after_the_other_decide_what_each_decided(memory: Memory, tmp_path: Path) -> None:
    """The second goes on from what the first remembered."""
    older = "0.0+older"
    rows = memory.of("status")
    half = len(rows) // 2
    rows[:half] = [replace(row, build=older) for row in rows[:half]]
    memory.chain("status")
    root = tmp_path / "older"
    for part in ("services/status", "spine", "schemas", "contracts"):
        shutil.copytree(ROOT / part, root / part)
    named = root / "spine" / "build.py"
    named.write_text(
        named.read_text() + f"\n\ndef name(service: str, root: Path = ROOT) -> str:\n    return {older!r}\n"
    )
    kept = Code("status", root, root / "contracts", (root / "schemas" / "avro",))
    now = code("status")
    found = run(memory, "status", code_of=lambda build, rules: kept if build == older else now)
    assert found.builds[1:] == [older, rows[-1].build]
    assert found.judge.counts[Verdict.SAME] == len(rows)


def test_another_limit_is_compared_alert_by_alert_and_the_same_one_changes_nothing(
    memory: Memory, tmp_path: Path
) -> None:
    other, tell = tmp_path / "contracts", {"alert.v1": ("rule", "act", "alert_id", "person_id")}
    shutil.copytree(CONTRACTS, other)
    policy = other / "policy" / "alerts.yaml"
    policy.write_text(policy.read_text().replace("below_percent: 95, min_days: 10", "below_percent: 99, min_days: 10"))
    plan = Plan("alerts", memory, code("alerts"), memory.keys)
    same = compared(plan, code("alerts"), tell)
    assert same.otherwise == same.people == 0 and same.told
    assert all(now == then == 0 for _, now, then in same.told.values())
    stricter = compared(plan, code("alerts", other), tell)
    assert stricter.otherwise > 0 and stricter.people > 0
    assert stricter.told["alert.v1: A09"][2] > 0, "more are told of lower attendance than 99 %"
    assert sum(map(sum, stricter.by_day.values())) == stricter.decisions == len(memory.of("alerts"))
    assert stricter.people <= 3
    made = comparison(stricter, "alerts", "<other> contracts", BEGAN, "the running hub")
    assert f"{stricter.otherwise:,} of {stricter.decisions:,} decisions otherwise" in made and made.count("<svg") == 2
    assert "&lt;other&gt;" in made and "<script" not in made and "http" not in made
    assert not any(person in made for person in memory.hub.states("alerts")), "counts, and nobody by name or id"


def test_a_replay_can_open_no_connection_start_no_process_and_write_no_file(tmp_path: Path) -> None:
    script = (
        "import os, socket, subprocess, sys\n"
        "from spine.replay import Refused, guard\n"
        "guard()\n"
        "tried = [lambda: socket.create_connection(('127.0.0.1', 9)), lambda: subprocess.run(['true']),\n"
        f"         lambda: open({str(tmp_path / 'x')!r}, 'w'), lambda: open({str(tmp_path / 'kept')!r}, 'r+'),\n"
        f"         lambda: os.open({str(tmp_path / 'x')!r}, os.O_WRONLY | os.O_CREAT), lambda: os.system('true'),\n"
        f"         lambda: os.mkdir({str(tmp_path / 'y')!r}), lambda: os.remove({str(tmp_path / 'kept')!r}),\n"
        f"         lambda: os.rename({str(tmp_path / 'kept')!r}, {str(tmp_path / 'z')!r}),\n"
        f"         lambda: os.truncate({str(tmp_path / 'kept')!r}, 0)]\n"
        f"assert open({str(tmp_path / 'kept')!r}).read() == 'kept'\n"
        "for attempt in tried:\n"
        "    try:\n"
        "        attempt()\n"
        "    except Refused:\n"
        "        continue\n"
        "    sys.exit(1)\n"
    )
    (tmp_path / "kept").write_text("kept")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "kept")]


@pytest.mark.skipif(not walled(), reason="no user namespaces here: the guard inside the process stands alone")
def test_in_its_namespace_a_process_has_no_interface_that_is_up() -> None:
    script = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    done = subprocess.run(
        ["unshare", "-Urn", sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in done.stderr


def test_a_child_that_ends_is_said(memory: Memory) -> None:
    with pytest.raises(ReplayFailed):
        run(memory, "alerts", code=replace(code("alerts"), contracts=ROOT / "nowhere"))


def test_in_a_narrow_terminal_counts_and_digests_stand_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    judge = Judge("matching")
    judge.counts |= dict.fromkeys(list(Verdict)[:5], 123_456)
    shown([Run(judge, [], ["ab" * 32, "cd" * 32], 1.0)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert f"matching {'ab' * 32}" in lines and f"matching {'cd' * 32}" in lines
    (row,) = [line for line in lines if line.startswith("│ matching")]
    assert row.count("123,456") == 5
    judge.counts.clear()
    shown([Run(judge, [], [], 1.0)])
    assert "TAMPERED" not in capsys.readouterr().out


def test_the_report_is_one_page_without_script_that_names_what_differs(memory: Memory) -> None:
    rows = memory.of("status")
    rows[7] = replace(rows[7], event_id="<script>")
    found = run(memory, "status")
    made = page([Run(found.judge, found.builds, ["a", "a"], 1.5)], BEGAN, "the running hub", True)
    assert "TAMPERED" in made and "<svg" in made and "&lt;script&gt;" in made
    assert "<script" not in made and "http" not in made
