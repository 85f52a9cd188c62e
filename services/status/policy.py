"""The processing policy as the status reads it: POLICY section 8 and codes.yaml, parsed once into frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from spine.canonical import canonical
from spine.clock import WorkingDays

MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Policy:
    """Numbers and words of P2 to P11."""

    version: str
    fingerprint: str
    working_days: WorkingDays
    tick_at: tuple[int, int]
    date_of_birth_rank: Mapping[str, int]
    neet_backdate_days: int
    uc_towards_neet: Mapping[str, str]
    uaa_compatible_codes: frozenset[str]
    absence_conflict_days: int
    summer_carry_from: MonthDay
    summer_carry_to: MonthDay
    full_time_hours_per_year: int
    default_weeks_per_year: int
    part_time_job_below_hours: int
    informal_work_below_hours: int
    awaiting_start_lapse_working_days: int
    awaiting_start_backfill_days: int
    lapse_days: Mapping[str, int]
    verifying_types: frozenset[str]
    failed_contact_attempts_for_820: int
    churn_days: int
    not_known_bridge_days: int
    rpa_age: int
    quiet_days_before_due: int
    quiet_days_after_birth: int
    ssda903: Mapping[str, tuple[str, str]]
    ssda903_full_time_hours: int
    part_time_higher_education: str
    duty_met: Mapping[str, str]
    undated_education_ends: MonthDay
    undated_days: Mapping[str, int]
    late_days_max: int | None


def month_day(text: str) -> MonthDay:
    month, day = text.split("-")
    return int(month), int(day)


def parse(policy: Mapping[str, Any], codes: Mapping[str, Any]) -> Policy:
    """Parse the two files. Raises KeyError or ValueError when one of them is not what it should be."""
    status, calendar = policy["status"], policy["calendar"]
    quiet, readings = policy["alerts"]["quiet_period"], dict(codes["ssda903"])
    hour, minute = calendar["tick_at"].split(":")
    closed = [date.fromisoformat(str(day)) for day in calendar["extra_non_working_days"]]
    holidays = calendar["holidays"]
    full_time = int(readings.pop("full_time_from_hours"))
    return Policy(
        version=str(policy["policy_version"]),
        fingerprint=hashlib.sha256(canonical([_plain(policy), _plain(codes)])).hexdigest()[:16],
        working_days=WorkingDays.with_closures(holidays["country"], holidays["subdivision"], closed),
        tick_at=(int(hour), int(minute)),
        date_of_birth_rank={kind: n for n, kind in enumerate(policy["identity"]["date_of_birth_authority"])},
        neet_backdate_days=status["neet_backdate_days"],
        uc_towards_neet={str(regime): str(code) for regime, code in status["uc_towards_neet"].items()},
        uaa_compatible_codes=frozenset(map(str, status["uaa_compatible_codes"])),
        absence_conflict_days=status["absence_conflict_days"],
        summer_carry_from=month_day(status["summer_carry_from"]),
        summer_carry_to=month_day(status["summer_carry_to"]),
        full_time_hours_per_year=status["full_time_hours_per_year"],
        default_weeks_per_year=status["default_weeks_per_year"],
        part_time_job_below_hours=status["part_time_job_below_hours"],
        informal_work_below_hours=status["informal_work_below_hours"],
        awaiting_start_lapse_working_days=status["awaiting_start_lapse_working_days"],
        awaiting_start_backfill_days=status["awaiting_start_backfill_days"],
        lapse_days={str(code): days for code, days in status["lapse_days"].items() if days is not None},
        verifying_types=frozenset(status["verifying_types"]),
        failed_contact_attempts_for_820=status["failed_contact_attempts_for_820"],
        churn_days=status["churn_days"],
        not_known_bridge_days=status["not_known_bridge_days"],
        rpa_age=status["rpa_age"],
        quiet_days_before_due=quiet["days_before_due"],
        quiet_days_after_birth=quiet["days_after_birth"],
        ssda903={str(code): (str(pair[0]), str(pair[1])) for code, pair in readings.items()},
        ssda903_full_time_hours=full_time,
        part_time_higher_education=str(codes["part_time_higher_education"]),
        duty_met={str(code): str(word) for word, listed in codes["duty_met"].items() for code in listed},
        undated_education_ends=month_day(codes["undated_education_ends"]),
        undated_days={str(code): days for code, days in codes["undated_days"].items()},
        late_days_max=codes["late_days_max"],
    )


def _plain(value: Any) -> Any:
    """Numbers of the files as text: the fingerprint must not depend on how a float is written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | str) else str(value)
