"""What one recipient can see of what the hub holds: mask, agreement and the person's own choices, fact by fact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.alerts import consent, masks
from services.alerts.belief import Span
from services.alerts.case import Case
from services.alerts.sharing import Readable, Shared, Sharing
from services.alerts.state import Alert, Recipient, Seen, Subject


@dataclass(slots=True)
class Sight:
    """One role's sight in one alert."""

    case: Case
    alert: Alert
    recipient: Recipient
    sharing: Sharing
    mask: frozenset[str] = field(init=False)
    relied: dict[str, None] = field(init=False, default_factory=dict)
    _licensed: dict[tuple[str, str, str], Readable] = field(init=False, default_factory=dict)
    _read: dict[tuple[str, str, str], Readable] = field(init=False, default_factory=dict)
    _subjects: list[tuple[Subject, Readable]] | None = field(init=False, default=None)
    _stands: dict[str, bool] = field(init=False, default_factory=dict)
    _status_from: dict[str, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.mask = masks.mask(self.case.policy, self.recipient.role, self.alert.rule)

    def licensed(self, fact: Shared) -> Readable:
        """What the agreement alone lets the role read, before the person's own choices."""
        key = (fact.source, fact.type, fact.agreement)
        known = self._licensed.get(key)
        if known is None:
            known = self._licensed[key] = self.sharing.readable(
                fact, self.recipient.role, self.alert.rule, self.case.today, lambda p: consent.allowed(self.case, p)
            )
        return known

    def readable(self, fact: Shared) -> Readable:
        key = (fact.source, fact.type, fact.agreement)
        known = self._read.get(key)
        if known is None:
            read = self.licensed(fact)
            known = self._read[key] = read.without(consent.held_back(self.case, fact.source, read.choices))
        return known

    def sees(self, fact: Seen | Subject, category: str) -> bool:
        """Mask and agreement both allow this category of this fact; the agreement relied on is remembered, unless its
        name would give its party away to one who may not know that this service knows the person."""
        if category not in self.mask:
            return False
        read = self.readable(fact)
        if category not in read.categories:
            return False
        tells = masks.KIND_TELLS.get(fact.source_kind)
        if tells is None or tells in self.mask:
            self.relied[read.agreement] = None
        return True

    def evidence(self) -> Iterator[Seen]:
        for event_id in self.alert.evidence:
            fact = self.case.fact(event_id)
            if fact is not None:
                yield fact

    def subjects(self) -> list[tuple[Subject, Readable]]:
        """Best namers first: the recipient's own organisation, then by authority of source, latest first. With each,
        what may be read of it."""
        if self._subjects is None:
            best, team = self.case.namers, self.recipient.team
            own = [subject for subject in best if subject.source == team]
            others = [subject for subject in best if subject.source != team] if own else best
            self._subjects = [(subject, self.readable(subject)) for subject in (*own, *others)]
        return self._subjects

    def of_subject(self, name: str, category: str) -> str:
        """A subject field from the best source that may be shown."""
        if category not in self.mask:
            return ""
        path = f"subject.{name}"
        for subject, readable in self.subjects():
            value = subject.fields.get(name)
            if value and readable.fields.get(path) == category:
                self.sees(subject, category)
                return value
        return ""

    def knows_status(self) -> bool:
        """Whether what the hub derives may be shown: some fact behind it must be covered for status."""
        return any(self.sees(fact, "status") for fact in self.case.sorts)

    def knows_span(self, span: Span) -> bool:
        """Whether days may be shown: of what their source told, something must still be covered for status."""
        known = self._status_from.get(span.source)
        if known is None:
            told = [fact for fact in self.case.sorts if fact.source == span.source]
            known = self._status_from[span.source] = not told or any(self.sees(fact, "status") for fact in told)
        return known

    def stands(self, category: str) -> bool:
        """Whether the hub's own words may give a category away: the mask allows it, and so does the agreement of some
        fact of that category. Where none is held the words tell of an absence: then some fact must be readable."""
        known = self._stands.get(category)
        if known is None:
            known = self._stands[category] = category in self.mask and self._covered(category)
        return known

    def _covered(self, category: str) -> bool:
        if category == "status":
            return self.knows_status()
        facts = self.case.sorts
        held = [fact for fact in facts if masks.category_of(fact.type) == category]
        if held:
            return any(self.sees(fact, category) for fact in held)
        return any(self.readable(fact).categories for fact in facts)
