"""Which recipient is told by which channel: ``told_by`` in ``contracts/policy/delivery.yaml``. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WAYS = ("smtp", "notify_email", "notify_sms", "webhook", "teams")


@dataclass(frozen=True, slots=True)
class Step:
    """``to`` is an address of that channel; empty: the recipient's e-mail address of teams.yaml."""

    by: str
    to: str = ""


MAIL = (Step("smtp"),)


@dataclass(frozen=True, slots=True)
class Routes:
    """Steps are tried in order until one takes it: the second is the fall-back of the first."""

    routine: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    urgent: Mapping[str, Sequence[Step]] = field(default_factory=dict)

    def of(self, recipient: str, *, urgent: bool) -> Sequence[Step]:
        """The recipient's own steps, else those of ``default``, else mail."""
        table = self.urgent if urgent else self.routine
        return table.get(recipient) or table.get("default") or MAIL

    def chosen(self, recipient: str, ways: Collection[str]) -> Sequence[Step]:
        """The routine steps with those of the chosen channel, by these ``ways``, first, so that the others stay its
        fall-back.

        An address that is set for what is urgent serves too; mail needs none. Where the channel has no address, the
        steps are as they are set: a choice never keeps a message back.
        """
        routine = self.of(recipient, urgent=False)
        first = [step for step in (*routine, *self.of(recipient, urgent=True)) if step.by in ways]
        if not first and MAIL[0].by in ways:
            first = list(MAIL)
        return tuple(dict.fromkeys((*first, *routine)))


def parse(read: Mapping[str, Any]) -> Routes:
    """Routes of the parsed ``told_by``. ValueError names every fault at once."""
    faults: list[str] = []
    tables: dict[str, dict[str, Sequence[Step]]] = {"routine": {}, "urgent": {}}
    for recipient, when in read.items():
        for name, steps in when.items():
            if name not in tables:
                faults.append(f"told_by.{recipient}.{name}: say routine or urgent")
                continue
            made = [Step(str(s["by"]), str(s.get("to", ""))) for s in steps]
            wrong = [s.by for s in made if s.by not in WAYS]
            faults += [f"told_by.{recipient}.{name}: {by} is no channel; take one of {', '.join(WAYS)}" for by in wrong]
            tables[name][str(recipient)] = tuple(made)
    if faults:
        raise ValueError("; ".join(faults))
    return Routes(**tables)
