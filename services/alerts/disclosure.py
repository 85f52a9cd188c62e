"""THE disclosure gate: the one function that turns what the hub knows into what one recipient may see.

Nothing else in the hub shows anything about a person. A recipient reads the intersection of three things: what the
agreement of each fact lets the role read for this rule, what the role's mask allows, and what the value itself does
not give away. Every text is built from what passed; nothing is built first and cut later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from services.alerts import consent, masks, words
from services.alerts.belief import Span
from services.alerts.case import Case
from services.alerts.sharing import Readable, Shared, Sharing
from services.alerts.state import Alert, Recipient, Seen, Subject, Value

SPANS_MAX = 12
_CONTACT = (("postcode", "Postcode"), ("address_line", "Address"), ("phone", "Phone"), ("email", "Email"))


@dataclass(frozen=True, slots=True)
class Line:
    """One labelled value."""

    label: str
    value: str
    category: str


@dataclass(frozen=True, slots=True)
class ViewSpan:
    """A stretch of the timeline as the recipient may read it."""

    start: date
    end: date | None
    label: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something not shown, named only where naming it says nothing about the person."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class View:
    """All that one recipient may see of one alert."""

    headline: str
    lines: tuple[Line, ...] = ()
    why: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    timeline: tuple[ViewSpan, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    agreements: tuple[str, ...] = ()
    policy: str = ""

    def fields(self) -> Mapping[str, object]:
        """The shape of ``View`` in alert.v1."""
        # By hand: dataclasses.asdict copies deeply, and took a twelfth of what deciding an alert costs.
        return {
            "headline": self.headline,
            "lines": [{"label": one.label, "value": one.value, "category": one.category} for one in self.lines],
            "why": list(self.why),
            "todo": list(self.todo),
            "timeline": [{"start": span.start, "end": span.end, "label": span.label} for span in self.timeline],
            "withheld": [{"what": one.what, "why": one.why} for one in self.withheld],
            "agreements": list(self.agreements),
            "policy": self.policy,
        }


@dataclass(slots=True)
class _Eyes:
    """One role's sight in one alert."""

    case: Case
    alert: Alert
    recipient: Recipient
    sharing: Sharing
    mask: frozenset[str] = field(init=False)
    relied: dict[str, None] = field(init=False, default_factory=dict)
    _read: dict[tuple[str, str, str], Readable] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.mask = masks.mask(self.case.policy, self.recipient.role, self.alert.rule)

    def readable(self, fact: Shared) -> Readable:
        key = (fact.source, fact.type, fact.agreement)
        known = self._read.get(key)
        if known is None:
            read = self.sharing.readable(
                fact, self.recipient.role, self.alert.rule, self.case.today, lambda p: consent.allowed(self.case, p)
            )
            known = self._read[key] = read.without(consent.held_back(self.case, fact.source, read.choices))
        return known

    def sees(self, fact: Shared, category: str) -> bool:
        """Mask and agreement both allow this category of this fact; the agreement relied on is remembered."""
        if category not in self.mask:
            return False
        read = self.readable(fact)
        if category not in read.categories:
            return False
        self.relied[read.agreement] = None
        return True

    def evidence(self) -> Iterator[Seen]:
        for event_id in self.alert.evidence:
            fact = self.case.fact(event_id)
            if fact is not None:
                yield fact

    def subjects(self) -> list[Subject]:
        """Best namers first: the recipient's own organisation, then by authority of source, latest first."""
        order = {kind: n for n, kind in enumerate(self.case.policy.identity_authority)}
        return sorted(
            self.case.state.subjects,
            key=lambda s: (
                s.source != self.recipient.team,
                order.get(s.source_kind, len(order)),
                -s.effective_on.toordinal(),
                s.source,
            ),
        )

    def of_subject(self, name: str, category: str) -> str:
        """A subject field from the best source that may be shown."""
        if category not in self.mask:
            return ""
        for subject in self.subjects():
            value = subject.fields.get(name)
            if value and self.readable(subject).fields.get(f"subject.{name}") == category:
                self.sees(subject, category)
                return value
        return ""

    def knows_status(self) -> bool:
        """Whether what the hub derives may be shown: some fact behind it must be covered for status."""
        return any(self.sees(fact, "status") for fact in self.case.state.facts)


