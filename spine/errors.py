"""Exceptions mean that the world is broken. There are three, and each says what the loop does:

    SpineError
    ├── Retry     slow down and try the same batch again (database away, lock timeout, disk full)
    ├── Poison    set this one record aside; the partition moves on
    └── Halt      stop; an operator must look (a gap in the log, too many records set aside)

A business "no" is never an exception: it is an effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spine.record import Record


class SpineError(Exception):
    """Root of the three outcomes that are not decisions."""


class Retry(SpineError):
    """Nothing was written; the same batch may succeed later."""


class Poison(SpineError):
    """This record can never be decided. It is set aside with ``reason`` (a class of error, never content)."""

    def __init__(self, record: Record, reason: str) -> None:
        super().__init__(f"{reason} at {record.topic}/{record.partition}@{record.offset}")
        self.record = record
        self.reason = reason


class Halt(SpineError):
    """Going on would lose or double something. The process ends and an operator must look."""
