"""THE disclosure gate: the one function that turns what the hub knows into what one recipient may see.

Nothing else in the hub shows anything about a person. A recipient reads the intersection of three things: what the
agreement of each fact lets the role read for this rule, what the role's mask allows, and what the value itself does
not give away. Every text is built from what passed; nothing is built first and cut later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from services.alerts import breaches, consent, masks, words
from services.alerts.belief import Belief, Span
from services.alerts.case import Case
from services.alerts.sharing import Sharing
from services.alerts.sight import Sight
from services.alerts.state import Alert, Recipient, Seen, Value

SPANS_MAX = 12
_CONTACT = (("postcode", "Postcode"), ("address_line", "Address"), ("phone", "Phone"), ("email", "Email"))


class Line(NamedTuple):
    """One labelled value."""

    label: str
    value: str
    category: str


class ViewSpan(NamedTuple):
    """A stretch of the timeline as the recipient may read it."""

    start: date
    end: date | None
    label: str


class Withheld(NamedTuple):
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


def disclose(case: Case, alert: Alert, recipient: Recipient, sharing: Sharing) -> View:
    """What ``recipient`` may see of ``alert`` today. Pure. Asked again within one step, it is not worked out again."""
    about = (alert.rule, alert.evidence, alert.recipients, alert.tag, alert.source, alert.anchor)
    key = (recipient, *about, id(sharing))
    view = case.views.get(key)
    if view is None:
        view = case.views[key] = _disclose(case, alert, recipient, sharing)
    assert isinstance(view, View)
    return view


def _disclose(case: Case, alert: Alert, recipient: Recipient, sharing: Sharing) -> View:
    eyes = Sight(case, alert, recipient, sharing)
    name = " ".join(
        n for n in (eyes.of_subject("given_name", "identity"), eyes.of_subject("family_name", "identity")) if n
    )
    status = "status" in eyes.mask and eyes.knows_status()
    title = _title(eyes)
    partner = _partner(eyes)
    lines = (*_feed(partner), *_identity(eyes, name), *_status(eyes, status), *_facts(eyes), *_others(eyes))
    told = _told(eyes)
    relied = tuple(sorted(agreement for agreement in eyes.relied if agreement))
    withheld = _withheld(eyes)
    return View(
        headline=f"{title}: {about}" if (about := name or partner) else title,
        # Two events that say the same are one line.
        lines=tuple(dict.fromkeys(lines)),
        why=(*told, *_why(eyes, title, relied, withheld)),
        todo=words.todo(alert.rule, masked=title != words.title(alert.rule)),
        timeline=_timeline(eyes) if status else (),
        withheld=withheld,
        agreements=relied,
        policy=sharing.digest,
    )


def about(case: Case, recipient: Recipient, sharing: Sharing) -> View | None:
    """What ``recipient`` may see of a person when nothing is the matter, today. None where it may read nothing at all:
    then it may not know of the person either. Rows of agreements that are bound to a rule open nothing."""
    nothing = Alert("", "", "", case.today, case.today, "", 0, ())
    eyes = Sight(case, nothing, recipient, sharing)
    name = " ".join(
        n for n in (eyes.of_subject("given_name", "identity"), eyes.of_subject("family_name", "identity")) if n
    )
    status = "status" in eyes.mask and eyes.knows_status()
    lines = tuple(dict.fromkeys((*_identity(eyes, name), *_status(eyes, status))))
    if not lines:
        return None
    return View(
        headline=name,
        lines=lines,
        timeline=_timeline(eyes) if status else (),
        agreements=tuple(sorted(agreement for agreement in eyes.relied if agreement)),
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


def _title(eyes: Sight) -> str:
    if eyes.alert.tag in words.BREACHES:
        return words.BREACHES[eyes.alert.tag]
    category, title, otherwise = words.TITLES.get(eyes.alert.rule, words.TITLE_OTHERS)
    return title if not category or eyes.stands(category) else otherwise


def _partner(eyes: Sight) -> str:
    """Whose feed it is: about a feed, not a person, and so it gives nobody away."""
    return eyes.case.policy.directory.party_name.get(eyes.alert.source, "") if eyes.case.about_a_feed else ""


def _feed(partner: str) -> Iterator[Line]:
    if partner:
        yield Line("Partner", partner, "feed")


def _identity(eyes: Sight, name: str) -> Iterator[Line]:
    if name:
        yield Line("Name", name, "identity")
    born = eyes.of_subject("date_of_birth", "identity")
    if born:
        yield Line("Date of birth", words.day(date.fromisoformat(born)), "identity")
    for field_name, label in _CONTACT:
        value = eyes.of_subject(field_name, "contact")
        if value:
            yield Line(label, value, "contact")


def _status(eyes: Sight, status: bool) -> Iterator[Line]:
    case = eyes.case
    span = case.belief.span(case.today)
    if status:
        label = words.GROUPS["NOT_KNOWN"] if span is None else code_label(eyes, span)
        yield Line("Status today", label, "status")
        if span is not None and label != words.NOT_SHOWN:
            yield Line("Since", words.day(span.start), "status")
    groups = case.groups()
    seen = [g for g in groups if eyes.stands(masks.GROUP_TELLS[g])]
    if seen:
        named = words.listed([words.GROUP_NAMES[g] for g in seen])
        yield Line("Priority", words.sentence_case(named), masks.GROUP_TELLS[seen[0]])
    elif groups and status:
        yield Line("Priority", "Priority group", "status")


def code_label(eyes: Sight, span: Span) -> str:
    """A code in words, as exact as the role may read it."""
    exact = words.sentence_case(eyes.case.policy.directory.code_means.get(span.code, ""))
    group = words.GROUPS.get(span.group, words.NOT_SHOWN)
    if not eyes.knows_span(span):
        return words.NOT_SHOWN
    if span.group == "CUSTODY":
        return exact if eyes.stands("youth_justice") else words.NOT_SHOWN
    if span.group == "NEET_UNAVAILABLE":
        reduced = eyes.recipient.role in eyes.case.policy.masks.group_only or "neet_reason" not in eyes.mask
        return group if reduced else exact
    needs = {"3": "employment", "6": "neet_reason", "8": "status"}.get(span.code[:1], "education")
    return exact if needs in eyes.mask and exact else group


def _facts(eyes: Sight) -> Iterator[Line]:
    """Fields of the facts behind the alert, each by its own category."""
    for fact in eyes.evidence():
        kind, read = masks.category_of(fact.type), eyes.readable(fact)
        if kind not in eyes.mask or kind not in read.categories:
            continue
        for name in sorted(fact.data):
            category = read.fields.get(f"data.{name}")
            if category is not None and category in eyes.mask:
                value = _value(eyes, fact, name)
                if value and eyes.sees(fact, category):
                    yield Line(words.label(name), value, category)


def _value(eyes: Sight, fact: Seen, name: str) -> str:
    """A value in words; empty if it would give away what the role may not see."""
    raw = fact.data[name]
    if name == "neet_reason" and eyes.recipient.role in eyes.case.policy.masks.group_only:
        return "" if str(raw) in ("seeking", "not_ready") else words.GROUPS["NEET_UNAVAILABLE"]
    if isinstance(raw, bool):
        return "Yes" if raw else "No"
    day = fact.day(name) if name.endswith("_on") or name in ("since", "period_from") else None
    if day is not None:
        return words.day(day)
    names = eyes.case.policy.directory.party_name
    items = [names.get(item, item) for item in _texts(raw)]
    shown = []
    for item in items:
        tells = masks.tells(eyes.case.policy, item)
        if tells is None or tells in eyes.mask:
            shown.append(item)
    return words.sentence_case(words.listed([item.replace("_", " ") for item in shown])) if shown else ""


def _texts(raw: Value) -> list[str]:
    if isinstance(raw, list):
        return raw
    if isinstance(raw, float) and raw == int(raw):
        return [str(int(raw))]
    return [] if raw is None else [str(raw)]


def _others(eyes: Sight) -> Iterator[Line]:
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


def _told(eyes: Sight) -> tuple[str, ...]:
    """Who told us what, when: only facts whose category the role may read."""
    said = []
    for fact in eyes.evidence():
        category = masks.category_of(fact.type)
        if not category or not eyes.sees(fact, category):
            continue
        what = words.SAYS.get(fact.type, words.SAYS_OTHERWISE)
        said.append(f"{_party(eyes, fact)} told us on {words.day(fact.received_on)} that {what}.")
    return tuple(said)


def _party(eyes: Sight, fact: Seen) -> str:
    """A source is named only where its name gives nothing away."""
    tells = masks.KIND_TELLS.get(fact.source_kind)
    if tells is not None and tells not in eyes.mask:
        return "A partner"
    return eyes.case.policy.directory.party_name.get(fact.source, "A partner")


def _why(eyes: Sight, title: str, relied: tuple[str, ...], withheld: tuple[Withheld, ...]) -> Iterator[str]:
    yield f"You are told as {words.role(eyes.recipient.role)}."
    yield f"Rule: {title}."
    if eyes.alert.rule == "A39":
        yield from breaches.sentences(eyes.case, eyes.alert, _partner(eyes))
    elif eyes.case.about_a_feed and eyes.alert.tag in words.FEED:
        on = words.day(eyes.alert.anchor or eyes.case.today)
        yield f"{_partner(eyes) or 'A partner'}: {words.FEED[eyes.alert.tag]} Last extract: {on}."
    if relied:
        noun, verb = ("Agreement", "lets") if len(relied) == 1 else ("Agreements", "let")
        yield f"{noun} {words.listed(list(relied))} {verb} us share this."
    if withheld:
        yield f"Not shared: {words.listed([item.what for item in withheld])}."


def _withheld(eyes: Sight) -> tuple[Withheld, ...]:
    """What the facts behind the alert may hold beyond what is shown, and why it is not.

    Nothing is told of a fact unless the role may read that it is: mask and agreement must both allow the category of
    its type. Of such a fact only what the mask allows is named, and by its type: naming it does not say that the fact
    holds a value there. What a mask hides is named to nobody.
    """
    found: dict[Withheld, None] = {}
    for fact in eyes.evidence():
        licensed, kind = eyes.licensed(fact), masks.category_of(fact.type)
        if kind not in eyes.mask or kind not in licensed.categories:
            continue
        for category in eyes.case.policy.masks.categories:
            if category in licensed.hidden & eyes.mask:
                found[Withheld(category.replace("_", " "), "agreement")] = None
        held_back = consent.held_back(eyes.case, fact.source, licensed.choices)
        # What was left out at the gate stays out when the person lifts the instruction.
        dropped = licensed.choices & frozenset(fact.dropped)
        for why, paths in (("choice", held_back | dropped), ("source", frozenset(fact.withheld))):
            for path in sorted(paths):
                part, _, name = path.partition(".")
                category = licensed.fields.get(path, "")
                elsewhere = part == "subject" and eyes.of_subject(name, category)
                if category in eyes.mask and not elsewhere:
                    found[Withheld(words.label(name).lower(), why)] = None
    return tuple(found)


def _timeline(eyes: Sight) -> tuple[ViewSpan, ...]:
    return joined(eyes, eyes.case.belief, eyes.case.today, code_label)


def joined(eyes: Sight, belief: Belief, until: date, label_of: Callable[[Sight, Span], str]) -> tuple[ViewSpan, ...]:
    """Status over time as the role may read it, neighbours that read alike joined."""
    out: list[ViewSpan] = []
    for span in belief.timeline:
        if span.start > until:
            break
        label = label_of(eyes, span)
        if out and out[-1].label == label:
            out[-1] = ViewSpan(out[-1].start, _past(span.end, until), label)
        else:
            out.append(ViewSpan(span.start, _past(span.end, until), label))
    return tuple(out[-SPANS_MAX:])


def _past(day: date | None, today: date) -> date | None:
    """An end that lies ahead is a guess, not history."""
    return day if day is not None and day < today else None
