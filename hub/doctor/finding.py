"""What a check found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import psycopg

from spine.errors import SpineError


class Verdict(IntEnum):
    """From well to ill."""

    SOUND = 0
    #: It could not be looked at from here; ``mend`` says from where.
    UNSEEN = 1
    WARNING = 2
    FAULT = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` says what to do, and is empty only for what is sound."""

    check: str
    verdict: Verdict
    what: str
    mend: str = ""

    def __post_init__(self) -> None:
        assert self.mend or self.verdict is Verdict.SOUND, self.check


def sound(check: str, what: str) -> Finding:
    return Finding(check, Verdict.SOUND, what)


def fault(check: str, what: str, mend: str) -> Finding:
    return Finding(check, Verdict.FAULT, what, mend)


def warning(check: str, what: str, mend: str) -> Finding:
    return Finding(check, Verdict.WARNING, what, mend)


def unseen(check: str, what: str, mend: str) -> Finding:
    return Finding(check, Verdict.UNSEEN, what, mend)


def looked(check: str, look: Callable[[], Iterable[Finding]], mend: str) -> Iterator[Finding]:
    """What ``look`` finds; that it could not look is a finding too, and keeps no other check from being made."""
    try:
        yield from list(look())
    except psycopg.errors.InsufficientPrivilege:
        yield unseen(check, "this database role may not look", "ask as the operator's role (hub deploy roles)")
    except psycopg.Error as error:
        yield fault(check, f"database: {type(error).__name__} {error.sqlstate or ''}".strip(), mend)
    except SpineError as error:
        yield fault(check, str(error), mend)
    except OSError as error:
        yield fault(check, f"{type(error).__name__}: {error.strerror or error}", mend)
