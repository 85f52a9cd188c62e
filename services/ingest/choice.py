"""What a person has instructed a party not to share (ESA 2008 s.14), as the gate heeds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.ingest.fields import Value

INSTRUCTION = "sharing.instruction_recorded"
ALL, LISTED, LIFTED = "all_other_information", "listed_items", "lifted"
INSTRUCTIONS_MAX = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """One instruction. Days and moments as ISO text; the later day counts, of one day the one received later."""

    effective_on: str
    received_at: str
    scope: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instructions:
    """Every instruction of one source person, in the order in which they count; the oldest are forgotten."""

    given: tuple[Choice, ...] = ()

    def with_choice(self, choice: Choice) -> Instructions:
        ordered = sorted({*self.given, choice}, key=lambda c: (c.effective_on, c.received_at, c.scope, c.items))
        return Instructions(tuple(ordered[-INSTRUCTIONS_MAX:]))


FREE = Instructions()


def held_back(instructions: Instructions, choices: frozenset[str], day: date) -> frozenset[str]:
    """Fields that may not pass on ``day``. Only what the agreement leaves to the person's choice can be among them."""
    for choice in reversed(instructions.given):
        if choice.effective_on <= day.isoformat():
            if choice.scope == ALL:
                return choices
            return choices & frozenset(choice.items) if choice.scope == LISTED else frozenset()
    return frozenset()


def instructed(data: Mapping[str, Value]) -> tuple[str, list[str]]:
    """(scope, items) of an accepted instruction."""
    items = data.get("items")
    return str(data.get("scope", "")), sorted(items) if isinstance(items, list) else []
