"""Whatever is done to archive, ledger or database is found, and the first bad item is named."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.archive.containers import DECISIONS, about_of, read_container, write_container
from hub.archive.reading import Archive, decision_of
from hub.archive.writing import decision_row
from hub.under_way import UnderWay
from hub.verify.checking import verify
from hub.verify.finding import Found
from spine.journal import DecisionRow
from spine.ledger.checkpoint import COSIGNATURE, Checkpoint, SignedCheckpoint, Signer
from spine.ledger.leaves import body_of, linked, moment
from spine.ledger.tree import Frontier
from tests.audit.flipped import flip
from tests.audit.ledgered import ORIGIN, SIGNER, VERIFIERS, Ledgered, ledgered_on

WITNESS = Signer(bytes(range(1, 33)))
KNOWN = [*VERIFIERS, WITNESS.verifier("council.example", COSIGNATURE)]


@pytest.fixture(scope="module")
def kept(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgered]:
    """Three runs of the archive, some of whose checkpoints are cosigned, and some decisions after the last."""
    with ledgered_on(module_database, tmp_path_factory.mktemp("kept")) as held:
        for count in (12, 9, 14):
            held.decide(count)
            held.operate(2)
            held.ledger.round()
            cosign(held)
            held.archived()
        held.decide(5)
        held.operate()
        held.ledger.round()
        yield held


def cosign(held: Ledgered) -> None:
    for tree, size, text in held.sql("SELECT tree, size, note FROM audit.checkpoint ORDER BY size DESC LIMIT 2"):
        note = SignedCheckpoint.parse(str(text))
        note = note.with_signature(WITNESS.cosign("council.example", note.checkpoint, 1_790_000_000))
        held.sql("UPDATE audit.checkpoint SET note = %s WHERE tree = %s AND size = %s", note.text, tree, size)


@pytest.fixture
def copy(kept: Ledgered, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept.archive.folder, tmp_path / "archive"))


def checked(folder: Path, *seen: Path, url: str = "") -> Found:
    if not url:
        return verify(Archive(folder), KNOWN, Found(), seen=seen)
    with psycopg.connect(url) as connection:
        return verify(Archive(folder), KNOWN, Found(), seen=seen, connection=connection)


def put(path: Path, body: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(body)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_nobody_touched_is_whole(kept: Ledgered) -> None:
    found = checked(kept.archive.folder, url=kept.url)
    assert not found.faults
    assert (found.leaves, found.records) == (35 + 9, 35)
    assert found.cosignatures > 0
    # The rows that are not archived yet are checked in the database.
    assert found.rows == 40 + int(kept.sql("SELECT count(*) FROM audit.operation")[0][0])  # type: ignore[call-overload]


def test_a_bit_flipped_anywhere_in_any_file_is_found_and_the_file_is_named(kept: Ledgered, copy: Path) -> None:
    chosen = random.Random(6)
    for path in files_of(copy):
        body = path.read_bytes()
        # All parts of the file: its head, its rows, its end.
        bits = {0, 7, len(body) * 8 - 1, *(chosen.randrange(len(body) * 8) for _ in range(8))}
        for bit in sorted(bits):
            put(path, flip(body, bit))
            faults = checked(copy).faults
            assert faults, (path.name, bit)
            assert path.relative_to(copy).as_posix() in {fault.file for fault in faults}, (path.name, bit)
        put(path, body)
    assert not checked(copy).faults


def test_a_bit_of_a_decision_names_its_leaf_and_its_place(copy: Path) -> None:
    path = min(copy.glob("decisions/*.avro"), key=lambda path: path.stat().st_size)
    body, name = path.read_bytes(), path.relative_to(copy).as_posix()
    rows = list(read_container(path))
    middle = rows[len(rows) // 2]
    row = decision_of(middle)
    for part in (middle["link"], middle["leaf_hash"], row.event_id.encode(), row.state_after.hex().encode()):
        begin = body.index(part)
        for bit in range(begin * 8, (begin + len(part)) * 8, 11):
            put(path, flip(body, bit))
            fault = checked(copy).faults[0]
            assert (fault.file, fault.tree, fault.leaf) == (name, "toy", middle["leaf"])
            assert fault.place == f"things/{row.partition}@{row.offset}"


def test_a_changed_record_is_named_by_its_place(copy: Path) -> None:
    path = sorted(copy.glob("segments/things-1-*.avro"))[1]
    rows, body = list(read_container(path)), path.read_bytes()
    put(path, flip(body, body.index(rows[2]["value"]) * 8 + 60))
    (fault,) = checked(copy).faults
    assert fault.file == f"segments/{path.name}"
    assert fault.place == f"things/1@{rows[2]['offset']}"


@pytest.mark.parametrize("kind", ["segments", "decisions", "operations"])
def test_a_file_that_was_taken_away_is_missed(copy: Path, kind: str) -> None:
    sorted((copy / kind).glob("*.avro"))[1].unlink()
    assert checked(copy).faults


def test_a_file_that_was_put_in_is_named(copy: Path) -> None:
    (copy / "segments" / "things-0-900-901.avro").write_bytes(b"x")
    (fault,) = checked(copy).faults
    assert fault.file == "segments/things-0-900-901.avro"


Rows = list[tuple[DecisionRow, datetime]]


def rows_in(path: Path) -> tuple[int, Rows]:
    held = list(read_container(path))
    return held[0]["leaf"], [(decision_of(row), moment(row["recorded_us"])) for row in held]


def rewritten(path: Path, first: int, rows: Rows) -> None:
    """The file with other rows, as somebody writes it who knows the format: leaf hashes and numbers fit."""
    about = about_of(path)
    path.unlink()
    write_container(path, DECISIONS, map(decision_row, itertools.count(first), rows), about)


def test_a_row_removed_in_the_middle_is_missed_at_its_place(copy: Path) -> None:
    _, _, path = Archive(copy).files("decisions", "toy")[1]
    first, rows = rows_in(path)
    gone = next(n for n in range(1, len(rows) - 1) if rows[n + 1][0].partition == rows[n][0].partition)
    rewritten(path, first, rows[:gone] + rows[gone + 1 :])
    fault = next(fault for fault in checked(copy).faults if fault.tree == "toy")
    assert (fault.file, fault.leaf) == (f"decisions/{path.name}", first + gone)
    assert f"the decision at offset {rows[gone][0].offset} is missing" in fault.what


def forged(copy: Path) -> Path:
    """One row changed, and every link, leaf and later row made to fit: only the tree can tell."""
    links: dict[int, bytes] = {}
    paths = [path for _, _, path in Archive(copy).files("decisions", "toy")]
    for path in paths:
        first, rows = rows_in(path)
        for n, (row, at) in enumerate(rows):
            changed = replace(row, note="forged" if row.offset == 2 else row.note)
            links[row.partition] = linked(links.get(row.partition, b""), body_of(changed))
            rows[n] = (replace(changed, link=links[row.partition]), at)
        rewritten(path, first, rows)
    return paths[0]


def test_a_forged_chain_does_not_lead_to_the_signed_root(copy: Path) -> None:
    path = forged(copy)
    fault = next(fault for fault in checked(copy).faults if fault.tree == "toy" and fault.leaf is not None)
    assert "not those under the checkpoint of 12" in fault.what
    assert any(f.file == f"decisions/{path.name}" for f in checked(copy).faults)


def test_against_the_database_the_forged_row_is_named_exactly(kept: Ledgered, copy: Path) -> None:
    for path in copy.glob("checkpoints/toy-*.note"):
        path.unlink()  # A forger who has no key takes the witnesses away.
    forged(copy)
    first, rows = rows_in(Archive(copy).files("decisions", "toy")[0][2])
    first += next(n for n, (row, _) in enumerate(rows) if row.note)
    assert any(
        fault.leaf == first and "not the archived one" in fault.what for fault in checked(copy, url=kept.url).faults
    )


def test_a_tree_cut_off_with_all_its_traces_is_found_by_a_checkpoint_seen_before(copy: Path, tmp_path: Path) -> None:
    archive = Archive(copy)
    seen = Path(shutil.copy(archive.checkpoints("toy")[-1][1], tmp_path / "seen.note"))
    last = archive.files("decisions", "toy")[-1]
    last[2].unlink()
    for size, path in archive.checkpoints("toy"):
        if size > last[0]:
            path.unlink()
    (fault,) = [fault for fault in checked(copy, seen).faults if fault.file == str(seen)]
    assert fault.leaf == last[0] and "cut off" in fault.what


def test_a_fork_signed_with_the_hub_s_own_key_is_found_by_a_checkpoint_seen_before(copy: Path, tmp_path: Path) -> None:
    archive = Archive(copy)
    seen = Path(shutil.copy(archive.checkpoints("toy")[-1][1], tmp_path / "seen.note"))
    forged(copy)
    resigned(archive, SIGNER)
    assert any(fault.file == str(seen) and "fork" in fault.what for fault in checked(copy, seen).faults)


def resigned(archive: Archive, signer: Signer) -> None:
    frontier = Frontier()
    sizes = dict(archive.checkpoints("toy"))
    for _, last, path in archive.files("decisions", "toy"):
        frontier.add(row["leaf_hash"] for row in read_container(path))
        put(sizes[last + 1], signer.sign(Checkpoint(f"{ORIGIN}/toy", last + 1, frontier.root())).text.encode())


def test_checkpoints_signed_anew_by_another_key_do_not_pass(copy: Path) -> None:
    forged(copy)
    resigned(Archive(copy), Signer(bytes(32)))
    faults = checked(copy).faults
    assert faults[0].file == "checkpoints/toy-12.note" and "not known" in faults[0].what


def row_changes(row: DecisionRow) -> Iterator[tuple[str, object]]:
    yield "event_id", row.event_id + "x"
    yield "input_hash", flip(row.input_hash, 0)
    yield "link", flip(row.link, 255)
    yield "note", "x"
    yield "build", "other"


def test_a_row_changed_in_the_database_is_named(kept: Ledgered) -> None:
    for leaf, (topic, partition, offset) in ((3, place_of(kept, 3)), (37, place_of(kept, 37))):
        where = 'WHERE topic = %s AND partition = %s AND "offset" = %s'
        row = next(
            r for r in kept.journal.decisions() if (r.topic, r.partition, r.offset) == (topic, partition, offset)
        )
        for column, value in row_changes(row):
            kept.sql(f"UPDATE toy.decision SET {column} = %s {where}", value, topic, partition, offset)
            faults = checked(kept.archive.folder, url=kept.url).faults
            assert [(f.tree, f.leaf, f.place) for f in faults[:1]] == [("toy", leaf, f"{topic}/{partition}@{offset}")]
            kept.sql(f"UPDATE toy.decision SET {column} = %s {where}", getattr(row, column), topic, partition, offset)
    assert not checked(kept.archive.folder, url=kept.url).faults


def place_of(kept: Ledgered, leaf: int) -> tuple[str, int, int]:
    query = "SELECT topic, partition, \"offset\" + %s - first FROM audit.run WHERE tree = 'toy' AND first <= %s"
    topic, partition, offset = kept.sql(f"{query} ORDER BY first DESC LIMIT 1", leaf, leaf)[0]
    return str(topic), int(partition), int(offset)  # type: ignore[call-overload]


def test_the_command_says_first_what_is_wrong_and_leaves_with_one(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{verifier}\n" for verifier in KNOWN))
    words = ["verify", "--archive", str(copy), "--keys", str(keys), "--offline", "--json"]
    report, last = tmp_path / "verify.json", tmp_path / "verify.json.progress"
    # As if it were killed at its end: what it said last stays.
    monkeypatch.setattr(UnderWay, "end", lambda far: far.write())
    whole = CliRunner().invoke(app, [*words, "--report", str(report)])
    assert (whole.exit_code, json.loads(whole.stdout)["whole"]) == (0, True)
    assert json.loads(report.read_text()) == json.loads(whole.stdout)
    far = json.loads(last.read_text())
    assert (far["step"], far["number"], far["of"]) == ("records", 2, 2)
    assert far["expected"] == json.loads(whole.stdout)["records"] > 0
    path = sorted(copy.glob("decisions/*.avro"))[0]
    put(path, flip(path.read_bytes(), path.stat().st_size * 4))
    bad = CliRunner().invoke(app, words)
    said = json.loads(bad.stdout)
    assert bad.exit_code == 1
    assert said["first"]["file"] == f"decisions/{path.name}"
    assert said["first"]["leaf"] is not None
