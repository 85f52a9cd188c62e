"""The files door judges by the head that ingest has seen: a suspension stops its rows, and resuming lets them pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hub.sharing import ensure_built
from services.ingest.agent import Gates
from services.ingest.channels.live import LOOK_SECONDS, LiveGate
from spine.headed import Head, encode_head, head_key
from spine.journal import MemoryJournal
from spine.record import Changes
from spine.schema import Catalogue
from tests.ingest.files.conftest import COLLEGE, CONTRACTS, ENROLLED, LEFT, Drop, csv_text


class Following:
    """A drop folder whose door follows heads in the journal of ingest."""

    def __init__(self, drop: Drop, catalogue: Catalogue) -> None:
        self.drop, self.journal, self.policy = drop, MemoryJournal(), ensure_built(CONTRACTS)
        gate = LiveGate(self.journal, Gates(catalogue, CONTRACTS), lambda: drop.ticking[0])
        for folder in drop.folders.values():
            folder.door = replace(folder.door, gate=gate)

    def move(self, number: int, *agreements: str) -> None:
        """ingest has seen this head in one of its partitions."""
        place = ("submissions", 1)
        with self.journal.transaction() as transaction:
            transaction.save(
                place, Changes({head_key(place): (encode_head(Head(number, self.policy, agreements)), None)})
            )
        self.drop.ticking[0] += LOOK_SECONDS

    def deliver(self, name: str, *rows: dict[str, str]) -> None:
        self.drop.put(COLLEGE, name, csv_text(rows))
        self.drop.look(COLLEGE)


@pytest.fixture
def following(drop: Drop, catalogue: Catalogue) -> Following:
    return Following(drop, catalogue)


def test_rows_that_come_after_a_suspension_are_refused_and_wait_sealed(following: Following) -> None:
    drop = following.drop
    following.move(1)
    following.deliver("NVC_ENROL_1.csv", ENROLLED)
    assert drop.summary(COLLEGE)["events_accepted"] == 1
    following.move(2, "isa-2024-011")
    following.deliver("NVC_ENROL_2.csv", LEFT)
    summary = drop.summary(COLLEGE)
    assert (summary["events_accepted"], summary["rows_refused"]) == (0, 1)
    assert {code for _, _, code in drop.codes(COLLEGE)} == {"agreement_suspended"}
    # The original goes to the log all the same, sealed: ingest refuses it there, and it waits for the resumption.
    assert [event["type"] for event in drop.said("education.enrolment.withdrawn")] == ["education.enrolment.withdrawn"]


def test_a_row_refused_while_suspended_is_a_new_submission_once_the_agreement_is_resumed(following: Following) -> None:
    drop = following.drop
    following.move(1, "isa-2024-011")
    following.deliver("NVC_ENROL_1.csv", LEFT)
    following.move(2)
    following.deliver("NVC_ENROL_2.csv", LEFT, ENROLLED)
    assert drop.summary(COLLEGE)["events_accepted"] == 2
    ids = [event["id"] for event in drop.said("education.enrolment.withdrawn")]
    # Under the id of the refused one ingest would take it for a repetition, and nothing would come of it.
    assert len(ids) == len(set(ids)) == 2


def test_without_any_policy_a_file_waits_where_it_lies(drop: Drop, catalogue: Catalogue, tmp_path: Path) -> None:
    from spine.errors import Retry

    gate = LiveGate(MemoryJournal(), Gates(catalogue, tmp_path / "nothing"), lambda: drop.ticking[0])
    folder = drop.folders[COLLEGE]
    folder.door = replace(folder.door, gate=gate)
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED]))
    with pytest.raises(Retry):
        drop.look(COLLEGE)
    assert path.exists() and not drop.facts()
