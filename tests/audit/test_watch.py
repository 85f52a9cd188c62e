"""Promise 8: while no checkpoint can be made the doors take nothing more, and say why."""

from __future__ import annotations

import time

import pytest

from services.ingest.channels.answers import Problem
from services.ingest.channels.appender import Appender
from services.ingest.channels.http import _guarded
from spine.errors import Halt
from spine.ledger.watch import NoCheckpoint, Watch, WatchedLog
from spine.log import MemoryLog
from spine.telemetry import metrics
from tests.audit.ledgered import Ledgered
from tests.spine.toy import counts, toy_catalogue

HOUR = 3600.0


class Hands:
    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def test_the_doors_take_records_while_rounds_are_made_and_stop_four_hours_after_the_last(ledgered: Ledgered) -> None:
    hands = Hands()
    watch = Watch(ledgered.url, 4, hands)
    for _ in range(3):
        ledgered.ledger.round()
        watch.check()
        hands.at += 3.9 * HOUR
    watch.check()
    ledgered.sql("UPDATE audit.beat SET made_at = made_at - interval '4 hours 1 minute'")
    hands.at += 60
    with pytest.raises(NoCheckpoint, match=r"no checkpoint of the ledger for 4.0 hours: the process"):
        watch.check()
    ledgered.ledger.round()
    hands.at += 60
    watch.check()
    made = metrics().registry.get_sample_value("hub_ledger_checkpoint_timestamp_seconds") or 0
    assert 0 <= time.time() - made < 60


def test_the_reason_is_the_ledger_s_own(ledgered: Ledgered) -> None:
    ledgered.decide(10)
    ledgered.ledger.round()
    ledgered.decide(10)
    ledgered.sql('DELETE FROM toy.decision WHERE partition = 0 AND "offset" > 3')
    with pytest.raises(Halt):
        ledgered.ledger.round()
        ledgered.decide(10)
        ledgered.ledger.round()
    ledgered.sql("UPDATE audit.beat SET made_at = made_at - interval '5 hours'")
    with pytest.raises(NoCheckpoint, match=r"5.0 hours: the decision of toy at things/0@"):
        Watch(ledgered.url).check()


def test_a_database_that_does_not_answer_counts_from_when_it_last_did() -> None:
    hands = Hands()
    watch = Watch("postgresql://nobody@127.0.0.1:1/none", 4, hands)
    watch.check()
    hands.at += 3.9 * HOUR
    watch.check()
    hands.at += 0.2 * HOUR
    with pytest.raises(NoCheckpoint, match="the database does not answer"):
        watch.check()


def test_a_hub_whose_ledger_never_ran_stops_four_hours_after_its_door_began(fresh_database: str) -> None:
    hands = Hands()
    watch = Watch(fresh_database, 4, hands)
    watch.check()
    hands.at += 4.1 * HOUR
    with pytest.raises(NoCheckpoint, match="is its process running"):
        watch.check()


def test_nothing_is_appended_and_the_partner_gets_a_503_with_the_reason() -> None:
    hands, catalogue = Hands(), toy_catalogue()
    log = MemoryLog({"things": 1}, catalogue.frame)
    watch = Watch("postgresql://nobody@127.0.0.1:1/none", 4, hands)
    watch.check()
    hands.at += 5 * HOUR
    appender = Appender(WatchedLog(log, watch))

    def take(call: object) -> None:
        appender.append(counts(catalogue, "things", range(3)))

    answer = _guarded(take, None)  # type: ignore[arg-type]
    appender.close()
    assert answer.status_code == 503
    assert b"no checkpoint of the ledger for 5.0 hours: the database does not answer" in answer.body
    assert answer.headers["retry-after"] == "60"
    assert Problem("no_checkpoint").status == 503
    assert log.end(("things", 0)) == 0
