"""What an agency says of a young person on a day, before anything goes wrong with it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hub.sample.people import FIRST_DAY, Person

#: Which of a person's particulars an agency holds and may send; names and date of birth all do.
HOLDS = {
    "northshire-social-care": ("sex", "postcode", "address_line", "upn", "phone"),
    "northshire-virtual-school": ("upn",),
    "northshire-youth-justice": ("sex", "postcode", "address_line"),
    "northshire-send": ("sex", "postcode", "upn"),
    "northshire-inclusion": ("sex", "postcode", "address_line", "upn", "email"),
    "northshire-est": ("postcode", "phone", "email"),
    "northshire-early-help": ("postcode", "address_line", "phone"),
    "northshire-housing": ("postcode", "phone", "email"),
    "jobcentre-plus": ("postcode", "address_line", "phone"),
    "northvale-college": ("sex", "postcode", "uln", "email"),
    "southmere-college": ("postcode", "uln"),
    "hollybank-college": ("postcode", "uln", "upn"),
    "northgate-academy": ("sex", "postcode", "upn"),
    "millbrook-training": ("postcode", "uln", "phone"),
    "university-of-eastmarsh": ("postcode", "uln", "email"),
    "havenway-housing": ("phone",),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One event to come: who says it, when the hub hears it, what and from which day."""

    received_at: datetime
    party: str
    type: str
    effective_on: date
    person: Person
    data: dict[str, Any]


@dataclass(slots=True)
class Life:
    """Collects what is said of one person. ``say`` draws the hour and the ordinary delay of an agency."""

    person: Person
    draw: random.Random
    said: list[Statement] = field(default_factory=list)

    def say(self, party: str, type_: str, on: date, data: dict[str, Any], *, delay: int | None = None) -> None:
        """``delay`` in days from the fact to the hub; what happened before the first day is loaded on it."""
        days = self.draw.choice((0, 1, 1, 2, 3)) if delay is None else delay
        heard = max(on + timedelta(days=days), FIRST_DAY)
        second = self.draw.randrange(7 * 3600, 18 * 3600)
        if heard == FIRST_DAY:
            # First loads run at night, in the order in which they were drawn.
            second = 3600 + len(self.said) * 60 + self.draw.randrange(60)
        moment = datetime.combine(heard, time(), UTC) + timedelta(seconds=second)
        plain = {name: _plain(value) for name, value in data.items()}
        self.said.append(Statement(moment, party, type_, on, self.person, plain))

    def chance(self, percent: float) -> bool:
        return self.draw.random() * 100 < percent

    def day(self, first: int, last: int) -> date:
        """A day of the sample by number, both ends included; ``first`` where the sample is too short for more."""
        return FIRST_DAY + timedelta(days=self.draw.randint(first, max(first, last)))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def subject(person: Person, party: str) -> dict[str, Any]:
    """The identity block as a careful clerk of ``party`` would send it."""
    block: dict[str, Any] = {
        "source_ref": person.ref(party),
        "given_name": person.given_name,
        "family_name": person.family_name,
        "date_of_birth": person.born.isoformat(),
    }
    return block | {name: getattr(person, name) for name in HOLDS[party]}
