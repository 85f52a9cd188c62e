"""A leaf is the canonical form of everything that the database keeps of a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from spine.canonical import canonical
from spine.journal import DecisionRow
from spine.ledger.leaves import body_of, decision_leaf, linked, microseconds, moment
from spine.step import link_after

AT = datetime(2026, 11, 26, 12, 0, 0, 123457, tzinfo=UTC)
ROW = DecisionRow(
    *("statuses", 3, 17, "e1", "status.v1", b"\1" * 32, b"", b"\2" * 32, (("x", b"\3" * 32), ("y", b"\4" * 32))),
    *("build", "settings", date(2026, 11, 26), "", b"\5" * 32),
)


def test_the_leaf_is_the_canonical_form_of_the_row_its_link_and_its_time() -> None:
    fields = [getattr(ROW, name) for name in DecisionRow.__slots__]
    assert decision_leaf(ROW, AT) == canonical([*fields, microseconds(AT)])
    assert decision_leaf(replace(ROW, tick=None), AT) == canonical(
        [*(None if name == "tick" else getattr(ROW, name) for name in DecisionRow.__slots__), microseconds(AT)]
    )


def test_every_column_makes_another_leaf() -> None:
    changed = [replace(ROW, **{name: None}) for name in ("tick",)]
    changed += [replace(ROW, **{n: getattr(ROW, n) + "x"}) for n in ("topic", "event_id", "kind", "note", "build")]
    changed += [replace(ROW, **{n: getattr(ROW, n) + b"x"}) for n in ("input_hash", "state_before", "link")]
    changed += [replace(ROW, effects=ROW.effects[::-1]), replace(ROW, offset=18), replace(ROW, partition=4)]
    leaves = {decision_leaf(row, AT) for row in (ROW, *changed)} | {decision_leaf(ROW, AT + timedelta(microseconds=1))}
    assert len(leaves) == len(changed) + 2


def test_the_link_is_the_journal_s() -> None:
    assert linked(b"before", body_of(ROW)) == link_after(b"before", ROW)


def test_a_time_comes_back_to_the_microsecond() -> None:
    assert moment(microseconds(AT)) == AT
