"""What was decided stands in the tree once, in order, and in the archive as it stood on the log and in the database."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence

import psycopg
import pytest

from hub.archive import command, writing
from hub.archive.reading import NotArchived
from hub.archive.writing import LOCK, Written
from spine.errors import Halt, Retry
from spine.ledger import operations
from spine.ledger.checkpoint import SignedCheckpoint
from spine.ledger.leaves import decision_leaf
from spine.ledger.tree import leaf_hash, verify_consistency, verify_inclusion
from spine.log import Place
from spine.record import Record
from tests.audit.ledgered import AT, VERIFIERS, Ledgered


class Body(bytes):
    """Seen by the collector, as plain bytes are not."""


def test_every_decision_becomes_one_leaf_and_is_proved_under_a_signed_checkpoint(ledgered: Ledgered) -> None:
    for count in (5, 1, 30):
        ledgered.decide(count)
        ledgered.operate()
        ledgered.archived()
    archive, service = ledgered.archive, "toy"
    assert archive.places(service) == [("things", 0), ("things", 1)]
    leaves = {}
    for place in archive.places(service):
        rows = list(archive.decisions(service, place))
        assert [row for _, row, _ in rows] == [row for row in ledgered.journal.decisions() if row.partition == place[1]]
        leaves |= {number: leaf_hash(decision_leaf(row, at)) for number, row, at in rows}
    assert sorted(leaves) == list(range(36))
    for number, leaf in leaves.items():
        proof = archive.proof(service, number)
        note = SignedCheckpoint.parse(proof.note)
        note.verify(VERIFIERS)
        assert proof.leaf_hash == leaf
        verify_inclusion(leaf, number, proof.size, proof.path, note.checkpoint.root)
    with pytest.raises(NotArchived):
        archive.proof(service, 36)


def test_each_checkpoint_grew_out_of_the_one_before(ledgered: Ledgered) -> None:
    for _ in range(4):
        ledgered.decide(7)
        ledgered.archived()
    notes = [SignedCheckpoint.parse(path.read_text()).checkpoint for _, path in ledgered.archive.checkpoints("toy")]
    assert [note.size for note in notes] == [7, 14, 21, 28]
    tree = ledgered.archive.tree("toy")
    for old, new in itertools.pairwise(notes):
        verify_consistency(old.size, old.root, new.size, new.root, tree.consistency(old.size, new.size))


def test_the_records_come_back_as_they_stood_on_the_log(ledgered: Ledgered) -> None:
    for _ in range(3):
        ledgered.decide(10)
        ledgered.archived()
    for place in (("things", 0), ("things", 1)):
        on_log = ledgered.log.read({place: 0}, 1000)
        last = len(on_log) - 1
        assert list(ledgered.archive.records(*place, 0, last)) == on_log
        assert list(ledgered.archive.records(*place, 3, last - 2)) == on_log[3:-2]
        with pytest.raises(NotArchived, match=f"things/{place[1]}@{last + 1} "):
            list(ledgered.archive.records(*place, 0, last + 1))
    read = ledgered.archive.catalogue()
    for record in ledgered.log.read({("things", 0): 0}, 1000):
        assert read.sealed_fact(record) == ledgered.catalogue.sealed_fact(record)


def test_of_two_runs_at_once_the_second_waits_and_not_for_ever(
    ledgered: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOCK_SECONDS_MAX", 1)
    ledgered.decide(3)
    with psycopg.connect(ledgered.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        with pytest.raises(Retry, match="another run"):
            ledgered.archived()
    assert ledgered.archived().records == 3


@pytest.mark.parametrize("ends", ["asked", "halted"])
def test_the_process_archives_again_and_again_and_soon_after_a_server_was_away(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without servers. ``every`` is an hour: what is awaited here comes sooner, or not at all."""
    monkeypatch.setattr(command, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(command, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr("spine.service.setup", lambda name: None)
    monkeypatch.setattr("spine.service.on_signals", lambda stop, seconds: None)
    stop, went = threading.Event(), list[str]()

    def once(alive: Callable[[], object]) -> Written:
        alive()
        went.append("run")
        if len(went) < 3:
            raise Retry("the broker is away")
        if ends == "halted":
            raise Halt("records are lost")
        stop.set()
        return Written(records=7)

    if ends == "halted":
        with pytest.raises(Halt):
            command.keep_archiving(once, 3600, stop)
    else:
        command.keep_archiving(once, 3600, stop)
    assert len(went) == 3


def test_a_run_with_nothing_new_writes_no_file(ledgered: Ledgered) -> None:
    ledgered.decide(10)
    ledgered.archived()
    before = sorted(path for path in ledgered.archive.folder.rglob("*"))
    again = ledgered.archived()
    assert sorted(path for path in ledgered.archive.folder.rglob("*")) == before
    assert again.records == again.decisions == again.operations == 0


def test_files_are_read_only_and_none_is_half_written(ledgered: Ledgered) -> None:
    ledgered.decide(10)
    ledgered.archived()
    files = [path for path in ledgered.archive.folder.rglob("*") if path.is_file()]
    assert files and all(path.stat().st_mode & 0o777 == 0o440 for path in files)
    assert not [path for path in files if path.name.endswith(".new")]


def test_an_operation_is_numbered_in_its_caller_s_transaction_and_leaves_no_hole(ledgered: Ledgered) -> None:
    with psycopg.connect(ledgered.url) as connection:
        assert operations.record(connection, "erasure", {"subject_ref": "a/1"}, AT) == 0
        connection.rollback()
    assert operations.record(ledgered.url, "erasure", {"subject_ref": "a/2"}, AT) == 0
    assert operations.record(ledgered.url, "replay", {"from": 1}, AT) == 1
    with pytest.raises(ValueError, match="no kind of operation 'party'"):
        operations.record(ledgered.url, "party", {}, AT)
    with pytest.raises(TypeError):
        operations.record(ledgered.url, "replay", {"share": 0.5}, AT)


def test_an_operation_can_be_neither_changed_nor_taken_away(ledgered: Ledgered) -> None:
    ledgered.operate()
    for change in ("UPDATE audit.operation SET kind = 'x'", "DELETE FROM audit.operation", "TRUNCATE audit.operation"):
        with pytest.raises(psycopg.errors.RaiseException, match="only grows"):
            ledgered.sql(change)


def test_a_row_that_is_gone_before_it_became_a_leaf_halts_the_ledger(ledgered: Ledgered) -> None:
    ledgered.decide(10)
    ledgered.ledger.round()
    ledgered.decide(10)
    (offset,) = ledgered.sql('SELECT max("offset") - 1 FROM toy.decision WHERE partition = 0')[0]
    ledgered.sql('DELETE FROM toy.decision WHERE partition = 0 AND "offset" = %s', offset)
    with pytest.raises(Halt, match=f"the decision of toy at things/0@{offset} is gone"):
        ledgered.ledger.round()
    assert ledgered.sql("SELECT problem FROM audit.beat")[0][0].startswith("the decision of toy")


def test_a_log_that_lost_what_was_not_archived_halts_the_writer(ledgered: Ledgered) -> None:
    ledgered.decide(10)
    ledgered.archived()
    ledgered.log.start = lambda place: 40  # type: ignore[method-assign]
    with pytest.raises(Halt, match="records are lost"):
        ledgered.archived()


def test_a_segment_is_written_as_it_is_read_and_never_stands_in_memory(
    ledgered: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "READ_MAX", 100)
    read, most = 0, 0
    on_log = ledgered.log.read_stamped

    def read_stamped(positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[tuple[Record, int]]:
        """A body of its own for each record, as from a broker; and how many of them are held when more are asked."""
        nonlocal read, most
        found = [
            (Record(one.topic, one.partition, one.offset, one.key, Body(one.value)), at)
            for one, at in on_log(positions, limit, wait_ms)
        ]
        most = max(most, sum(type(body) is Body for body in gc.get_objects()))
        read += len(found)
        return found

    monkeypatch.setattr(ledgered.log, "read_stamped", read_stamped)
    ledgered.decide(4_000)
    done = ledgered.archived()
    assert (read, done.records, done.segments) == (4_000, 4_000, 2)
    assert most <= 300, "one reading that is written, one that comes, and what a block holds"
