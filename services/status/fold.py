"""POLICY 3.2: what decides a day: custody, the main EET activity, an agreed start, established NEET, else not known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from services.status.activity import Activity
from services.status.codes import NO_CONTACT, NOT_DISCLOSED, NOT_KNOWN, OF_KIND, RANK
from services.status.days import FOREVER
from services.status.facts import Abroad, Contact, ContactFailed, Died, Facts
from services.status.policy import Policy
from services.status.spans import Layer

_Key = tuple[int, int, tuple[int, int, int, str]]


def eet(found: Sequence[Activity]) -> list[Layer]:
    """The main activity of each day: by rank, among equals the later start."""
    pieces = [piece for one in found for piece in _pieces(one)]
    if len(pieces) < 2:
        return [piece for _, piece in pieces]
    cuts = sorted({piece.start for _, piece in pieces} | {piece.end + 1 for _, piece in pieces})
    out: list[Layer] = []
    for start, following in pairwise(cuts):
        running = [(key, piece) for key, piece in pieces if piece.start <= start <= piece.end]
        if not running:
            continue
        _, best = max(running, key=lambda pair: pair[0])
        last = out[-1] if out else None
        if last is not None and last.end == start - 1 and last._replace(end=best.end, start=best.start) == best:
            out[-1] = last._replace(end=following - 1)
        else:
            out.append(best._replace(start=start, end=following - 1))
    return [_why_it_ends(one, pieces) for one in out]


def _pieces(one: Activity) -> list[tuple[_Key, Layer]]:
    by = "fact" if one.told_end is not None or one.last >= FOREVER else "lapse"
    found: list[tuple[_Key, Layer]] = []
    steps = sorted(one.steps, key=lambda step: step[0])
    for n, (start, code, hours) in enumerate(steps):
        end = steps[n + 1][0] - 1 if n + 1 < len(steps) else one.last
        end = min(end, one.last)
        if start <= end and code in RANK:
            key = (RANK[code], one.since, one.order)
            piece = Layer(start, end, code, by, one.source, one.since, one.carried_from, hours, one.higher_education)
            found.append((key, piece))
    return found


def _why_it_ends(one: Layer, pieces: Sequence[tuple[_Key, Layer]]) -> Layer:
    """A piece cut short by a better one ends by that fact."""
    whole = any(p.end == one.end and p.since == one.since and p.code == one.code for _, p in pieces)
    return one if whole else one._replace(ends_by="fact")


def left_the_country(spans: list[Layer], facts: Facts) -> list[Layer]:
    """Moved abroad for good: what ran that day ends with it; only what began later counts. Died: nothing follows."""
    for seen in facts.of("circumstance.moved_abroad"):
        if not Abroad._make(seen.data).returning:
            spans = [_cut(span, seen.on) if span.since <= seen.on else span for span in spans]
            spans = [span for span in spans if span.start <= span.end]
    for seen in facts.of("circumstance.died"):
        if Died._make(seen.data).confirmed:
            spans = [_cut(span, seen.on) for span in spans if span.start <= seen.on]
    return spans


def _cut(span: Layer, last: int) -> Layer:
    return span._replace(end=last, ends_by="fact") if span.end > last else span


def without_holes(spans: Sequence[Layer], facts: Facts, policy: Policy) -> list[Layer]:
    """810 in every hole from the first day on; 820 or 830 from the day on which somebody tried or was refused."""
    if not spans:
        return []
    unknown = _attempts(facts, policy)
    out: list[Layer] = []
    day = spans[0].start
    for span in spans:
        if span.start > day:
            out += _hole(day, span.start - 1, unknown)
        out.append(span)
        day = span.end + 1
    final = _final_day(facts, spans[-1])
    if day <= final:
        out += _hole(day, final, unknown)
    return out


def _final_day(facts: Facts, last: Layer) -> int:
    """The day on which the timeline ends for good. What began after a move abroad says that it was not for good."""
    ends = [s.on for s in facts.of("circumstance.died") if Died._make(s.data).confirmed]
    abroad = (s.on for s in facts.of("circumstance.moved_abroad") if not Abroad._make(s.data).returning)
    return min([*ends, *(on for on in abroad if on >= last.start)], default=FOREVER)


def _attempts(facts: Facts, policy: Policy) -> list[tuple[int, str, str]]:
    """(day, code, source) of each attempt to learn the activity, ascending."""
    found = []
    for seen in facts.any_of("contact.failed", "contact.verified"):
        if seen.type == "contact.failed":
            told = ContactFailed._make(seen.data)
            if told.attempts >= policy.failed_contact_attempts_for_820 and not told.address_current:
                found.append((seen.on, NO_CONTACT, seen.source))
        else:
            said = Contact._make(seen.data).activity
            if said == "not_disclosed":
                found.append((seen.on, NOT_DISCLOSED, seen.source))
            elif said not in OF_KIND and said != "not_in_eet":
                found.append((seen.on, NOT_KNOWN, ""))
    return found


def _hole(start: int, end: int, attempts: Sequence[tuple[int, str, str]]) -> list[Layer]:
    out = [Layer(start, end, NOT_KNOWN, "fact", "", start)]
    for day, code, source in attempts:
        if start <= day <= end and code != out[-1].code:
            if day > out[-1].start:
                out[-1] = out[-1]._replace(end=day - 1)
                out.append(Layer(day, end, code, "fact", source, day))
            else:
                out[-1] = Layer(day, end, code, "fact", source, day)
    return out
