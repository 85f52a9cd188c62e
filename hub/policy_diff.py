"""What changes between two compiled policies, in the terms of people: who may send, and who may read, what. Pure.

A change is of the compiled policy, not of the YAML, and it is what the hub will do: on each day the gate judges by the
agreement that began last, suspended or not, and by no other; what came under an agreement is read by that agreement's
own rows, whichever one the gate takes by now. Whatever lets more pass or shows more *widens*; whatever lets less pass
or shows less *narrows*.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from services.ingest.policy import Grant, SharingPolicy, parse_policy

ANY = "any"
Content = Mapping[str, Any]
Span = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Difference:
    """One party, event type and role (empty: about sending). ``condition``: rules, consent, ages, days."""

    direction: str
    party: str
    event: str
    role: str
    fields: tuple[str, ...]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class _Send:
    """A right to send: ages, both ends included; ``choice``: the person may hold the field back."""

    min_age: int
    max_age: int
    choice: bool

    def within(self, other: _Send) -> bool:
        ages = other.min_age <= self.min_age and self.max_age <= other.max_age
        return ages and (self.choice or not other.choice)

    def words(self, span: Span) -> str:
        choice = ", unless the person objects" if self.choice else ""
        return f"aged {self.min_age} to {self.max_age}, {_days(span)}{choice}"


@dataclass(frozen=True, slots=True)
class _Read:
    """A right to read: in alerts of a rule (or any), under a consent (or none). ``shows``: the field's category."""

    rule: str
    consent: str
    shows: str

    def within(self, other: _Read) -> bool:
        return other.rule in (ANY, self.rule) and other.consent in ("", self.consent)

    def words(self) -> str:
        consent = f", with consent {self.consent}" if self.consent else ""
        return (f"in alerts {self.rule}" if self.rule != ANY else "in any alert") + consent


_Reads = dict[tuple[str, str], set[_Read]]
#: Direction, role, field, the right itself or its words, which facts it is about.
_Told = tuple[str, str, str, _Read | str, str]


@dataclass(frozen=True, slots=True)
class _Policy:
    """A compiled policy and the gate's own reading of it."""

    content: Content
    gate: SharingPolicy
    grants: Mapping[tuple[str, str, str], Content] = field(repr=False)
    covering: Mapping[tuple[str, str], list[str]] = field(repr=False)

    @classmethod
    def of(cls, content: Content) -> _Policy:
        grants = {(one["provider"], one["type"], one["agreement"]): one for one in content["grants"]}
        covering: dict[tuple[str, str], list[str]] = {}
        for provider, kind, name in grants:
            covering.setdefault((provider, kind), []).append(name)
        return cls(content, parse_policy(content, ""), grants, covering)

    def judged_by(self, party: str, event: str, day: date) -> Grant | None:
        """What lets the party's event pass on that day; None if nothing does."""
        grant = self.gate.grant(event, party, day)
        return None if grant is None or grant.agreement.suspended else grant

    def agreements(self, party: str, event: str) -> list[str]:
        """All that cover the event, whichever the gate takes."""
        return self.covering.get((party, event), [])

    def reading(self, party: str, event: str, name: str) -> tuple[Content | None, ...]:
        """All that ``reads`` goes by."""
        held = self.content["agreements"].get(name) or {}
        return self.grants.get((party, event, name)), held.get("status"), held.get("recipients")

    def reads(self, party: str, event: str, name: str) -> _Reads:
        """(role, field) -> rights to read what came under an agreement; nothing while it is suspended."""
        grant = self.grants.get((party, event, name))
        held = self.content["agreements"].get(name)
        rights: _Reads = {}
        if grant is None or held is None or held["status"] != "active":
            return rights
        for row in held["recipients"]:
            for path in _readable(grant, row):
                for rule in row["rules"] or (ANY,):
                    right = _Read(rule, row["consent"] or "", grant["items"][path])
                    rights.setdefault((row["role"], path), set()).add(right)
        return rights


