"""POLICY 3.3 and 3.5: who establishes NEET, from which day, for what reason, and until when it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.status import codes
from services.status.activity import Activity
from services.status.claims import Claimed
from services.status.days import FOREVER
from services.status.facts import (
    COUNCIL_WORKERS,
    Birth,
    Contact,
    Facts,
    JobEnded,
    ProvisionEnded,
    Withdrawn,
)
from services.status.policy import Policy
from services.status.spans import Layer, covering, last_before

#: What an item does on its day. The number orders items of one day: reasons after what establishes. Within one number
#: the policy's order of facts decides, so the later word about one day counts.
ESTABLISH, CHANGE, VERIFY, STOP = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Item:
    """Something on a day that bears on NEET; for what establishes it, ``day`` is the evidence day."""

    day: int
    rank: int
    code: str
    source: str
    since: int | None = None
    #: A regime's word: establishes, and changes no reason but a regime's.
    hint: bool = False


@dataclass(slots=True)
class _Run:
    """NEET without a hole: its segments, and until when the last one holds if nobody verifies it."""

    start: int
    code: str
    source: str
    until: int
    segments: list[Layer] = field(default_factory=list)
    #: The code below voluntary work, to which the status falls back when that ends.
    below: str = ""
    #: Nobody but a regime has told the reason.
    hinted: bool = False

    def to(self, day: int, code: str, source: str) -> None:
        """A different reason from ``day`` on."""
        if day > self.start:
            self.segments.append(Layer(self.start, day - 1, self.code, "fact", self.source, self.start))
        self.below = self.code if code == codes.VOLUNTARY else ""
        self.start, self.code, self.source = day, code, source

    def end(self, day: int, by: str) -> list[Layer]:
        if day >= self.start:
            self.segments.append(Layer(self.start, day, self.code, by, self.source, self.start))
        return self.segments


def neet(
    facts: Facts, found: Sequence[Activity], busy: Sequence[tuple[int, int]], claims: Sequence[Claimed], policy: Policy
) -> list[Layer]:
    """Days of established NEET, below EET and custody (``busy``), with reason; disjoint and ordered."""
    items = [
        *_contacts(facts),
        *_jobs_into_nothing(facts),
        *_left_and_claims(facts, found, busy, claims, policy),
        *_voluntary(found),
    ]
    # Most people are never NEET: the rest is not worth a look then.
    if not items:
        return []
    items += [*_reasons(facts), *_verifications(facts, policy)]
    items.sort(key=lambda item: (item.day, item.rank))
    layers: list[Layer] = []
    run: _Run | None = None
    for item in items:
        if covering(busy, item.day):
            continue
        last = last_before(busy, item.day)
        if run is not None and (run.until < item.day or (last is not None and last >= run.start)):
            layers += _finish(run, busy)
            run = None
        if run is None:
            if item.rank == ESTABLISH:
                held = layers[-1].end if layers else 0
                run = _begin(item, last, held, policy)
                if item.hint:
                    _since_the_start(run, item, items, policy)
        else:
            _go_on(run, item, policy)
    return layers if run is None else layers + _finish(run, busy)


def _begin(item: Item, last: int | None, held: int, policy: Policy) -> _Run:
    """Dated back to the day after the last EET or custody day, if the evidence is near enough; else to ``since``."""
    if last is not None and item.day - last <= policy.neet_backdate_days:
        start = last + 1
    elif item.since is not None and item.since <= item.day:
        start = item.since if last is None else max(item.since, last + 1)
    else:
        start = item.day
    until = _holds_until(item.day, item.code, policy)
    return _Run(max(start, held + 1), item.code, item.source, until, hinted=item.hint)


def _since_the_start(run: _Run, item: Item, items: Sequence[Item], policy: Policy) -> None:
    """A regime says nothing of the reason: what is known of it since the first NEET day counts."""
    for earlier in items:
        if earlier.rank == CHANGE and run.start <= earlier.day < item.day:
            _go_on(run, earlier, policy)


def _holds_until(day: int, code: str, policy: Policy) -> int:
    lapse = policy.lapse_days.get(code)
    return FOREVER if lapse is None else day + lapse


def _go_on(run: _Run, item: Item, policy: Policy) -> None:
    if item.rank == STOP:
        if run.code == codes.VOLUNTARY:
            if run.below:
                run.to(item.day, run.below, run.source)
            else:
                run.until = item.day - 1
        return
    if item.rank != VERIFY and item.code != run.code and (run.hinted or not item.hint):
        run.to(item.day, item.code, item.source)
        run.until = _holds_until(item.day, run.code, policy)
    else:
        run.until = max(run.until, _holds_until(item.day, run.code, policy))
    run.hinted = run.hinted and (item.hint or item.rank == VERIFY)


def _finish(run: _Run, busy: Sequence[tuple[int, int]]) -> list[Layer]:
    """Until nobody verified it, or the day before the next EET or custody day."""
    following = min((start for start, _ in busy if start > run.start), default=FOREVER + 1)
    if following <= run.until:
        return run.end(following - 1, "fact")
    return run.end(run.until, "lapse" if run.until < FOREVER else "fact")


# Evidence


def _contacts(facts: Facts) -> Iterable[Item]:
    for seen in facts.of("contact.verified"):
        told = Contact._make(seen.data)
        if told.activity == "not_in_eet":
            code = codes.OF_REASON.get(told.neet_reason or "", "619")
            yield Item(seen.on, ESTABLISH, code, seen.source, told.since)
        elif told.activity == "voluntary":
            yield Item(seen.on, ESTABLISH, codes.VOLUNTARY, seen.source, told.since)


def _jobs_into_nothing(facts: Facts) -> Iterable[Item]:
    for seen in facts.of("employment.ended"):
        told = JobEnded._make(seen.data)
        if told.next_activity == "not_in_eet" and seen.source_kind in COUNCIL_WORKERS:
            code = codes.OF_REASON.get(told.neet_reason or "", "619")
            yield Item(seen.on + 1, ESTABLISH, code, seen.source)


def _left_and_claims(
    facts: Facts,
    found: Sequence[Activity],
    busy: Sequence[tuple[int, int]],
    claims: Sequence[Claimed],
    policy: Policy,
) -> Iterable[Item]:
    """Withdrawal without confirmed destination, and a regime towards NEET: evidence once both are there.

    Another EET fact in between makes it an old withdrawal; custody in between does not.

    Each regime is evidence of its own and gives its own code. A hint: it establishes NEET but does not change the
    reason that somebody has established.
    """
    towards = [claim for claim in claims if claim.regime in policy.uc_towards_neet]
    if not towards:
        return
    for seen in facts.any_of("education.enrolment.withdrawn", "provision.ended"):
        if seen.type == "provision.ended":
            end = ProvisionEnded._make(seen.data)
            if end.completed or end.destination_confirmed:
                continue
        elif Withdrawn._make(seen.data).destination_confirmed:
            continue
        first_free = seen.on + 1
        for claim in towards:
            day = max(claim.start, first_free)
            if day > claim.end or covering(busy, day):
                continue
            if any(one.last > seen.on and one.since <= day and one.code != codes.VOLUNTARY for one in found):
                continue
            yield Item(day, ESTABLISH, policy.uc_towards_neet[claim.regime], seen.source, hint=True)


def _voluntary(found: Sequence[Activity]) -> Iterable[Item]:
    """Voluntary work without regulated study is NEET active while it lasts."""
    for one in found:
        if one.code == codes.VOLUNTARY:
            yield Item(one.since, ESTABLISH, codes.VOLUNTARY, one.source)
            if one.told_end is not None or one.planned is not None:
                yield Item(one.last + 1, STOP, codes.VOLUNTARY, one.source)


# Reasons and verification


def _reasons(facts: Facts) -> Iterable[Item]:
    for seen in facts.of("circumstance.pregnant"):
        yield Item(seen.on, CHANGE, "650", seen.source)
    for seen in facts.of("circumstance.birth"):
        if Birth._make(seen.data).living_with_child:
            yield Item(seen.on, CHANGE, "630", seen.source)
    for seen in facts.of("circumstance.illness"):
        yield Item(seen.on, CHANGE, "640", seen.source)


def _verifications(facts: Facts, policy: Policy) -> Iterable[Item]:
    """Verifying events that say nothing of the reason themselves."""
    for name in policy.verifying_types:
        if name == "contact.verified":
            continue
        for seen in facts.of(name):
            if name in ("ehcp.review_meeting_held", "in_touch_day.held") and not seen.data[0]:
                continue
            yield Item(seen.on, VERIFY, "", seen.source)
