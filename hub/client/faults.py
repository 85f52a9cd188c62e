"""What the client tells of an event, and how it fails. No text here ever holds a value that was to be sent.

ClientError
├── Refused       something was not taken; ``report`` has every event's answer
├── NotAllowed    the key is not valid, or does not allow this (401, 403); ``report`` as below
├── Unavailable   the door does not answer in time; ``report`` has what was taken before. Send the same again
└── Misused       the client was called or configured wrongly
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAKEN, REFUSED, NOT_SENT = "taken", "refused", "not_sent"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: JSON pointer into the event, the door's code, words for a person, what would be right."""

    pointer: str
    code: str
    message: str
    expected: str = ""

    @classmethod
    def of_problem(cls, entry: Mapping[str, Any]) -> Fault:
        return cls(*(str(entry.get(name, "")) for name in ("pointer", "code", "message", "expected")))

    def __str__(self) -> str:
        expected = f" (expected: {self.expected})" if self.expected else ""
        return f"{self.pointer or '/'} {self.code}: {self.message}{expected}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one event. ``index`` counts from 0 in the order given; ``outcome`` is taken, refused (by the
    door; ``receipt`` names the refusal) or not_sent (found wrong before sending)."""

    index: int
    id: str
    outcome: str
    status: int = 0
    receipt: str = ""
    reason: str = ""
    faults: tuple[Fault, ...] = ()

    @property
    def taken(self) -> bool:
        return self.outcome == TAKEN


@dataclass(frozen=True, slots=True)
class Report:
    """The answers on all events, in the order given."""

    answers: tuple[Answer, ...]

    @property
    def taken(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.taken)

    @property
    def turned_away(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if not answer.taken)

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(answer.outcome for answer in self.answers)

    def raise_for_refusals(self) -> None:
        """Raise Refused, listing every fault of every event, if something was not taken."""
        if self.turned_away:
            raise Refused(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate would say of one event; nothing was kept. ``dropped``: fields the agreement would drop."""

    index: int
    id: str
    valid: bool
    agreement: str = ""
    dropped: tuple[str, ...] = ()
    reason: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the hub made of one message: ``received``, ``accepted`` or ``refused`` with the codes."""

    id: str
    state: str
    receipt: str
    agreement: str = ""
    reason: str = ""
    faults: tuple[Fault, ...] = ()

    @property
    def decided(self) -> bool:
        return self.state in ("accepted", "refused")


@dataclass(frozen=True, slots=True)
class Terms:
    """What one agreement in force lets the party send in one event type. Ages are whole years, both included."""

    agreement: str
    fields: frozenset[str]
    min_age: int
    max_age: int
    shrink_hold_percent: int

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Terms:
        youngest, oldest = item["ages"]
        fields = frozenset(str(name) for name in item["fields"])
        return cls(str(item["agreement"]), fields, int(youngest), int(oldest), int(item["shrink_hold_percent"]))


class ClientError(Exception):
    """Anything that the client says no with. ``report`` has the answers until then."""

    def __init__(self, why: str = "", report: Report | None = None) -> None:
        super().__init__(why)
        self.report = report or Report(())


class Misused(ClientError):
    """The caller's mistake: an argument, a key, a schema file."""


class NotAllowed(ClientError):
    """The door does not know the key, or the key does not allow this."""


class Unavailable(ClientError):
    """The door did not answer, or said "not now", until the time was over. Sending the same again is safe."""


class Refused(ClientError):
    """At least one event was not taken."""

    def __init__(self, report: Report) -> None:
        super().__init__("\n".join(lines(report.turned_away)), report)


def lines(answers: Sequence[Answer]) -> list[str]:
    """One line for each event, then one for each of its faults."""
    out: list[str] = []
    for answer in answers:
        out.append(f"event {answer.index} ({answer.id or 'no id'}): {answer.outcome}, {answer.reason}")
        out += [f"  {fault}" for fault in answer.faults]
    return out