def disclose(case: Case, alert: Alert, recipient: Recipient, sharing: Sharing) -> View:
    """What ``recipient`` may see of ``alert`` today. Pure."""
    eyes = _Eyes(case, alert, recipient, sharing)
    name = " ".join(
        n for n in (eyes.of_subject("given_name", "identity"), eyes.of_subject("family_name", "identity")) if n
    )
    status = "status" in eyes.mask and eyes.knows_status()
    title = _title(eyes)
    lines = (*_identity(eyes, name), *_status(eyes, status), *_facts(eyes), *_others(eyes))
    told = _told(eyes)
    relied = tuple(sorted(agreement for agreement in eyes.relied if agreement))
    withheld = _withheld(eyes)
    return View(
        headline=f"{title}: {name}" if name else title,
        # Two events that say the same are one line.
        lines=tuple(dict.fromkeys(lines)),
        why=(*told, *_why(eyes, title, relied, withheld)),
        todo=words.TODO.get(alert.rule, words.TODO_OTHERS),
        timeline=_timeline(eyes) if status else (),
        withheld=withheld,
        agreements=relied,
        policy=sharing.digest,
    )


def taken_away(sharing: Sharing) -> View:
    """What remains for a recipient who may no longer see an alert: that it was there, and nothing of it."""
    return View(
        headline="No longer shared with you",
        why=("The consent or agreement that let us share this has ended or is suspended.",),
        todo=("Do not use what you read here before.",),
        policy=sharing.digest,
    )


def seen_now(case: Case, alert: Alert, sharing: Sharing) -> str:
    """Digest of every view of an alert, to notice when one changes."""
    found = hashlib.sha256()
    for recipient in alert.recipients:
        view = disclose(case, alert, recipient, sharing)
        found.update(repr((recipient.role, view.headline, view.lines, view.timeline)).encode())
    return found.hexdigest()[:16]


def _title(eyes: _Eyes) -> str:
    category, title, otherwise = words.TITLES.get(eyes.alert.rule, ("", "Alert", "Alert"))
    return title if not category or category in eyes.mask else otherwise


def _identity(eyes: _Eyes, name: str) -> Iterator[Line]:
    if name:
        yield Line("Name", name, "identity")
    born = eyes.of_subject("date_of_birth", "identity")
    if born:
        yield Line("Date of birth", words.day(date.fromisoformat(born)), "identity")
    for field_name, label in _CONTACT:
        value = eyes.of_subject(field_name, "contact")
        if value:
            yield Line(label, value, "contact")


def _status(eyes: _Eyes, status: bool) -> Iterator[Line]:
    case = eyes.case
    span = case.belief.span(case.today)
    if status:
        label = words.GROUPS["NOT_KNOWN"] if span is None else code_label(eyes, span)
        yield Line("Status today", label, "status")
        if span is not None and label != words.NOT_SHOWN:
            yield Line("Since", words.day(span.start), "status")
    groups = case.groups()
    seen = [g for g in groups if masks.GROUP_TELLS[g] in eyes.mask]
    if seen:
        named = words.listed([words.GROUP_NAMES[g] for g in seen])
        yield Line("Priority", words.sentence_case(named), masks.GROUP_TELLS[seen[0]])
    elif groups and "status" in eyes.mask:
        yield Line("Priority", "Priority group", "status")


def code_label(eyes: _Eyes, span: Span) -> str:
    """A code in words, as exact as the role may read it."""
    exact = words.sentence_case(eyes.case.policy.directory.code_means.get(span.code, ""))
    group = words.GROUPS.get(span.group, words.NOT_SHOWN)
    if span.group == "CUSTODY":
        return exact if "youth_justice" in eyes.mask else words.NOT_SHOWN
    if span.group == "NEET_UNAVAILABLE":
        reduced = eyes.recipient.role in eyes.case.policy.masks.group_only or "neet_reason" not in eyes.mask
        return group if reduced else exact
    needs = {"3": "employment", "6": "neet_reason", "8": "status"}.get(span.code[:1], "education")
    return exact if needs in eyes.mask and exact else group


def _facts(eyes: _Eyes) -> Iterator[Line]:
    """Fields of the facts behind the alert, each by its own category."""
    for fact in eyes.evidence():
        kind = masks.category_of(fact.type)
        if kind not in eyes.mask or kind not in eyes.readable(fact).categories:
            continue
        for path, category in sorted(eyes.readable(fact).fields.items()):
            name = path.removeprefix("data.")
            if path.startswith("data.") and name in fact.data and category in eyes.mask:
                value = _value(eyes, fact, name)
                if value and eyes.sees(fact, category):
                    yield Line(words.label(name), value, category)


