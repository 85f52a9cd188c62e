"""The test folder: through the whole hub, marked as a test, and forgotten by what counts."""

from __future__ import annotations

import json

from services.ingest.channels.files.folder import Folder
from services.ingest.channels.files.places import home_of, ledger_path
from tests.ingest.files.conftest import COLLEGE, ENROLLED, INCLUSION, LEFT, Drop, csv_text, nccis, registered


def trial(drop: Drop, party: str = COLLEGE) -> Folder:
    live = drop.folders[party]
    return Folder(drop.root, live.mapping, live.door, live.monotonic, test=True)


def look(drop: Drop, folder: Folder) -> int:
    folder.round()
    drop.ticking[0] += 61
    return folder.round()


def test_every_submission_of_a_test_folder_is_marked_and_none_of_the_live_one(drop: Drop) -> None:
    folder = trial(drop)
    (home_of(drop.root, COLLEGE, test=True) / "in" / "NVC_ENROL_1.csv").write_text(csv_text([ENROLLED, LEFT]), "utf-8")
    assert look(drop, folder) == 1
    assert [fact.fields["test"] for fact in drop.facts()] == [True, True, True], "two rows and the extract"
    drop.put(COLLEGE, "NVC_ENROL_2.csv", csv_text([LEFT]))
    drop.look(COLLEGE)
    assert [fact.fields["test"] for fact in drop.facts()].count(False) == 2


def test_what_was_tried_is_news_when_it_comes_in_earnest(drop: Drop) -> None:
    folder, content = trial(drop), csv_text([ENROLLED])
    (home_of(drop.root, COLLEGE, test=True) / "in" / "NVC_ENROL_1.csv").write_text(content, "utf-8")
    look(drop, folder)
    drop.put(COLLEGE, "NVC_ENROL_1.csv", content)
    drop.look(COLLEGE)
    assert drop.summary(COLLEGE)["state"] == "taken" and "seen_before" not in drop.summary(COLLEGE)
    ids = [event["id"] for event in drop.said()]
    assert len(ids) == 2 == len(set(ids)), "a test message and a live one are two"


def test_a_snapshot_that_was_tried_does_not_hold_the_real_one(drop: Drop) -> None:
    folder = trial(drop, INCLUSION)
    path = home_of(drop.root, INCLUSION, test=True) / "in" / "NCCIS_a.xml"
    path.write_bytes(nccis([registered(n) for n in range(50)]))
    path.with_name("NCCIS_a.xml.done").touch()
    assert folder.round() == 1
    drop.put(INCLUSION, "NCCIS_b.xml", nccis([registered(n) for n in range(5)]), done=True)
    drop.look(INCLUSION)
    summary = drop.summary(INCLUSION)
    assert (summary["state"], summary["events_accepted"], summary["rows_absent"]) == ("taken", 5, 0)


def test_answers_to_a_trial_lie_beside_it_and_say_so(drop: Drop) -> None:
    folder = trial(drop)
    home = home_of(drop.root, COLLEGE, test=True)
    (home / "in" / "NVC_ENROL_1.csv").write_text(csv_text([{**ENROLLED, "ULN": "7E+09"}]), "utf-8")
    look(drop, folder)
    (path,) = (home / "out").glob("*.summary.json")
    assert json.loads(path.read_text())["test"] is True
    assert list(drop.out(COLLEGE).iterdir()) == []
    assert ledger_path(drop.root, COLLEGE, test=True) != ledger_path(drop.root, COLLEGE)
