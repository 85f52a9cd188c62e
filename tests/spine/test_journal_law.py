"""One law for every journal: memory and PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from spine.errors import Retry
from spine.journal import DecisionRow, Journal, MemoryJournal, Position
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.record import Changes, Outgoing

A, B = ("things", 0), ("things", 1)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def journal(request: pytest.FixtureRequest) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    url = request.getfixturevalue("fresh_database")
    migrate(url, "toy")
    held = PostgresJournal(url, "toy")
    yield held
    held.close()


def out(event_id: str, key: str = "k", partition: int | None = None) -> Outgoing:
    return Outgoing(0, event_id, "effects", key, "toy.v1", b"\x00body", (("ce_id", b"\xff"),), partition)


def row(offset: int) -> DecisionRow:
    effects = (("e1", b"\x01" * 32), ("e2", b"\x02" * 32))
    hashes = (b"\x00in", b"", b"after")
    return DecisionRow(
        "things", 0, offset, f"id-{offset}", "toy.v1", *hashes, effects, "b1", "s1", date(2026, 9, 1), "", b"link"
    )


def test_all_that_a_transaction_wrote_is_there_after_it(journal: Journal) -> None:
    with journal.transaction() as t:
        assert t.offsets([A]) == {}
        t.save(A, Changes({"x": (b"1", date(2026, 9, 2)), "y": (b"2", None)}))
        t.remember(["id-0"])
        t.enqueue([out("e1"), out("e2", partition=1)])
        t.record([row(0)])
        t.set_offsets({A: Position(1, b"l", date(2026, 9, 1))})
    with journal.transaction() as t:
        assert t.offsets([A, B]) == {A: Position(1, b"l", date(2026, 9, 1))}
        assert t.load(["x", "y", "z"]) == {"x": b"1", "y": b"2"}
        assert t.load([]) == {}
        assert t.seen(["id-0", "id-1"]) == {"id-0"}
    assert journal.positions("things") == {A: Position(1, b"l", date(2026, 9, 1))}
    assert journal.positions("other") == {}
    first, second = journal.unsent(10)
    assert (first.event_id, first.body, first.headers, first.partition) == (
        "e1",
        b"\x00body",
        (("ce_id", b"\xff"),),
        None,
    )
    assert (second.event_id, second.partition) == ("e2", 1)
    decisions = journal.decisions if isinstance(journal, MemoryJournal) else list(journal.decisions())  # type: ignore
    assert list(decisions) == [row(0)]


def test_a_transaction_reads_what_it_saved_itself_and_nobody_else_does_if_it_fails(journal: Journal) -> None:
    with journal.transaction() as t:
        t.save(A, Changes({"w": (b"1", date(2026, 9, 1)), "x": (b"1", date(2026, 9, 1)), "y": (b"1", None)}))
    with pytest.raises(ZeroDivisionError), journal.transaction() as t:
        t.save(A, Changes({"x": (b"2", None), "y": (b"2", date(2026, 9, 2)), "z": (b"2", date(2026, 9, 2))}, {"w"}))
        assert t.load(["w", "x", "y", "z"]) == {"x": b"2", "y": b"2", "z": b"2"}
        assert list(t.due(A, date(2026, 9, 3))) == ["y", "z"]
        assert list(t.load_partition(A)) == [("x", b"2"), ("y", b"2"), ("z", b"2")]
        raise ZeroDivisionError
    with journal.transaction() as t:
        assert t.load(["w", "x", "y", "z"]) == {"w": b"1", "x": b"1", "y": b"1"}
        assert list(t.due(A, date(2026, 9, 3))) == ["w", "x"]


def test_nothing_is_there_when_a_transaction_failed(journal: Journal) -> None:
    with pytest.raises(ZeroDivisionError), journal.transaction() as t:
        t.offsets([A])
        t.save(A, Changes({"x": (b"1", None)}))
        t.remember(["id-0"])
        t.enqueue([out("e1")])
        t.record([row(0)])
        t.set_offsets({A: Position(1)})
        raise ZeroDivisionError
    with journal.transaction() as t:
        assert (t.offsets([A]), t.load(["x"]), t.seen(["id-0"])) == ({}, {}, set())
    assert (journal.positions("things"), list(journal.unsent(10))) == ({}, [])


def test_a_state_is_replaced_and_deleted(journal: Journal) -> None:
    for body in (b"1", b"2"):
        with journal.transaction() as t:
            t.save(A, Changes({"x": (body, None)}))
    with journal.transaction() as t:
        assert t.load(["x"]) == {"x": b"2"}
        t.save(A, Changes(deleted={"x"}))
    with journal.transaction() as t:
        assert t.load(["x"]) == {}


def test_the_keys_due_are_those_of_the_place_and_not_later(journal: Journal) -> None:
    with journal.transaction() as t:
        t.save(A, Changes({"b": (b"", date(2026, 9, 2)), "a": (b"", date(2026, 9, 1)), "n": (b"", None)}))
        t.save(A, Changes({"late": (b"", date(2026, 9, 3))}))
        t.save(B, Changes({"other": (b"", date(2026, 9, 1))}))
    with journal.transaction() as t:
        assert list(t.due(A, date(2026, 9, 2))) == ["a", "b"]
        assert list(t.load_partition(A)) == [("a", b""), ("b", b""), ("late", b""), ("n", b"")]
        assert list(t.load_partition(A, before="late")) == [("a", b""), ("b", b"")]


def test_unsent_rows_come_lowest_number_first_whatever_was_marked_before(journal: Journal) -> None:
    with journal.transaction() as t:
        t.enqueue([out(f"e{n}") for n in range(5)])
    rows = journal.unsent(10)
    journal.mark_sent([rows[3].number, rows[0].number])
    assert [r.event_id for r in journal.unsent(2)] == ["e1", "e2"]
    assert [r.event_id for r in journal.unsent(10)] == ["e1", "e2", "e4"]


def test_a_place_has_one_owner_until_the_transaction_ends(journal: Journal) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with journal.transaction() as t:
            t.offsets([A])
            inside.set()
            time.sleep(0.2)
            order.append("first")
            t.set_offsets({A: Position(7)})

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    with journal.transaction() as t:
        held = t.offsets([B, A])
        order.append("second")
    thread.join()
    assert order == ["first", "second"] and held[A].next == 7


@pytest.mark.postgres
def test_only_one_publisher_holds_the_place(fresh_database: str) -> None:
    migrate(fresh_database, "toy")
    one, two = PostgresJournal(fresh_database, "toy"), PostgresJournal(fresh_database, "toy")
    with one.publishing() as mine, two.publishing() as other:
        assert mine and not other
    with two.publishing() as mine:
        assert mine
    one.close()
    two.close()


@pytest.mark.postgres
def test_services_that_start_at_once_migrate_once(fresh_database: str) -> None:
    threads = [threading.Thread(target=migrate, args=(fresh_database, name)) for name in ("a", "a", "b", "a")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    migrate(fresh_database, "a")
    for name in ("a", "b"):
        journal = PostgresJournal(fresh_database, name)
        assert journal.positions("things") == {}
        journal.close()


STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "toy_0001", "journal_0001", None, None

def upgrade() -> None:
    op.add_column("state", sa.Column("more", sa.Text))
"""


