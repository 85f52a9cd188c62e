"""People with thirty facts each, as a council's feeds give them: mostly attendance, some of everything else.

Facts are made by the hub itself in process, so what is timed is what crosses the topics.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from hub.inprocess import InProcessHub
from spine.keystore import Keys, MemoryKeys
from spine.record import Fact

ROOT = Path(__file__).resolve().parents[2]
BEGIN = date(2025, 9, 8)
FACTS = 30
COLLEGE, CARE, CAREERS, DWP = "northvale-college", "northshire-social-care", "northshire-inclusion", "jobcentre-plus"


def life(number: int, draw: random.Random) -> Iterator[tuple[date, str, str, dict[str, Any]]]:
    """(day, party, type, data) of one person's thirty facts, in order of day."""
    leaves = number % 5 == 0
    rows: list[tuple[int, str, str, dict[str, Any]]] = [
        (-300, CARE, "care.leaver_status.changed", {"status": "former_relevant"}),
        (-299, CARE, "case.assigned", _case("leaving_care", "personal-adviser")),
        (-40, CARE, "pathway_plan.reviewed", {"eet_section_complete": True}),
        (0, COLLEGE, "education.enrolment.started", _enrolment()),
        (3, CAREERS, "case.assigned", _case("inclusion", "careers-adviser")),
        (20, CARE, "care.accommodation.recorded", _home()),
        (35, COLLEGE, "education.attendance.absence", _absence(draw, 35)),
        (60, CARE, "contact.verified", _contact("further_education")),
        (90, CARE, "pathway_plan.reviewed", {"eet_section_complete": True}),
        (100, DWP, "uc.claim_started", {"regime": "UBC"}),
        (120, CARE, "taster.attended", {"sector": "construction"}),
        (150, CARE, "care.placement.changed", _move()),
        (155, COLLEGE, "education.arrangement.agreed", {"measures": ["transport"]}),
    ]
    if leaves:
        rows.append((170, COLLEGE, "education.enrolment.withdrawn", _left()))
        rows.append((190, CARE, "contact.verified", _contact("not_in_eet") | {"neet_reason": "seeking"}))
    weeks = FACTS - len(rows)
    usual = [88, 93, 97] if number % 10 == 3 else [96, 97, 98, 99, 100]
    for n in range(weeks):
        rows.append((10 + 9 * n, COLLEGE, "education.attendance.summary", _summary(draw.choice(usual), 10 + 9 * n)))
    for offset, party, kind, data in sorted(rows, key=lambda row: (row[0], row[2])):
        yield BEGIN + timedelta(days=offset), party, kind, data


def county(people: int, seed: int = 11, *, keys: Keys | None = None, partitions: int | None = None) -> InProcessHub:
    """A hub that has decided the lives of so many people, a day at a time, ticks included."""
    hub = InProcessHub(ROOT / "contracts", ROOT / "schemas" / "avro", partitions=partitions, keys=keys or MemoryKeys())
    by_day: dict[date, list[tuple[int, int, date, str, str, dict[str, Any]]]] = {}
    for number in range(people):
        draw = random.Random(f"{seed}:{number}")
        for count, (day, party, kind, data) in enumerate(life(number, draw)):
            arrives = max(day, BEGIN - timedelta(days=5)) + timedelta(days=1)
            by_day.setdefault(arrives, []).append((number, count, day, party, kind, data))
    for day in sorted(by_day):
        hub.tick(day)
        for number, count, on, party, kind, data in by_day[day]:
            hub.submit(
                event(number, count, on, party, kind, data),
                party=party,
                received_at=datetime.combine(day, time(9), UTC) + timedelta(seconds=count),
            )
        hub.settle()
    return hub


def by_person(hub: InProcessHub, topic: str) -> dict[str, list[Fact]]:
    """Facts about people, in order, by person; ticks are not among them."""
    found: dict[str, list[Fact]] = {}
    for fact in hub.facts(topic):
        if "person_id" in fact.fields:
            found.setdefault(str(fact.fields["person_id"]), []).append(fact)
    return found


def event(number: int, count: int, on: date, party: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    born = date(2006, 1, 1) + timedelta(days=number * 37 % 700)
    subject = {
        "source_ref": f"{party}-{number}",
        "given_name": f"{'BCDFGHJKLM'[number % 10]}{'aeiou'[number // 10 % 5]}{'lmnrstvwzx'[number // 50 % 10]}a",
        "family_name": f"Lane{number:05d}",
        "date_of_birth": born.isoformat(),
        "postcode": f"NS{number % 9 + 1} {number // 9 % 9 + 1}AB",
    }
    return {
        "specversion": "1.0",
        "id": f"{party}-{number}-{count}",
        "source": party,
        "type": kind,
        "data": {"effective_on": on.isoformat(), "subject": subject, "data": data},
    }


def _case(service: str, role: str) -> dict[str, Any]:
    return {"service": service, "role": role, "team": "leaving-care-east", "worker_ref": "w-2041"}


def _enrolment() -> dict[str, Any]:
    return {
        "institution_type": "further_education",
        "mode": "full_time",
        "hours_per_week": 17,
        "weeks_per_year": 36,
        "predicted_end_on": "2026-07-03",
    }


def _home() -> dict[str, Any]:
    return {"accommodation": "semi_independent", "suitable": True, "address_authority": "northshire"}


def _move() -> dict[str, Any]:
    return {
        "planned": True,
        "same_carer": False,
        "placement_type": "semi_independent",
        "placement_authority": "northshire",
        "out_of_area": False,
        "education_changes": False,
    }


def _absence(draw: random.Random, offset: int) -> dict[str, Any]:
    last = BEGIN + timedelta(days=offset + 2)
    return {"last_day_on": last.isoformat(), "days": 3, "reason": draw.choice(["illness", "unexplained"])}


def _contact(activity: str) -> dict[str, Any]:
    return {"contact_role": "personal-adviser", "method": "visit", "activity": activity}


def _left() -> dict[str, Any]:
    return {"reason": "non_attendance", "destination": "unknown", "destination_confirmed": False}


def _summary(percent: int, offset: int) -> dict[str, Any]:
    first, last = BEGIN + timedelta(days=max(0, offset - 20)), BEGIN + timedelta(days=offset)
    return {
        "period_from": first.isoformat(),
        "days_counted": 18,
        "percent": percent,
        "last_attended_on": last.isoformat(),
    }
