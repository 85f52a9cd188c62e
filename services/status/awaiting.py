"""POLICY 3.4: agreed starts, how long each is waited for, and what ends the wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.status import codes, days
from services.status.facts import Accepted, Agreed, Contact, Facts, Kind, Reason, Seen, Withdrawn
from services.status.policy import Policy
from services.status.spans import Layer, paint
from spine.clock import WorkingDays

_CALLED_OFF = frozenset({"entry_requirements_not_met", "place_withdrawn", "declined"})


@dataclass(slots=True)
class Wait:
    """One agreed start. ``first`` is the day it shows, maybe dated back; ``last`` its last day."""

    agreed_on: int
    starts_on: int
    kind: str
    code: str
    source: str
    order: tuple[int, int, int, str]
    first: int
    last: int
    ended_by: str = "lapse"

    def end(self, last: int, by: str) -> None:
        """Ends it by ``last`` if it would go on longer."""
        if last < self.last:
            self.last, self.ended_by = last, by


def waits(facts: Facts, starts: Sequence[int], born: int | None, policy: Policy) -> list[Wait]:
    """Every agreed start, ordered by agreement. ``starts``: first days of EET facts, ascending."""
    found = _agreed(facts, born, policy)
    if not found:
        return []
    for n, wait in enumerate(found):
        for later in found[n + 1 :]:
            if later.kind == wait.kind and later.agreed_on <= wait.last:
                wait.end(later.agreed_on - 1, "superseded")
    _cancel(facts, found)
    contacts = [
        seen.on
        for seen in facts.of("contact.verified")
        if Contact._make(seen.data).activity in ("not_in_eet", "voluntary")
    ]
    for wait in found:
        eet = next((day for day in starts if day > wait.agreed_on), None)
        if eet is not None:
            wait.end(eet - 1, "eet")
        met = next((day for day in contacts if day > wait.starts_on), None)
        if met is not None:
            wait.end(met - 1, "contact")
    return [wait for wait in found if wait.last >= wait.agreed_on]


def _agreed(facts: Facts, born: int | None, policy: Policy) -> list[Wait]:
    found = []
    for seen in facts.any_of(
        "start.agreed", "provision.agreed", "offer.accepted", "ehcp.final_amended_plan", "education.enrolment.withdrawn"
    ):
        kind, starts_on = _kind_and_start(seen)
        if starts_on is None:
            continue
        last = _working_days_after(policy.working_days, starts_on, policy.awaiting_start_lapse_working_days)
        young = born is not None and starts_on < days.birthday(born, policy.rpa_age)
        code = "616" if young and kind in codes.RPA_COMPLIANT else "615"
        found.append(Wait(seen.on, starts_on, kind, code, seen.source, seen.order, seen.on, last))
    return found


@lru_cache(maxsize=65_536)
def _working_days_after(working: WorkingDays, day: int, count: int) -> int:
    return working.after(days.to_date(day), count).toordinal()


def _kind_and_start(seen: Seen) -> tuple[str, int | None]:
    if seen.type == "education.enrolment.withdrawn":
        told = Withdrawn._make(seen.data)
        kind = told.destination_kind or codes.OF_DESTINATION.get(told.destination, "")
        return kind, told.destination_starts_on if told.destination_confirmed else None
    if seen.type == "offer.accepted":
        offer = Accepted._make(seen.data)
        return offer.kind, None if offer.conditional else offer.starts_on
    agreed = Agreed._make(seen.data)
    return agreed.kind, agreed.starts_on


def _cancel(facts: Facts, found: Sequence[Wait]) -> None:
    for seen in facts.any_of(
        "start.cancelled", "offer.declined", "offer.withdrawn", "education.enrolment.not_enrolled"
    ):
        if seen.type == "education.enrolment.not_enrolled":
            if Reason._make(seen.data).reason not in _CALLED_OFF:
                continue
            kinds = _kinds_of(seen.source, facts, found)
        else:
            kinds = frozenset({Kind._make(seen.data).kind})
        for wait in found:
            if wait.kind in kinds and wait.order < seen.order and wait.last >= seen.on:
                wait.end(seen.on - 1, "cancelled")


def _kinds_of(source: str, facts: Facts, found: Sequence[Wait]) -> frozenset[str]:
    """Kinds of place that this provider is known to have offered or agreed; without any, every kind but a job."""
    kinds = {wait.kind for wait in found if wait.source == source}
    kinds |= {Kind._make(seen.data).kind for seen in facts.of("offer.made") if seen.source == source}
    return frozenset(kinds) or frozenset(wait.kind for wait in found if wait.kind not in codes.JOB_KINDS)


def layers(found: Sequence[Wait], known: Sequence[Layer], policy: Policy) -> list[Layer]:
    """The waits as days. ``known``: what is known without them; short holes just before a wait are filled by it."""
    out: list[Layer] = []
    for wait in found:
        below = paint(known, out)
        known_until = max(
            (min(one.end, wait.agreed_on - 1) for one in below if one.start < wait.agreed_on), default=None
        )
        if known_until is not None and wait.agreed_on - 1 - known_until <= policy.awaiting_start_backfill_days:
            wait.first = known_until + 1
        by = "lapse" if wait.ended_by == "lapse" else "fact"
        out = paint(out, [Layer(wait.first, wait.last, wait.code, by, wait.source, wait.agreed_on)])
    return out


def on_file(found: Sequence[Wait]) -> list[tuple[int, int]]:
    return [(wait.agreed_on, wait.last) for wait in found if wait.ended_by not in ("cancelled", "superseded")]
