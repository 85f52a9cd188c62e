"""Matching on a real PostgreSQL: the same decisions as in memory, also after a restart and a batch that failed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa
from hub_of_matching import CATALOGUE, Matching, fresh_processor
from test_agent import feed, rows_of, told

from services.matching.rows import STORED
from spine.errors import Retry
from spine.migrate import migrate
from spine.postgres import PostgresJournal, PostgresTransaction
from spine.record import Record
from spine.step import Limits, SetAside, step


@pytest.mark.postgres
def test_rows_in_postgresql_carry_matching_through_restarts(fresh_database: str) -> None:
    steady = Matching()
    feed(steady)
    steady.run()
    migrate(fresh_database, "matching")
    journal = PostgresJournal(fresh_database, "matching")
    hub = Matching(fresh_processor(), journal)
    feed(hub)
    try:
        while hub.run_once(40):
            hub.processor = fresh_processor()
        assert told(hub) == told(steady)
        with journal.transaction() as transaction:
            rows = dict(transaction.load_partition(("observations", 0)))
        keys = list(rows)
        # What an index is built from comes before the stored observations, so that loading can stop there.
        assert keys == sorted(keys)
        assert keys[-1][0] == STORED
        kept = {k: body for k, (_, body, _) in steady.journal.store.states.items() if k[0] not in "v"}
        assert {k: bytes(body) for k, body in rows.items() if k[0] not in "v"} == kept
    finally:
        journal.close()


class MortalJournal(PostgresJournal):
    """Every third transaction or so, the database takes the worker for dead when all is written and not committed."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url, "matching")
        self.random = random.Random(seed)

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        with super().transaction() as held:
            yield held
            if self.random.random() < 0.3:
                with self.engine.connect() as other:
                    pid = held.connection.scalar(sa.text("SELECT pg_backend_pid()"))
                    other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def own(url: str, records: list[Record]) -> int:
    """Own a partition to its end, as workers do that die and are replaced; returns how many died."""
    journal, worker, aside = MortalJournal(url, records[0].partition), fresh_processor(), SetAside(Limits())
    deaths = done = 0
    try:
        while done < len(records):
            try:
                step(records[done : done + 20], worker, journal, CATALOGUE, aside)
                done += 20
            except Retry:
                deaths += 1
                if deaths % 2:
                    worker, aside = fresh_processor(), SetAside(Limits())
        return deaths
    finally:
        journal.close()


@pytest.mark.postgres
def test_workers_that_die_leave_no_half_person_and_touch_no_other_partition(fresh_database: str) -> None:
    steady = {0: Matching(), 1: Matching()}
    feed(steady[0], 40)
    feed(steady[1], 40, seed=4, authority="eastmarsh")
    given: list[list[Record]] = []
    for number, hub in steady.items():
        records = hub.log.read({("observations", 0): 0}, 1_000_000, 0)
        given.append([replace(record, partition=number) for record in records])
        hub.run(20)
    migrate(fresh_database, "matching")
    with ThreadPoolExecutor(2) as both:
        deaths = list(both.map(partial(own, fresh_database), given))
    assert min(deaths) > 2
    journal = PostgresJournal(fresh_database, "matching")
    try:
        decisions = list(journal.decisions("observations"))
        for number, hub in steady.items():
            mine = [row for row in decisions if row.partition == number]
            assert [(r.event_id, r.state_before, r.state_after, r.effects) for r in mine] == [
                (r.event_id, r.state_before, r.state_after, r.effects) for r in hub.journal.decisions
            ]
            with journal.transaction() as transaction:
                kept = {key: bytes(body) for key, body in transaction.load_partition(("observations", number))}
            assert {k: b for k, b in kept.items() if k[0] != "v"} == {
                k: b for k, b in rows_of(hub).items() if k[0] != "v"
            }
    finally:
        journal.close()
