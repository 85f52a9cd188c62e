"""The archive of a real broker's topic and of decisions that a real process made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.archive.reading import Archive
from hub.archive.writing import run
from hub.verify.checking import verify
from hub.verify.finding import Found
from spine.ledger.sequencer import Ledger
from spine.migrate import migrate_ledger
from tests.audit.ledgered import ORIGIN, SIGNER, VERIFIERS
from tests.spine.conftest import Toy, toy_on


@pytest.fixture
def toy(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> Iterator[Toy]:
    with toy_on(kafka_bootstrap, fresh_database, tmp_path) as held:
        yield held


@pytest.mark.kafka
def test_what_a_process_decided_on_a_real_topic_is_archived_and_holds(toy: Toy, tmp_path: Path) -> None:
    migrate_ledger(toy.url)
    toy.feed(range(60))
    toy.start()
    toy.settled(60)
    archive = Archive(tmp_path / "archive")
    written = run(archive, Ledger(toy.url, SIGNER, ORIGIN), toy.log, toy.catalogue, [toy.topic])
    assert (written.records, written.decisions) == (60, 60)
    for topic, partition in archive.places("toy"):
        end = toy.log.end((topic, partition))
        read = list(archive.records(topic, partition, 0, end - 1))
        assert read == list(toy.log.read({(topic, partition): 0}, end, 2000))
    assert not verify(archive, VERIFIERS, Found()).faults
