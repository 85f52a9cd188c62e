"""What changes between two compiled policies, in the terms of people: who may send, and who may read, what. Pure.

A change is of the compiled policy, not of the YAML: two agreements that overlap can widen each other silently, and this
is where it shows. Whatever lets more pass or shows more *widens*; whatever lets less pass or shows less *narrows*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ANY = "any"
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One party, event type and role (empty: about sending). ``condition``: rules, consent, ages, dates."""

    direction: str
    party: str
    event: str
    role: str
    fields: tuple[str, ...]
    condition: str = ""


@dataclass(frozen=True, slots=True)
class _Send:
    """A right to send: ages and days, both ends included; ``choice``: the person may hold the field back."""

    min_age: int
    max_age: int
    starts: str
    ends: str
    choice: bool

    def within(self, other: _Send) -> bool:
        ages = other.min_age <= self.min_age and self.max_age <= other.max_age
        days = other.starts <= self.starts and self.ends <= other.ends
        return ages and days and (self.choice or not other.choice)

    def words(self) -> str:
        choice = ", unless the person objects" if self.choice else ""
        return f"aged {self.min_age} to {self.max_age}, {self.starts} to {self.ends}{choice}"


@dataclass(frozen=True, slots=True)
class _Read:
    """A right to read: in alerts of a rule (or any), under a consent (or none)."""

    rule: str
    consent: str

    def within(self, other: _Read) -> bool:
        return other.rule in (ANY, self.rule) and other.consent in ("", self.consent)

    def words(self) -> str:
        consent = f", with consent {self.consent}" if self.consent else ""
        return (f"in alerts {self.rule}" if self.rule != ANY else "in any alert") + consent


_Key = tuple[str, str, str, str]
_Rights = dict[_Key, set[_Send | _Read]]


def differences(old: Content, new: Content) -> list[Difference]:
    """Everything that widens, then everything that narrows, fields of one party, event, role and condition together."""
    before, after = _rights(old), _rights(new)
    found = [*_beyond(after, before, "widens"), *_beyond(before, after, "narrows")]
    found += _manners(old, new)
    return sorted(found, key=lambda d: (-ord(d.direction[0]), d.party, d.event, d.role, d.condition))


def in_words(one: Difference) -> str:
    return f"{', '.join(one.fields)}: {one.condition}" if one.fields else one.condition


def _rights(content: Content) -> _Rights:
    rights: _Rights = {}
    for grant in content["grants"]:
        agreement = content["agreements"][grant["agreement"]]
        if agreement["status"] != "active":
            continue
        choices = grant.get("choices", ())
        for field in (*grant["items"], *grant["hub_only"]):
            starts, ends = str(agreement["effective_from"]), str(agreement["effective_to"])
            send = _Send(grant["min_age"], grant["max_age"], starts, ends, field in choices)
            rights.setdefault((grant["provider"], grant["type"], "", field), set()).add(send)
        for row in agreement["recipients"]:
            for field in _readable(grant, row):
                key = (grant["provider"], grant["type"], row["role"], field)
                for rule in row["rules"] or (ANY,):
                    rights.setdefault(key, set()).add(_Read(rule, row["consent"] or ""))
    return rights


def _readable(grant: Content, row: Content) -> Iterator[str]:
    only = grant["only_roles"]
    for field, category in grant["items"].items():
        if category in row["shows"] and row["role"] in only.get(field, (row["role"],)):
            yield field


def _beyond(these: _Rights, those: _Rights, direction: str) -> Iterator[Difference]:
    """Rights of ``these`` that no right of ``those`` covers."""
    fields: dict[tuple[str, str, str, str], list[str]] = {}
    for (party, event, role, field), rights in these.items():
        others = those.get((party, event, role, field), set())
        for right in rights:
            if not any(_within(right, other) for other in others):
                fields.setdefault((party, event, role, right.words()), []).append(field)
    for (party, event, role, words), names in fields.items():
        yield Difference(direction, party, event, role, tuple(sorted(names)), words)


def _within(one: _Send | _Read, other: _Send | _Read) -> bool:
    if isinstance(one, _Send):
        return isinstance(other, _Send) and one.within(other)
    return isinstance(other, _Read) and one.within(other)


def _manners(old: Content, new: Content) -> Iterator[Difference]:
    """How over-sharing is treated, of agreements that both policies have."""
    before = {name.partition("@")[0]: one for name, one in old["agreements"].items()}
    for name, one in new["agreements"].items():
        was = before.get(name.partition("@")[0])
        if was is not None and was["over_sharing"] != one["over_sharing"]:
            words = f"{name}: over-sharing was {was['over_sharing']}, is {one['over_sharing']}"
            yield Difference("changes", one["provider"], "", "", (), words)
