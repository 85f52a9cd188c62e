"""One person on one day, as the rules ask about them. Built once per step; answers are remembered while it lives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.alerts.belief import AWAITING, EET_GROUPS, NEET_GROUPS, Belief, Episode, Wait
from services.alerts.calendar import age_on
from services.alerts.facts import by_type
from services.alerts.policy import Policy
from services.alerts.state import Alert, Seen, Skip, State, Subject, facts_of

JOB_CODES = frozenset({"320", "330", "340", "350", "360", "380", "381"})
_EMPTY = Belief()


@dataclass(slots=True)
class Case:
    """What is known of a person, today. Alerts change while a step goes on; nothing else does."""

    state: State
    today: date
    policy: Policy
    alerts: list[Alert] = field(init=False)
    skips: list[Skip] = field(init=False)
    belief: Belief = field(init=False)
    #: What recipients may see today, once worked out (``services.alerts.disclosure``).
    views: dict[object, object] = field(init=False, default_factory=dict)
    #: Types of the live facts that are held, of whatever day.
    kinds: frozenset[str] = field(init=False)
    _by_type: Mapping[str, Sequence[Seen]] = field(init=False)
    _group: str = field(init=False, default="")
    _custody: bool | None = field(init=False, default=None)
    _marked: frozenset[str] = field(init=False)
    _namers: Sequence[Subject] | None = field(init=False, default=None)
    _sorted: dict[tuple[str, ...], Sequence[Seen]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        state, today = self.state, self.today
        self.alerts, self.skips = list(state.alerts), list(state.skipped)
        self.belief = belief = state.belief or _EMPTY
        facts = facts_of(state)
        self._by_type, self.kinds = facts.live, facts.kinds
        if state.copies and facts.taken_back:
            self._by_type = by_type(fact for fact in facts if not _is_gone(state, fact, facts.taken_back))
            self.kinds = frozenset(self._by_type)
        self._marked = belief.marked_on(today)

    # Facts

    def facts(self, *types: str) -> Sequence[Seen]:
        """Live facts of these types in the policy's order: the last is the latest."""
        if len(types) == 1:
            return self._by_type.get(types[0], ())
        known = self._sorted.get(types)
        if known is None:
            live = self._by_type
            held = [live[name] for name in types if name in live]
            one = held[0] if held else ()
            many = len(held) > 1
            known = sorted((fact for facts in held for fact in facts), key=lambda f: f.order) if many else one
            self._sorted[types] = known
        return known

    @property
    def believed(self) -> frozenset[str] | None:
        """Kinds of belief that are held, of whatever day; None of a record that is not linked to anybody yet."""
        return None if self.state.belief is None else self.belief.kinds

    @property
    def sorts(self) -> Collection[Seen]:
        """The first of each sort of fact that is held (``Facts.sorts``), live or not: what may be read of one of a
        sort, may be of all."""
        return facts_of(self.state).sorts.values()

    @property
    def about_a_feed(self) -> bool:
        """A partner's own feed and no person (docs/adr/0014): nothing is disclosed by telling the partner."""
        return self.state.person_id.startswith("feed:")

    def holds_any(self, types: frozenset[str]) -> bool:
        """Whether a live fact of one of these types is held, of whatever day."""
        return not types.isdisjoint(self._by_type)

    def latest(self, *types: str) -> Seen | None:
        """The latest fact of these types, today's or older."""
        today = self.today
        for fact in reversed(self._by_type.get(types[0], ()) if len(types) == 1 else self.facts(*types)):
            if fact.effective_on <= today:
                return fact
        return None

    def fact(self, event_id: str) -> Seen | None:
        for facts in self._by_type.values():
            for fact in facts:
                if fact.event_id == event_id:
                    return fact
        return None

    def since(self, day: date, *types: str) -> Iterator[Seen]:
        """Live facts of these types whose day is on or after ``day``."""
        return (fact for fact in self.facts(*types) if fact.effective_on >= day)

    def late(self, fact: Seen) -> bool:
        """Loaded history: received long after its day (POLICY P2)."""
        return (fact.received_on - fact.effective_on).days > self.policy.late_event_days

    # Status

    @property
    def group(self) -> str:
        if not self._group:
            self._group = self.belief.group(self.today)
        return self._group

    @property
    def in_eet(self) -> bool:
        return self.group in EET_GROUPS

    @property
    def in_neet(self) -> bool:
        return self.group in NEET_GROUPS

    @property
    def not_known(self) -> bool:
        return self.group == "NOT_KNOWN"

    @property
    def awaiting(self) -> bool:
        return self.group == AWAITING

    def marked(self, name: str, day: date | None = None) -> bool:
        return name in self._marked if day is None else self.belief.marked(name, day) is not None

    def custody_on(self, day: date) -> bool:
        return self.belief.group(day) == "CUSTODY" or self.marked("custody", day)

    @property
    def in_custody(self) -> bool:
        if self._custody is None:
            self._custody = self.group == "CUSTODY" or self.marked("custody")
        return self._custody

    @property
    def quiet(self) -> bool:
        return self.marked("quiet")

    def waits(self) -> Iterator[Wait]:
        """Agreed starts on file today: not cancelled, not yet run out."""
        for wait in self.belief.waits:
            if wait.agreed_on <= self.today <= wait.ends_on and wait.ended_by not in ("cancelled", "superseded"):
                yield wait

    @property
    def starts_soon(self) -> bool:
        """An agreed start at most so many days ahead (POLICY P9)."""
        limit = self.today + timedelta(days=self.policy.soon_start_days)
        return any(self.today <= wait.starts_on <= limit for wait in self.waits())

    @property
    def episode(self) -> Episode | None:
        return self.belief.episode(self.today)

    # Who they are

    @property
    def namers(self) -> Sequence[Subject]:
        """How each source names the person, by authority of source, then latest first."""
        if self._namers is None:
            order = {kind: n for n, kind in enumerate(self.policy.identity_authority)}
            self._namers = sorted(
                self.state.subjects,
                key=lambda s: (order.get(s.source_kind, len(order)), -s.effective_on.toordinal(), s.source),
            )
        return self._namers

    @property
    def born(self) -> date | None:
        return self.belief.date_of_birth

    @property
    def age(self) -> int | None:
        return None if self.born is None else age_on(self.born, self.today)

    def aged(self, years: int) -> bool:
        """Known to be at least ``years`` old."""
        return self.age is not None and self.age >= years

    @property
    def under_18(self) -> bool:
        return self.age is not None and self.age < 18

    @property
    def looked_after(self) -> bool:
        return self.marked("looked_after")

    @property
    def care_leaver(self) -> bool:
        return self.marked("care_leaver")

    @property
    def care_experienced(self) -> bool:
        return self.looked_after or self.care_leaver

    @property
    def ehcp(self) -> bool:
        return self.marked("ehcp")

    @property
    def yj_open(self) -> bool:
        return self.marked("yj_open")

    def groups(self) -> tuple[str, ...]:
        """Priority groups of today, in the policy's order."""
        return tuple(name for name in self.policy.priority_groups if name in self._marked)

    @property
    def priority(self) -> bool:
        return not self._marked.isdisjoint(self.policy.priority_groups)

    # Alerts

    def open(self, *rules: str) -> bool:
        return any(alert.outcome == "open" and alert.rule in rules for alert in self.alerts)

    def open_alert(self, rule: str) -> Alert | None:
        for alert in self.alerts:
            if alert.outcome == "open" and alert.rule == rule:
                return alert
        return None

    def of_rule(self, *rules: str) -> list[Alert]:
        return [alert for alert in self.alerts if alert.rule in rules]

    def had(self, rule: str, matter: str) -> bool:
        """Whether this matter was ever raised, other than in error."""
        return any((a.matter == matter or matter in a.folded) and counts(a) for a in self.of_rule(rule))

    def had_in_episode(self, episode: Episode, rules: Iterable[str], tag: str = "") -> bool:
        """Whether one of ``rules`` was raised for this episode, open or closed, however its first day moved since."""
        return any(
            same_episode(alert, episode) and counts(alert) and (not tag or alert.tag == tag)
            for alert in self.of_rule(*rules)
        )


def _is_gone(state: State, fact: Seen, taken_back: frozenset[tuple[str, str]]) -> bool:
    """Whether its source took it back, and every copy of it, too: what is said again stands (POLICY P3)."""
    said = [fact.message_id, *(copy.message_id for copy in state.copies if copy.of == fact.event_id)]
    return all((fact.source, message) in taken_back for message in said)


def same_episode(alert: Alert, episode: Episode) -> bool:
    """An alert belongs to the episode that touches the days it spoke of: its anchor up to its raise day."""
    anchor = alert.anchor or alert.raised_on
    return episode.start <= alert.raised_on and (episode.end is None or episode.end >= anchor)


def counts(alert: Alert) -> bool:
    """Raised in error does not count as raised, unless a worker said that it is about somebody else."""
    return alert.outcome != "retracted" or alert.barred
