"""What a second file changes: nothing by itself. Absent from an extract is absent from an extract."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from services.ingest.channels.files.folder import Folder
from spine.errors import Retry
from tests.ingest.files.conftest import (
    COLLEGE,
    ENROLLED,
    HOUSING,
    HOUSING_HEADINGS,
    INCLUSION,
    LEFT,
    Drop,
    csv_text,
    nccis,
    registered,
)

CASE = {
    "Case No": "00012345",
    "Family name": "Testcase",
    "Stage": "Approach",
    "Stage date": "20-Nov-2025",
    "Circumstance": "Other",
}


def test_the_same_bytes_again_have_the_same_receipt_and_no_effect(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED]))
    drop.look(COLLEGE)
    first, receipt = len(drop.facts()), drop.summary(COLLEGE)["receipt"]
    for name in ("NVC_ENROL_1.csv", "NVC_ENROL_copy.csv"):
        path = drop.put(COLLEGE, name, csv_text([ENROLLED]))
        drop.look(COLLEGE)
        assert not path.exists() and len(drop.facts()) == first
        assert drop.summary(COLLEGE)["receipt"] == receipt


def test_the_same_statement_in_another_file_is_the_same_message(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED]))
    drop.look(COLLEGE)
    drop.put(COLLEGE, "NVC_ENROL_2.csv", csv_text([ENROLLED, LEFT]))
    drop.look(COLLEGE)
    enrolled = drop.said("education.enrolment.started")
    assert len(enrolled) == 2 and len({e["message_id"] for e in enrolled}) == 1 == len({e["id"] for e in enrolled})


def test_a_message_id_tells_nothing_of_the_person(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED]))
    drop.look(COLLEGE)
    (event,) = drop.said()
    assert str(event["message_id"]).startswith("file-")
    assert not any(v in str(event["message_id"]) for v in ("100881", "7000000014"))


def test_a_row_that_stands_twice_counts_once(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED, LEFT, ENROLLED]))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("4", "", "duplicate")]
    assert drop.feedback(COLLEGE)[0]["Weight"] == "note"
    assert (len(drop.said()), drop.summary(COLLEGE)["events_repeated"], drop.summary(COLLEGE)["rows_refused"]) == (
        2,
        1,
        0,
    )


def test_duplicates_are_seen_however_far_apart(drop: Drop) -> None:
    many = [{**ENROLLED, "Learner Ref": f"P{n:06}", "ULN": ""} for n in range(1_200)]
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([*many, many[0]]))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("1202", "", "duplicate")] and len(drop.said()) == 1_200


def test_a_second_row_under_one_id_with_other_content_is_refused(drop: Drop) -> None:
    rows = [CASE, {**CASE, "Circumstance": "Eviction"}, {**CASE, "Stage": "Relief"}]
    drop.put(HOUSING, "HOUSING-1.csv", csv_text(rows, HOUSING_HEADINGS, ";"), done=True)
    drop.look(HOUSING)
    assert drop.codes(HOUSING) == [("3", "", "contradiction")]
    assert [e["type"].rpartition(".")[2] for e in drop.said()] != [] and len(drop.said()) == 2


def test_an_interrupted_file_is_read_again_from_its_beginning_and_counts_once(drop: Drop) -> None:
    many = [{**ENROLLED, "Learner Ref": f"P{n:06}", "ULN": ""} for n in range(1_100)]
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text(many))
    drop.broken[0] = True
    with pytest.raises(Retry):
        drop.look(COLLEGE)
    assert path.exists() and list(drop.out(COLLEGE).iterdir()) == []
    drop.broken[0] = False
    assert drop.folders[COLLEGE].round() == 1
    assert not path.exists() and len({e["id"] for e in drop.said()}) == 1_100


def test_a_door_that_stops_breaks_a_large_file_off_and_the_next_one_gives_the_whole_answer(drop: Drop) -> None:
    many = [{**ENROLLED, "Learner Ref": f"P{n:06}", "ULN": ""} for n in range(1_100)]
    path, old, beats = drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text(many)), drop.folders[COLLEGE], count()

    def stopping() -> None:
        # Three chunks are looked through, the first of them is taken, then the door is to stop.
        if next(beats) == 4:
            raise Retry("stopping")

    torn = Folder(drop.root, old.mapping, replace(old.door, beat=stopping), old.monotonic)
    with pytest.raises(Retry, match="stopping"):
        torn.round()
        drop.ticking[0] += 61
        torn.round()
    assert path.exists() and len(drop.said()) == 500
    drop.look(COLLEGE)
    assert not path.exists() and drop.summary(COLLEGE)["events_accepted"] == 1_100
    assert len({e["id"] for e in drop.said()}) == 1_100


# Snapshots


def extract(drop: Drop, name: str, numbers: range, period: str = "2025-11-20", **more: str) -> None:
    drop.put(INCLUSION, f"NCCIS_{name}.xml", nccis([registered(n, **more) for n in numbers], period), done=True)
    drop.look(INCLUSION)


def test_a_record_missing_from_a_snapshot_is_counted_and_nothing_is_said_of_it(drop: Drop) -> None:
    extract(drop, "a", range(100))
    before = len(drop.said())
    extract(drop, "b", range(5, 100), "2025-11-21")
    summary = drop.summary(INCLUSION)
    assert (summary["rows_absent"], summary["rows_unchanged"], summary["events_accepted"]) == (5, 95, 0)
    assert len(drop.said()) == before, "neither a leaver nor anything else"


def test_what_a_snapshot_says_anew_is_sent_and_what_it_repeats_is_not(drop: Drop) -> None:
    extract(drop, "a", range(20))
    people = [registered(n, **({"Postcode": "NS9 9ZZ"} if n == 7 else {})) for n in range(21)]
    drop.put(INCLUSION, "NCCIS_b.xml", nccis(people, "2025-11-21"), done=True)
    drop.look(INCLUSION)
    new = [e["data"]["subject"]["source_ref"] for e in drop.said() if e["data"]["effective_on"] == "2025-11-21"]
    assert sorted(new) == ["YP00007", "YP00020"]


def test_a_record_that_was_refused_is_judged_again_in_the_next_snapshot(drop: Drop) -> None:
    extract(drop, "a", range(3), DOB="1970-01-01")
    assert drop.summary(INCLUSION)["rows_refused"] == 3
    extract(drop, "b", range(3), "2025-11-21", DOB="1970-01-01")
    assert (drop.summary(INCLUSION)["rows_refused"], drop.summary(INCLUSION)["rows_unchanged"]) == (3, 0)


def test_a_snapshot_that_shrinks_beyond_the_agreement_waits_until_it_is_released(drop: Drop) -> None:
    extract(drop, "a", range(100))
    before = len(drop.facts())
    extract(drop, "b", range(89), "2025-11-21")
    assert drop.summary(INCLUSION)["state"] == "held" and len(drop.facts()) == before
    path = drop.root / INCLUSION / "in" / "NCCIS_b.xml"
    assert path.exists() and drop.look(INCLUSION) == 0, "it is not read again and again"
    with drop.ledger(INCLUSION) as ledger:
        (held,) = ledger.files("held")
        assert ledger.release(held.digest) and not ledger.release(held.digest)
    assert drop.look(INCLUSION) == 1 and not path.exists()
    assert (drop.summary(INCLUSION)["state"], drop.summary(INCLUSION)["rows_absent"]) == ("taken", 11)


def test_a_snapshot_that_shrinks_as_far_as_the_agreement_lets_it_passes(drop: Drop) -> None:
    extract(drop, "a", range(100))
    extract(drop, "b", range(90), "2025-11-21")
    assert drop.summary(INCLUSION)["state"] == "taken"


def test_rows_that_stand_twice_do_not_hide_that_a_snapshot_shrank(drop: Drop) -> None:
    extract(drop, "a", range(100))
    people = [registered(n) for n in range(50)]
    drop.put(INCLUSION, "NCCIS_b.xml", nccis([*people, *people]), done=True)
    drop.look(INCLUSION)
    assert drop.summary(INCLUSION)["state"] == "held"


def test_each_row_is_counted_once_and_each_event_that_it_tells_once(drop: Drop) -> None:
    """A record of the careers database may tell two events: rows and events are never added up."""
    twice = b"<GuaranteeStatusIndicator>Y</GuaranteeStatusIndicator><GuaranteeStatusIndicator>"
    offer = {"SeptemberGuarantee/GuaranteeStatus": "OM", "SeptemberGuarantee/YearGroup": "11"}
    guaranteed = {"GuaranteeStatusIndicator": "Y", **offer}
    drop.put(INCLUSION, "NCCIS_1.xml", nccis([registered(1)]), done=True)
    drop.look(INCLUSION)
    half = nccis([registered(2)]).replace(b"<GuaranteeStatusIndicator>", twice)
    torn = half[half.index(b"<YoungPerson>") : half.index(b"</NCCIS>")]
    rest = [registered(1), registered(3, **guaranteed), registered(4, DOB="1960-01-01")]
    content = nccis(rest, period="2025-11-21").replace(b"</NCCIS>", torn + b"</NCCIS>")
    drop.put(INCLUSION, "NCCIS_2.xml", content, done=True)
    drop.look(INCLUSION)
    told = drop.summary(INCLUSION)
    rows = {name: count for name, count in told.items() if name.startswith("rows")}
    assert rows == {
        "rows": 4,
        "rows_accepted": 1,
        "rows_refused": 2,
        "rows_unchanged": 1,
        "rows_absent": 0,
        "rows_leaving": 0,
    }
    assert (told["events_accepted"], told["events_refused"], told["events_repeated"]) == (3, 1, 0)
