"""How agencies get it wrong. Each kind of mistake is rare, named, and drawn from the person's own seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.sample.names import NICKNAMES
from hub.sample.people import Person

LATE_PERCENT, RESENT_PERCENT, RETOLD_PERCENT, CONFLICT_PERCENT = 3.0, 2.0, 1.0, 0.2
WRONG_PERCENT, OVERSHARED_PERCENT, STRANGER_PERCENT, IMPOSTOR_PERCENT, MISSPELT_PERCENT = 1.0, 1.0, 0.3, 0.1, 6.0
LATE_DAYS = (7, 12, 20, 35)
STRANGER = "westvale-college"
OUTSIDERS = ("northvale-college", "southmere-college", "jobcentre-plus", "northshire-housing")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sample. ``mistake`` says what is wrong with it, empty if nothing; it is not written out."""

    received_at: datetime
    door_party: str
    event: dict[str, Any]
    mistake: str = ""


def misspell(draw: random.Random, block: dict[str, Any]) -> None:
    """One clerk's slip in an identity block."""
    given, family = str(block["given_name"]), str(block["family_name"])
    slip = draw.randrange(8)
    if slip == 0:
        block["given_name"], block["family_name"] = family, given
    elif slip == 1:
        block["family_name"] = family.replace("-", " ").replace("’", "")
    elif slip == 2:
        block["given_name"] = given[0]
    elif slip == 3:
        block["given_name"] = NICKNAMES.get(given, given)
    elif slip == 4 and len(family) > 4:
        at = draw.randrange(1, len(family) - 2)
        block["family_name"] = family[:at] + family[at + 1] + family[at] + family[at + 2 :]
    elif slip == 5 and len(given) > 4:
        at = draw.randrange(1, len(given) - 1)
        block["given_name"] = given[:at] + given[at + 1 :]
    elif slip == 6:
        block.pop("date_of_birth")
    else:
        block["date_of_birth"] = str(block["date_of_birth"])[:4] + "-01-01"


def mistakes(draw: random.Random, line: Line, person: Person) -> Iterator[Line]:
    """The line as it really comes: once, late, wrong, twice, or from somebody nobody knows."""
    event, at = line.event, line.received_at
    if _chance(draw, MISSPELT_PERCENT):
        misspell(draw, event["data"]["subject"])
    if _chance(draw, LATE_PERCENT):
        at += timedelta(days=draw.choice(LATE_DAYS))
    if _chance(draw, STRANGER_PERCENT):
        yield Line(at, STRANGER, event | {"source": STRANGER}, "stranger")
        return
    if _chance(draw, IMPOSTOR_PERCENT):
        yield Line(at, "southmere-college", event | {"source": "northshire-send"}, "impostor")
        return
    if _chance(draw, WRONG_PERCENT):
        yield Line(at, line.door_party, _spoil(draw, deepcopy(event)), "wrong")
        # Somebody notices and sends it again, right, under a new id.
        yield Line(at + timedelta(days=2), line.door_party, event | {"id": event["id"] + "-b"})
        return
    if line.door_party in OUTSIDERS and _chance(draw, OVERSHARED_PERCENT * 2):
        shared = deepcopy(event)
        shared["data"]["subject"]["nhs_number"] = person.nhs_number
        yield Line(at, line.door_party, shared, "overshared")
        return
    yield Line(at, line.door_party, event)
    if _chance(draw, RESENT_PERCENT):
        yield Line(at + timedelta(hours=draw.randint(1, 60)), line.door_party, event, "resent")
    if _chance(draw, RETOLD_PERCENT):
        yield Line(at + timedelta(days=1), line.door_party, event | {"id": event["id"] + "-again"}, "retold")
    if _chance(draw, CONFLICT_PERCENT):
        other = deepcopy(event)
        other["data"]["effective_on"] = (at.date() - timedelta(days=1)).isoformat()
        yield Line(at + timedelta(days=1), line.door_party, other, "conflict")


def _chance(draw: random.Random, percent: float) -> bool:
    return draw.random() * 100 < percent


def _spoil(draw: random.Random, event: dict[str, Any]) -> dict[str, Any]:
    facts, block = event["data"]["data"], event["data"]["subject"]
    event["id"] += "-x"
    slip = draw.randrange(6)
    if slip == 0:
        event["data"]["effective_on"] = "31/11/2025"
    elif slip == 1:
        event["type"] = event["type"].replace(".", "_")
    elif slip == 2:
        facts.pop(sorted(facts)[0])
        facts["notes"] = "see case file"
    elif slip == 3:
        block["uln"] = "7E+09"
    elif slip == 4:
        block.pop("source_ref")
        block.pop("family_name")
    else:
        facts[sorted(facts)[-1]] = ["not", "of", "this", "kind"]
    return event
