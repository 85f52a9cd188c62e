"""Suspending and resuming where files come in, and where the broker goes away in between."""

from __future__ import annotations

import csv
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from hub.heads import Move
from hub.running import RunningHub, running_hub
from spine.clock import now
from spine.errors import Retry
from spine.headed import read_policy
from tests.ingest.files.conftest import ENROLLED, LEFT, csv_text
from tests.ingest.test_processes import EFFECT_SECONDS_MAX, KEY, Machine, accepted, event, running

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def machine(tmp_path: Path, fresh_database: str) -> Iterator[Machine]:
    with running(tmp_path, fresh_database) as held:
        yield held


def rows_of(out: Path, name: str) -> list[tuple[str, str]] | None:
    """(row, code) of the feedback on a file; None until the file is dealt with."""
    if not list(out.glob(f"{name}.*.summary.json")):
        return None
    (path,) = out.glob(f"{name}.*.feedback.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [(line["Row"], line["Code"]) for line in csv.DictReader(stream)]


def test_the_files_door_stops_within_five_seconds_and_resuming_leaves_nothing_behind(
    machine: Machine, tmp_path: Path
) -> None:
    machine.environment |= {
        "HUB_FILES": str(tmp_path / "files"),
        "HUB_FILES_QUIET_SECONDS": "0.2",
        "HUB_FILES_ROUND_SECONDS": "0.2",
    }
    machine.hub("contracts", "release", "--by", "R. Osei")
    door, folder = machine.start("files"), tmp_path / "files" / "northvale-college"
    try:
        machine.wait_for(lambda: (folder / "in").exists())
        (folder / "in" / "NVC_ENROL_1.csv").write_text(csv_text([{**ENROLLED, "ULN": ""}]))
        machine.wait_for(lambda: rows_of(folder / "out", "NVC_ENROL_1.csv") is not None)
        machine.wait_for(lambda: len(machine.facts("observations")) >= 2)
        machine.hub("contracts", "suspend", "northvale-college", "--by", "R. Osei")
        time.sleep(EFFECT_SECONDS_MAX)
        (folder / "in" / "NVC_ENROL_2.csv").write_text(csv_text([{**LEFT, "ULN": ""}]))
        machine.wait_for(lambda: rows_of(folder / "out", "NVC_ENROL_2.csv") is not None)
        assert "party_suspended" in {code for _, code in rows_of(folder / "out", "NVC_ENROL_2.csv") or []}
        # Many more, and the resumption right behind them: ingest has not judged them when the command begins.
        client = httpx2.Client(base_url=machine.door, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
        for batch in range(5):
            client.post("/v1/events", json=[event(1_000 * batch + number) for number in range(100)])
        machine.hub("contracts", "resume", "northvale-college", "--by", "R. Osei")
        machine.hub("contracts", "resume", "northvale-college", "--by", "M. Pereira", "--approve")
        wanted = {f"nvc-{1_000 * batch + number}" for batch in range(5) for number in range(100)}
        machine.wait_for(lambda: accepted(machine, wanted))
        types = {str(fact.fields["type"]) for fact in machine.facts("observations")}
        assert "education.enrolment.withdrawn" in types
    finally:
        door.send_signal(signal.SIGTERM)
    assert door.wait(timeout=60) == 0


def test_a_move_that_could_not_be_sent_is_sent_by_the_next_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided in the journal while the broker was away; nobody else would send it."""
    for name, value in {**machine.environment, "HUB_REGISTRY": ""}.items():
        monkeypatch.setenv(name, value)
    machine.hub("contracts", "release", "--by", "R. Osei")
    with running_hub() as hub:
        cut = replace(hub.heads, log=cast(Any, Away()))
        with pytest.raises(Retry):
            cut.suspend(Move("suspended", "R. Osei", now(), "northvale-college"), content_of(hub))
        assert hub.heads.journal.outbox_size() > 0
    machine.hub("quarantine", "list")
    with running_hub() as hub:
        assert hub.heads.journal.outbox_size() == 0
    acts = [fact.fields["act"] for fact in machine.facts("submissions") if fact.kind == "policy.v1"]
    assert acts.count("suspended") == hub.log.partitions("submissions")


class Away:
    def partitions(self, topic: str) -> int:
        return {"submissions": 4, "statuses": 4}[topic]

    def append(self, records: object) -> None:
        raise Retry("broker: away")


def content_of(hub: RunningHub) -> Any:
    head = hub.heads.current()
    assert head is not None
    return json.loads(read_policy(hub.contracts, head.policy))
