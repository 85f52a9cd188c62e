"""The belief: a pure function of the set of known observations, projected into the future (docs/adr/0002)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.status import awaiting, characteristics, codes, conflict, fold, plan
from services.status.activity import LEFT, Activity, activities
from services.status.awaiting import Wait
from services.status.characteristics import Mark
from services.status.claims import claims
from services.status.custody import custody
from services.status.days import FOREVER
from services.status.facts import Facts, Seen
from services.status.neet import neet
from services.status.plan import PlanState
from services.status.policy import Policy
from services.status.spans import Layer, merged, paint
from services.status.spells import Episode, episodes


@dataclass(frozen=True, slots=True)
class Belief:
    """What is held true about one person, as far as nothing new arrives. ``timeline`` has no hole and is ordered."""

    born: int | None
    timeline: tuple[Layer, ...]
    episodes: tuple[Episode, ...]
    marks: tuple[Mark, ...]
    waits: tuple[Wait, ...]
    plans: tuple[PlanState, ...]

    def span(self, day: int) -> Layer | None:
        return next((span for span in self.timeline if span.start <= day <= span.end), None)

    def code(self, day: int) -> str:
        """Before the first known day, and for a person without a fact, not known."""
        span = self.span(day)
        return codes.NOT_KNOWN if span is None else span.code

    def over(self, day: int) -> bool:
        """Whether the person died or moved abroad for good before ``day``."""
        return bool(self.timeline) and self.timeline[-1].end < day

    def marked(self, name: str, day: int) -> bool:
        return any(mark.name == name and mark.start <= day <= mark.end for mark in self.marks)


def belief(live: Sequence[Seen], policy: Policy) -> Belief:
    """The belief of live facts (no duplicate, nothing taken back), which come in the policy's order."""
    born = date_of_birth(live, policy)
    facts = Facts(live)
    found = activities(facts, policy)
    claimed = claims(facts)
    inside = custody(facts, born)
    known = paint(fold.eet(found), inside)
    busy = merged((span.start, span.end) for span in known)
    known = paint(neet(facts, found, busy, claimed, policy), known)
    starts = sorted(one.since for one in found if one.code != codes.VOLUNTARY)
    agreed = awaiting.waits(facts, starts, born, policy)
    if agreed:
        known = _with_waits(known, agreed, policy)
    if facts.has("circumstance.moved_abroad", "circumstance.died"):
        known = fold.left_the_country(known, facts)
    timeline = _joined(fold.without_holes(known, facts, policy))
    spells = episodes(timeline, policy)
    on_file = awaiting.on_file(agreed)
    marks = [
        *characteristics.marks(facts, born, policy),
        *(Mark(start, end, "ehcp") for start, end in merged(plan.maintained(facts, born, policy))),
        *(Mark(a, b, "custody") for a, b in merged((span.start, span.end) for span in inside)),
        *(Mark(a, b, "presumed_neet") for a, b in _presumed(timeline, found, agreed)),
        *(Mark(one.start, one.end, "re_entry") for one in spells if one.re_entry),
        *conflict.conflicts(facts, timeline, found, on_file, claimed, policy),
    ]
    return Belief(
        born,
        tuple(timeline),
        tuple(spells),
        tuple(sorted(marks)),
        tuple(agreed),
        tuple(plan.history(facts, born, policy)) if facts.has("ehcp.issued") else (),
    )


def date_of_birth(live: Sequence[Seen], policy: Policy) -> int | None:
    """POLICY 4.4: by the kind of party highest in the list; among equals, the latest word."""
    best: tuple[int, int, str] | None = None
    born: int | None = None
    last = len(policy.date_of_birth_rank)
    for seen in live:
        if seen.born is None:
            continue
        key = (-policy.date_of_birth_rank.get(seen.source_kind, last), seen.received, seen.id)
        if best is None or key > best:
            best, born = key, seen.born
    return born


def _with_waits(known: Sequence[Layer], agreed: Sequence[Wait], policy: Policy) -> list[Layer]:
    """Agreed starts over established NEET, under EET and custody."""
    top = [
        span for span in known if codes.GROUPS[span.code] in codes.EET_GROUPS or codes.GROUPS[span.code] == "CUSTODY"
    ]
    below = [span for span in known if codes.GROUPS[span.code] in codes.NEET_GROUPS]
    return paint(paint(below, awaiting.layers(agreed, known, policy)), top)


def _joined(spans: Sequence[Layer]) -> list[Layer]:
    """The timeline as it is told: why each span ends, neighbours that say the same joined, the last one open."""
    out: list[Layer] = []
    for span in spans:
        if out and out[-1].code == span.code and out[-1].source == span.source and out[-1].since == span.since:
            out[-1] = span._replace(start=out[-1].start)
        else:
            out.append(span)
    return [span._replace(ends_by="open") if span.end >= FOREVER else span for span in out]


def _presumed(timeline: Sequence[Layer], found: Sequence[Activity], agreed: Sequence[Wait]) -> list[tuple[int, int]]:
    """Unknown days after an EET fact that ended by leaving without a confirmed destination (POLICY 3.6)."""
    stretches = []
    after = [span.end for span in timeline if codes.GROUPS[span.code] in codes.NEET_GROUPS]
    for span in timeline:
        if codes.GROUPS[span.code] != "NOT_KNOWN":
            continue
        before = [one for one in found if one.last < span.start and one.code != codes.VOLUNTARY]
        last = max(before, key=lambda one: (one.last, one.order), default=None)
        if last is None or last.ended != LEFT:
            continue
        agreed_since = any(last.last < wait.last and wait.agreed_on < span.start for wait in agreed)
        neet_since = any(last.last < end < span.start for end in after)
        if not agreed_since and not neet_since:
            stretches.append((span.start, span.end))
    return merged(stretches)
