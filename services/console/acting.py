"""What a worker may do with an alert, and how what they typed becomes the value of a fact. Pure.

The alerts service decides by the same numbers (``services/alerts/workers.py``): what is refused there is refused here
first, in words. ``contracts/policy/alerts.yaml`` holds them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

OUTCOMES = ("done", "not_needed", "declined")
NOTE_CHARACTERS_MAX = 2_000
REASON_CHARACTERS_MAX = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an alert may be put off, and which severities nobody may put off; how long an outcome is taken back."""

    put_off_days_max: int
    never: frozenset[str]
    reopen_days_max: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """Which field of the form is wrong, and what to do about it."""

    field: str
    text: str


def load(contracts: Path) -> Limits:
    """Raises KeyError where a number is missing: none has a silent default."""
    alerts = YAML(typ="safe", pure=False).load(contracts / "policy" / "alerts.yaml")["alerts"]
    never = frozenset(map(str, alerts["snooze_never"]))
    return Limits(int(alerts["snooze_days_max"]), never, int(alerts["reopen_days_max"]))


def text_of(typed: str) -> str:
    return _CONTROL.sub("", typed.replace("\r\n", "\n")).strip()


def put_off(severities: Collection[str], until: str, reason: str, today: date, limits: Limits) -> str | Wrong:
    """Value of ``snooze``: the day and the reason."""
    if limits.never.intersection(severities):
        return Wrong("until", "An urgent alert cannot be put off")
    last = today + timedelta(days=limits.put_off_days_max)
    try:
        day = date.fromisoformat(until.strip())
    except ValueError:
        return Wrong("until", "Enter the day until which to put it off")
    if not today < day <= last:
        return Wrong("until", f"The day must be after today and not after {last.day} {last:%B %Y}")
    said = " ".join(text_of(reason).split())
    if not said:
        return Wrong("reason", "Enter why it is put off")
    if len(said) > REASON_CHARACTERS_MAX:
        return Wrong("reason", f"Reason must be {REASON_CHARACTERS_MAX} characters or fewer")
    return f"{day.isoformat()} {said}"


def hand_over(rows: Collection[Mapping[str, Any]], worker: str, allowed: Collection[str]) -> str | Wrong:
    """Value of ``assign``: a worker who may hold every one of the alerts."""
    if worker not in allowed:
        return Wrong("worker", "Select a colleague who can take it")
    if all(row["worker"] == worker for row in rows):
        return Wrong("worker", "They have it already. Select another colleague")
    return worker


def reopenable(acts: Sequence[tuple[str, date]], verbs: Sequence[str], today: date, limits: Limits) -> str:
    """Why a closed alert is not reopened, in words; empty where a worker may try.

    ``acts``: what became of the alert, with the day; ``verbs``: what workers did with it; both in their order.
    """
    act, on = next(((act, on) for act, on in reversed(acts) if act != "kept_closed"), ("", today))
    if act not in ("resolved", "stood_down") or "outcome" not in verbs:
        return "It was not closed by a worker’s outcome. What the hub closed by itself comes again when there is ground"
    if today > on + timedelta(days=limits.reopen_days_max):
        return f"It was closed more than {limits.reopen_days_max} days ago"
    return ""


def reopen(reason: str) -> str | Wrong:
    """Value of ``reopen``: why the outcome was a mistake."""
    return _reason("reopen", reason, "Enter why the outcome was a mistake")


def ask_review(reason: str) -> str | Wrong:
    """Value of ``ask_review``: what does not fit."""
    return _reason("doubt", reason, "Enter what does not fit")


def _reason(field: str, typed: str, missing: str) -> str | Wrong:
    said = " ".join(text_of(typed).split())
    if not said:
        return Wrong(field, missing)
    if len(said) > REASON_CHARACTERS_MAX:
        return Wrong(field, f"Reason must be {REASON_CHARACTERS_MAX} characters or fewer")
    return said


def note(typed: str) -> str | Wrong:
    said = text_of(typed)
    if not said:
        return Wrong("note", "Enter a note")
    if len(said) > NOTE_CHARACTERS_MAX:
        return Wrong("note", f"Note must be {NOTE_CHARACTERS_MAX:,} characters or fewer")
    return said


def outcome(word: str) -> str | Wrong:
    return word if word in OUTCOMES else Wrong("outcome", "Select what came of it")