@pytest.mark.postgres
def test_a_migration_that_waits_for_a_table_in_use_gives_up_soon_and_is_tried_again(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spine.migrate.LOCK_MS", 100)
    migrate(fresh_database, "toy")
    step = tmp_path / "toy" / "migrations" / "versions" / "toy_0001.py"
    step.parent.mkdir(parents=True)
    step.write_text(STEP)
    with psycopg.connect(fresh_database) as reader:
        reader.execute("SELECT count(*) FROM toy.state")
        with pytest.raises(Retry, match="LockNotAvailable"):
            migrate(fresh_database, "toy", tmp_path)
    migrate(fresh_database, "toy", tmp_path)
    with psycopg.connect(fresh_database) as reader:
        assert reader.execute("SELECT count(more) FROM toy.state").fetchone() == (0,)


@pytest.mark.postgres
def test_a_lost_connection_a_lock_timeout_and_the_same_id_elsewhere_mean_retry(fresh_database: str) -> None:
    migrate(fresh_database, "toy")
    journal = PostgresJournal(fresh_database, "toy")
    with pytest.raises(Retry, match="database"), journal.transaction() as t:
        t.offsets([A])
        pid = t._cursor.connection.info.backend_pid
        with psycopg.connect(fresh_database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        t.load(["x"])
    with journal.transaction() as t:
        t.offsets([A])
        with pytest.raises(Retry, match="LockNotAvailable"), journal.transaction() as second:
            second._cursor.execute("SET LOCAL lock_timeout = 50")
            second.offsets([A])
        t.remember(["id-0"])
    with pytest.raises(Retry, match="another partition"), journal.transaction() as t:
        t.remember(["id-0"])
    journal.close()


@pytest.mark.postgres
def test_a_worker_stopped_inside_its_transaction_does_not_block_its_successor(fresh_database: str) -> None:
    migrate(fresh_database, "toy")
    journal = PostgresJournal(fresh_database, "toy")
    with pytest.raises(Retry), journal.transaction() as zombie:
        zombie.offsets([A])
        zombie._cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 100")
        with journal.transaction() as successor:
            successor.offsets([A])
            successor.set_offsets({A: Position(3)})
        zombie.set_offsets({A: Position(1)})
    assert journal.positions("things") == {A: Position(3)}
    journal.close()
