"""A county so small that every number can be counted by hand, in a hub in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.inprocess import InProcessHub
from hub.sample.identifiers import postcode, upn

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
FIRST = datetime(2026, 9, 2, 9, tzinfo=UTC)
#: Far apart from each other, so that nobody is taken for somebody else.
NAMES = (
    "Ada Boris Chloe Dmitri Esme Farid Greta Hakim Imogen Jerome Kezia Ludwig Maeve Nestor Oona Pavel",
    "Abbot Brzezicki Castellano Dunmore Eriksen Fotheringham Gwynne Hollingsworth",
)
GIVEN, FAMILY = (names.split() for names in NAMES)


HOLDS_UPN = frozenset(
    {"northshire-inclusion", "northshire-social-care", "northshire-send", "northgate-academy", "northvale-college"}
)


@dataclass(slots=True)
class County:
    """``young`` brings somebody into being and returns the number; ``say`` is an agency's word, heard one minute on."""

    hub: InProcessHub = field(default_factory=lambda: InProcessHub(CONTRACTS, ROOT / "schemas" / "avro"))
    now: datetime = FIRST
    people: list[dict[str, Any]] = field(default_factory=list)
    said: int = 0

    def young(self, born: str) -> int:
        number = len(self.people)
        name = {"given_name": GIVEN[number % len(GIVEN)], "family_name": FAMILY[number // len(GIVEN)]}
        self.people.append(
            {**name, "date_of_birth": born, "postcode": postcode(number * 37), "upn": upn(number * 37, 2014)}
        )
        return number

    def say(
        self, who: int, party: str, type_: str, on: str, data: Mapping[str, Any], *, at: str = "", test: bool = False
    ) -> str:
        self.now = max(self.now, datetime.fromisoformat(f"{on}T09:00:00Z")) + timedelta(minutes=1)
        self.said += 1
        received = datetime.fromisoformat(at).replace(tzinfo=UTC) if at else self.now
        message = f"m{self.said}"
        event = {
            "specversion": "1.0",
            "id": message,
            "source": party,
            "type": type_,
            "data": {
                "effective_on": on,
                "subject": {k: v for k, v in self.people[who].items() if k != "upn" or party in HOLDS_UPN}
                | {"source_ref": f"{party}-{who}"},
                "data": dict(data),
            },
        }
        self.hub.submit(event, party=party, received_at=received, test=test)
        return message

    def student(self, born: str = "2009-11-02") -> int:
        who = self.young(born)
        self.say(who, "northvale-college", "education.enrolment.started", "2026-09-02", STUDY)
        return who

    def seeking(self, born: str = "2009-11-02", *, on: str = "2026-10-01", at: str = "") -> int:
        who = self.young(born)
        self.say(who, "northshire-inclusion", "contact.verified", on, SEEKING, at=at)
        return who

    def unknown(self, born: str = "2009-11-02") -> int:
        who = self.young(born)
        data = {"activity": "unknown", "contact_role": "careers-adviser", "method": "phone"}
        self.say(who, "northshire-inclusion", "contact.verified", "2026-10-01", data)
        return who

    def tick(self, on: str) -> None:
        self.hub.tick(date.fromisoformat(on))
        self.hub.settle()


STUDY = {
    "institution_type": "further_education",
    "mode": "full_time",
    "hours_per_week": 17,
    "weeks_per_year": 36,
    "level": "level_2",
    "predicted_end_on": "2027-07-02",
}
SEEKING = {"activity": "not_in_eet", "neet_reason": "seeking", "contact_role": "careers-adviser", "method": "phone"}
