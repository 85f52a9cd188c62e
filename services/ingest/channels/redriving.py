"""``/v1/refusals:redrive``: who may bring what before the gate again, what would come of it, and doing it.

A party redrives its own. The hub's steward, as which the console speaks, redrives any party's and names the people who
want it: more than ``redrive_alone_max`` of ``contracts/policy/governance.yaml`` at once are wanted by two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from services.ingest.agent import Opener
from services.ingest.channels.answers import Problem
from services.ingest.channels.appender import Appender
from services.ingest.channels.quarantine import Quarantine, Standing
from services.ingest.faults import FAULTS_MAX, Fault, fault
from services.ingest.gate import Gate, Judge
from services.ingest.parse import ID_PATTERN
from services.ingest.redrive import ACCEPTED, redriven, rehearse
from spine.record import Fields
from spine.schema import Catalogue
from spine.who.principal import Principal

#: As who the hub's own people speak.
STEWARDS = "hub-steward"
#: Messages named in one request; refusals judged for one request; single verdicts in an answer.
IDS_MAX, JUDGED_MAX, ITEMS_MAX = 100, 2_000, 100
_Word = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")]
_Id = Annotated[str, Field(pattern=ID_PATTERN)]


class Asked(BaseModel):
    """The body of a request. No ``ids``: all that wait of the reason and the type; an empty word means any."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dry_run: bool
    ids: Annotated[list[_Id], Field(max_length=IDS_MAX)] = []
    party: _Word = ""
    reason: _Word = ""
    type: _Word = ""
    by: Annotated[list[_Name], Field(max_length=2)] = []

    def takes(self, one: Standing) -> bool:
        named = not self.ids or one.message_id in self.ids
        return named and self.reason in ("", one.reason) and self.type in ("", one.type)


def alone_max(contracts: Path) -> int:
    """How many refusals one person may redrive at once. Raises KeyError where the number is missing."""
    return int(YAML(typ="safe", pure=False).load(contracts / "policy" / "governance.yaml")["redrive_alone_max"])


@dataclass(frozen=True, slots=True)
class Redriving:
    """What waits, the gate, and the way to the log."""

    quarantine: Quarantine
    opener: Opener
    catalogue: Catalogue
    gate: Judge
    appender: Appender
    alone_max: int

    def answer(self, who: Principal, told: object, at: datetime) -> dict[str, Any] | Problem:
        """Counts by type, verdict and codes, and verdicts one by one; sent is only what would now be accepted.

        Raises Retry or Busy: then asking again is safe, for nothing is redriven twice. SealBroken: no key of this hub.
        """
        try:
            asked = Asked.model_validate(told)
        except ValidationError as error:
            return Problem(
                "malformed", tuple(_fault(found["type"], found["loc"]) for found in error.errors()[:FAULTS_MAX])
            )
        gate = self.gate.now()
        party, by = _whose(who, asked, gate)
        if not party:
            return Problem("forbidden")
        if not asked.dry_run and not by:
            return Problem("two_people", (fault("/by", "missing", "one name, or two for many"),))
        waiting = self.quarantine.waiting(party, who.test, asked.takes)
        judged = list(self.quarantine.refusals(waiting[:JUDGED_MAX]))
        bodies = {one.key: fields for one, fields in judged}
        verdicts = list(rehearse(judged, self.opener, gate, at))
        passing = [bodies[one.key] for one, said, _ in verdicts if said == ACCEPTED]
        shown = _shown(waiting, verdicts) | {"alone_max": self.alone_max, "dry_run": asked.dry_run}
        if asked.dry_run:
            return {"status": 200, **shown}
        if len(passing) > self.alone_max and not _two(by):
            return Problem("two_people", limit={"redrive_alone_max": self.alone_max})
        self.appender.append(self._again(passing, "+".join(by), at, gate.stand))
        return {"status": 202, **shown, "redriven": len(passing)}

    def _again(self, passing: Sequence[Fields], by: str, at: datetime, stand: str) -> list[Any]:
        return [redriven(fields, self.catalogue, by, at, stand) for fields in passing]


def _whose(who: Principal, asked: Asked, gate: Gate) -> tuple[str, tuple[str, ...]]:
    """Whose refusals are meant, and who wants it; an empty party: not theirs to ask."""
    kinds = gate.policy.kinds if gate.policy else {}
    if kinds.get(who.party) == STEWARDS:
        return asked.party, tuple(asked.by)
    mine = asked.party in ("", who.party) and not asked.by
    return (who.party if mine else ""), (who.name,)


def _two(by: Sequence[str]) -> bool:
    return len({name.casefold() for name in by}) == 2


def _shown(waiting: Sequence[Standing], verdicts: Sequence[tuple[Standing, str, tuple[str, ...]]]) -> dict[str, Any]:
    counted = Counter((one.type, said, codes) for one, said, codes in verdicts)
    outcomes = [
        {"type": kind, "outcome": said, "codes": list(codes), "count": count}
        for (kind, said, codes), count in sorted(counted.items())
    ]
    items = [
        {"id": one.message_id, "type": one.type, "outcome": said, "codes": list(codes)}
        for one, said, codes in verdicts[:ITEMS_MAX]
    ]
    return {"waiting": len(waiting), "judged": len(verdicts), "outcomes": outcomes, "items": items}


def _fault(kind: str, where: Sequence[int | str]) -> Fault:
    """At a field of the body or a place in a list: a name that the sender made up is not given back."""
    known = [str(part) for part in where if isinstance(part, int) or part in Asked.model_fields]
    return fault("".join(f"/{part}" for part in known), "missing" if kind == "missing" else "wrong_type")