def _value(eyes: _Eyes, fact: Seen, name: str) -> str:
    """A value in words; empty if it would give away what the role may not see."""
    raw = fact.data[name]
    names = eyes.case.policy.directory.party_name
    items = [names.get(item, item) for item in _texts(raw)]
    if name == "neet_reason" and eyes.recipient.role in eyes.case.policy.masks.group_only:
        return "" if str(raw) in ("seeking", "not_ready") else words.GROUPS["NEET_UNAVAILABLE"]
    shown = []
    for item in items:
        tells = masks.tells(eyes.case.policy, item)
        if tells is None or tells in eyes.mask:
            shown.append(item)
    if isinstance(raw, bool):
        return "Yes" if raw else "No"
    day = fact.day(name) if name.endswith("_on") or name in ("since", "period_from") else None
    if day is not None:
        return words.day(day)
    return words.sentence_case(words.listed([item.replace("_", " ") for item in shown])) if shown else ""


def _texts(raw: Value) -> list[str]:
    if isinstance(raw, list):
        return raw
    if isinstance(raw, float) and raw == int(raw):
        return [str(int(raw))]
    return [] if raw is None else [str(raw)]


def _others(eyes: _Eyes) -> Iterator[Line]:
    """Who else was told, leaving out services that the reader may not know of."""
    policy = eyes.case.policy
    others = [
        words.role(recipient.role)
        for recipient in eyes.alert.recipients
        if recipient.role != eyes.recipient.role
        and ((tells := masks.tells(policy, recipient.role)) is None or tells in eyes.mask)
    ]
    if others and "identity" in eyes.mask:
        yield Line("Also told", words.sentence_case(words.listed(others)), "identity")


def _told(eyes: _Eyes) -> tuple[str, ...]:
    """Who told us what, when: only facts whose category the role may read."""
    said = []
    for fact in eyes.evidence():
        category = masks.category_of(fact.type)
        if not category or not eyes.sees(fact, category):
            continue
        what = words.SAYS.get(fact.type, words.SAYS_OTHERWISE)
        said.append(f"{_party(eyes, fact)} told us on {words.day(fact.received_on)} that {what}.")
    return tuple(said)


def _party(eyes: _Eyes, fact: Seen) -> str:
    """A source is named only where its name gives nothing away."""
    tells = masks.KIND_TELLS.get(fact.source_kind)
    if tells is not None and tells not in eyes.mask:
        return "A partner"
    return eyes.case.policy.directory.party_name.get(fact.source, "A partner")


def _why(eyes: _Eyes, title: str, relied: tuple[str, ...], withheld: tuple[Withheld, ...]) -> Iterator[str]:
    yield f"You are told as {words.role(eyes.recipient.role)}."
    yield f"Rule: {title}."
    if relied:
        noun, verb = ("Agreement", "lets") if len(relied) == 1 else ("Agreements", "let")
        yield f"{noun} {words.listed(list(relied))} {verb} us share this."
    if withheld:
        yield f"Not shared: {words.listed([item.what for item in withheld])}."


def _withheld(eyes: _Eyes) -> tuple[Withheld, ...]:
    """What the facts behind the alert hold beyond what may be shown, only of categories the role's mask allows.

    A fact of which the role may read nothing is not mentioned: it must not even learn that the fact exists.
    """
    found: dict[Withheld, None] = {}
    for fact in eyes.evidence():
        read = eyes.readable(fact)
        if not read.categories or masks.category_of(fact.type) not in eyes.mask:
            continue
        for category in eyes.case.policy.masks.categories:
            if category in read.hidden & eyes.mask:
                found[Withheld(category.replace("_", " "), "agreement")] = None
        for path in sorted(consent.held_back(eyes.case, fact.source, read.choices)):
            if path.removeprefix("data.") in fact.data:
                found[Withheld(words.label(path.rpartition(".")[2]).lower(), "choice")] = None
        for name in fact.withheld:
            found[Withheld(words.label(name.rpartition(".")[2]).lower(), "source")] = None
    return tuple(found)


def _timeline(eyes: _Eyes) -> tuple[ViewSpan, ...]:
    """Status over time as the role may read it, neighbours that read alike joined."""
    out: list[ViewSpan] = []
    today = eyes.case.today
    for span in eyes.case.belief.timeline:
        if span.start > today:
            break
        label = code_label(eyes, span)
        if out and out[-1].label == label:
            out[-1] = ViewSpan(out[-1].start, _past(span.end, today), label)
        else:
            out.append(ViewSpan(span.start, _past(span.end, today), label))
    return tuple(out[-SPANS_MAX:])


def _past(day: date | None, today: date) -> date | None:
    """An end that lies ahead is a guess, not history."""
    return day if day is not None and day < today else None
