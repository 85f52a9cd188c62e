"""Matching on a real PostgreSQL: the same decisions as in memory, also after a restart and a batch that failed."""

from __future__ import annotations

import pytest
from hub_of_matching import Matching, fresh_processor
from test_agent import feed, told

from services.matching.rows import STORED
from spine.migrate import migrate
from spine.postgres import PostgresJournal


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