def differences(old: Content, new: Content, masks: Content | None = None) -> list[Difference]:
    """Everything that widens, then everything that narrows, fields of one party, event, role and condition together.

    ``masks``: those of the policy file. What the council's mask keeps from a role whatever an agreement lets it read
    is told as such: the agreement changes, and nobody reads more or less.
    """
    before, after = _Policy.of(old), _Policy.of(new)
    found: dict[Difference, list[str]] = {}
    pairs = sorted({(provider, kind) for provider, kind, _ in (*before.grants, *after.grants)})
    for party, event in pairs:
        spans = list(_spans(before, after, party, event))
        for told in (
            *_sending(before, after, party, event, spans),
            *_reading_what_came(before, after, party, event),
            *_reading_what_comes(before, after, party, event, spans),
        ):
            direction, role, path, right, where = told
            words = right if isinstance(right, str) else right.words() + where + _masked(masks, role, right)
            found.setdefault(Difference(direction, party, event, role, (), words), []).append(path)
    out = [
        Difference(d.direction, d.party, d.event, d.role, tuple(sorted(set(names))), d.condition)
        for d, names in found.items()
    ]
    out += _manners(old, new)
    return sorted(out, key=lambda d: (-ord(d.direction[0]), d.party, d.event, d.role, d.condition))


def overlaps(content: Content) -> list[Difference]:
    """Where two agreements cover one party and event type on the same days, and what the hub does then."""
    policy = _Policy.of(content)
    told: dict[tuple[str, str, str, str], list[Span]] = {}
    events: dict[tuple[str, str, str, str], list[str]] = {}
    for party, event in sorted({(provider, kind) for provider, kind, _ in policy.grants}):
        for span in _spans(policy, policy, party, event):
            winner = policy.gate.grant(event, party, span[0])
            if winner is None:
                continue
            for name in policy.agreements(party, event):
                if name != winner.agreement.name and _in_force(content["agreements"][name], span[0]):
                    key = (party, event, winner.agreement.name, name)
                    told.setdefault(key, []).append(span)
    merged: dict[tuple[str, str, str, Span], None] = {}
    for (party, event, winner_name, name), spans in told.items():
        for span in _joined(spans):
            merged[(party, winner_name, name, span)] = None
            events.setdefault((party, winner_name, name, _days(span)), []).append(event)
    return [
        Difference(
            "overlaps",
            party,
            ", ".join(events[(party, winner_name, name, _days(span))]),
            "",
            (),
            _overlap_words(content, winner_name, name, span),
        )
        for party, winner_name, name, span in merged
    ]


def in_words(one: Difference) -> str:
    return f"{', '.join(one.fields)}: {one.condition}" if one.fields else one.condition


def _overlap_words(content: Content, winner: str, other: str, span: Span) -> str:
    held = content["agreements"][winner]
    words = (
        f"{_days(span)} both {winner} and {other} cover it; the gate judges by {winner} alone, which began last"
        f" ({held['effective_from']}), and what came under {other} is read by the rows of {other}"
    )
    if held["status"] != "active" and content["agreements"][other]["status"] == "active":
        words += f"; {winner} is suspended: all is refused, although {other} is not"
    return words


def _sending(before: _Policy, after: _Policy, party: str, event: str, spans: list[Span]) -> Iterator[_Told]:
    """What the gate lets pass on each day, field by field."""
    found: dict[tuple[str, str, _Send], list[Span]] = {}
    for span in spans:
        was, now = (_sends(policy.judged_by(party, event, span[0])) for policy in (before, after))
        for path in sorted({*was, *now}):
            old, new = was.get(path), now.get(path)
            if new and not (old and new.within(old)):
                found.setdefault(("widens", path, new), []).append(span)
            if old and not (new and old.within(new)):
                found.setdefault(("narrows", path, old), []).append(span)
    for (direction, path, right), days in found.items():
        for span in _joined(days):
            yield direction, "", path, right.words(span), ""


def _sends(grant: Grant | None) -> Mapping[str, _Send]:
    if grant is None:
        return {}
    return {path: _Send(grant.min_age, grant.max_age, path in grant.choices) for path in grant.covered}


