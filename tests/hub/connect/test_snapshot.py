"""A snapshot gives everybody: who is no longer there is absent from the extract, never gone; one cut off is held."""

from __future__ import annotations

import pytest

from tests.hub.connect.conftest import MAPPING, Cases

SNAPSHOT = MAPPING.replace("shape: delta", "shape: snapshot")


@pytest.fixture
def everybody(one: Cases) -> Cases:
    """Twenty rows, taken."""
    one.mapping.write_text(SNAPSHOT)
    for number in range(20):
        one.leaver(f"P{number:02}")
    (first,) = one.agent()
    assert (first["taken"], first["absent"], first["held"]) == (20, 0, False)
    return one


def test_a_row_that_is_gone_from_a_snapshot_is_counted_and_nothing_follows(everybody: Cases) -> None:
    everybody.sql("DELETE FROM leavers WHERE ref = 'P07'")
    (told,) = everybody.agent()
    assert (told["rows"], told["absent"], told["due"], told["held"]) == (19, 1, 0, False)
    assert len(everybody.observed()) == 20, "no event says that somebody left"
    everybody.leaver("P07")
    (back,) = everybody.agent()
    assert (back["absent"], back["unchanged"], back["due"]) == (0, 20, 0), "who is back says nothing new"


def test_in_a_delta_nobody_is_absent(one: Cases) -> None:
    one.leaver("P1")
    one.agent()
    one.sql("DELETE FROM leavers")
    assert one.agent()[0]["absent"] == 0


def test_a_snapshot_that_shrank_by_more_than_the_agreement_lets_pass_is_held_and_sends_nothing(
    everybody: Cases,
) -> None:
    everybody.sql("DELETE FROM leavers WHERE ref < 'P03'")
    everybody.sql("UPDATE leavers SET why = '2'")
    assert everybody.agent("dry-run", code=1)[0]["held"], "the agreement lets a tenth pass; this is three twentieths"
    for _ in range(2):
        (told,) = everybody.agent(code=1)
        assert (told["held"], told["rows"], told["before"], told["absent"]) == (True, 17, 20, 3)
        assert told["due"] == told["taken"] == 0
    assert everybody.observed().count("work") == 0
    assert [extract["rows"] for extract in everybody.extracts()] == [20], "what is held did not come"


def test_the_agreement_says_how_much_may_be_lost(everybody: Cases) -> None:
    everybody.sql("DELETE FROM leavers WHERE ref < 'P02'")
    assert not everybody.agent()[0]["held"], "two of twenty are the tenth that the agreement lets pass"


def test_a_held_snapshot_passes_after_a_release_and_one_that_lost_more_since_does_not(everybody: Cases) -> None:
    everybody.sql("DELETE FROM leavers WHERE ref < 'P05'")
    everybody.agent(code=1)
    assert everybody.release() == {"held": [{"feed": "withdrawals", "before": 20, "held": 15}]}
    assert everybody.release("withdrawals") == {"released": "withdrawals"}
    everybody.release("withdrawals", code=1)
    everybody.sql("DELETE FROM leavers WHERE ref < 'P10'")
    assert everybody.agent(code=1)[0]["held"], "released were fifteen rows, and these are ten"
    everybody.release("withdrawals")
    (told,) = everybody.agent()
    assert (told["held"], told["rows"], told["absent"]) == (False, 10, 10)
    assert len(everybody.observed()) == 20


def test_a_snapshot_that_is_whole_again_passes_without_a_release(everybody: Cases) -> None:
    everybody.sql("DELETE FROM leavers WHERE ref < 'P05'")
    everybody.agent(code=1)
    for number in range(5):
        everybody.leaver(f"P{number:02}")
    assert not everybody.agent()[0]["held"]
    assert everybody.release() == {"held": []}


def test_the_hub_hears_how_much_was_read_as_it_does_of_a_file(everybody: Cases) -> None:
    everybody.leaver("P20")
    everybody.agent()
    (first, second) = sorted(everybody.extracts(), key=lambda extract: int(extract["rows"]))
    assert first == {"feed_source": "northvale-college", "shape": "snapshot", "rows": 20, "leaver_rows": 20}
    assert second["rows"] == 21
    assert not everybody.door.facts("refusals")


def test_a_release_without_a_state_file_is_wrong_usage(one: Cases) -> None:
    one.release(code=2)
    assert not (one.folder / "state").exists()