def _reading_what_came(before: _Policy, after: _Policy, party: str, event: str) -> Iterator[_Told]:
    """Of facts that the hub holds: each is read by the agreement under which it came, in the version compiled now."""
    names = {_stem(name): name for name in after.agreements(party, event)}
    held = before.agreements(party, event)
    several = len({*map(_stem, held), *names}) > 1
    for name in held:
        if before.reading(party, event, name) == after.reading(party, event, names.get(_stem(name), "")):
            continue
        old = before.reads(party, event, name)
        new = after.reads(party, event, names.get(_stem(name), ""))
        under = f", of what came under {_stem(name)}" if several else ""
        yield from _read_differences(old, new, under)


def _reading_what_comes(before: _Policy, after: _Policy, party: str, event: str, spans: list[Span]) -> Iterator[_Told]:
    """Of facts that will come: by the agreement that the gate takes then, where that is another one than before."""
    found: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        was, now = (policy.judged_by(party, event, span[0]) for policy in (before, after))
        old, new = was.agreement.name if was else "", now.agreement.name if now else ""
        if new and _stem(old) != _stem(new) and not _came(before, party, event, new):
            found.setdefault((old, new), []).append(span)
    for (old, new), days in found.items():
        for span in _joined(days):
            rights = before.reads(party, event, old), after.reads(party, event, new)
            yield from _read_differences(*rights, f", of what comes {_days(span)}")


def _came(before: _Policy, party: str, event: str, name: str) -> bool:
    """Whether the policy before read by this agreement and nothing stood before it: then all is said already."""
    others = before.agreements(party, event)
    return [_stem(other) for other in others] == [_stem(name)]


def _read_differences(old: _Reads, new: _Reads, where: str) -> Iterator[_Told]:
    for direction, these, those in (("widens", new, old), ("narrows", old, new)):
        for (role, path), rights in these.items():
            for right in rights:
                if not any(right.within(other) for other in those.get((role, path), ())):
                    yield direction, role, path, right, where


def _masked(masks: Content | None, role: str, right: _Read) -> str:
    """Words where the mask of a role has no such category in any alert that the right is about."""
    if masks is None or right.shows in masks["roles"].get(role, ()):
        return ""
    extra = masks["extra_by_rule"]
    rules = extra if right.rule == ANY else (right.rule,)
    if any(right.shows in extra.get(rule, {}).get(role, ()) for rule in rules):
        return ""
    return f"; the mask of the role keeps {right.shows.replace('_', ' ')} back"


def _readable(grant: Content, row: Content) -> Iterator[str]:
    only = grant["only_roles"]
    for path, category in grant["items"].items():
        if category in row["shows"] and row["role"] in only.get(path, (row["role"],)):
            yield path


def _spans(before: _Policy, after: _Policy, party: str, event: str) -> Iterator[Span]:
    """Stretches of days on which no agreement of either policy about this party and event begins or ends."""
    turns: set[date] = set()
    for policy in (before, after):
        for name in policy.agreements(party, event):
            held = policy.content["agreements"][name]
            turns |= {_day(held["effective_from"]), _day(held["effective_to"]) + timedelta(days=1)}
    ordered = sorted(turns)
    for start, following in itertools.pairwise(ordered):
        yield start, following - timedelta(days=1)


def _joined(spans: list[Span]) -> list[Span]:
    """Neighbours as one."""
    out: list[Span] = []
    for start, end in spans:
        if out and out[-1][1] + timedelta(days=1) == start:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _in_force(held: Content, day: date) -> bool:
    return _day(held["effective_from"]) <= day <= _day(held["effective_to"])


def _day(text: object) -> date:
    return date.fromisoformat(str(text))


def _days(span: Span) -> str:
    return f"{span[0]} to {span[1]}"


def _stem(name: str) -> str:
    """An agreement's id, whatever its version."""
    return name.partition("@")[0]


def _manners(old: Content, new: Content) -> Iterator[Difference]:
    """How over-sharing is treated, of agreements that both policies have."""
    before = {name.partition("@")[0]: one for name, one in old["agreements"].items()}
    for name, one in new["agreements"].items():
        was = before.get(name.partition("@")[0])
        if was is not None and was["over_sharing"] != one["over_sharing"]:
            words = f"{name}: over-sharing was {was['over_sharing']}, is {one['over_sharing']}"
            yield Difference("changes", one["provider"], "", "", (), words)
