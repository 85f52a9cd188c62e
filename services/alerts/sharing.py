"""What the agreements in force let a role read of a fact. Default deny; without a policy head nobody reads anything."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Protocol


class Shared(Protocol):
    """A fact, as far as sharing is concerned."""

    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def agreement(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Readable:
    """Categories and fields of one fact that one role may read, and the agreement that says so.

    ``hidden``: categories of fields that facts of this type may carry and that the agreement does not let the role
    read. It is of the type, not of the fact: that it is named says nothing of what the fact holds.
    ``choices``: fields that the agreement leaves to the person's choice.
    """

    agreement: str = ""
    categories: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    choices: frozenset[str] = frozenset()

    def without(self, held_back: frozenset[str]) -> Readable:
        """Less the fields that the person holds back, and the categories of which no data field remains."""
        gone = self.choices & held_back & self.fields.keys()
        if not gone:
            return self
        left = {path: category for path, category in self.fields.items() if path not in gone}
        remaining = {category for path, category in left.items() if "." in path}
        emptied = {self.fields[path] for path in gone} - remaining
        return replace(self, fields=left, categories=self.categories - emptied)


NOTHING = Readable()
#: Answers that a compiled policy remembers: more than roles, rules and kinds of fact of a council give.
READ_MAX = 50_000


class Sharing(Protocol):
    """The compiled agreements, or a stand-in for tests."""

    @property
    def digest(self) -> str: ...

    def next_turn(self, after: date) -> date | None:
        """First day after ``after`` on which an agreement begins, or is the first day ended."""
        ...

    def agreed_with(self, council: str, today: date) -> bool:
        """Whether an agreement with another council is in force."""
        ...

    def readable(
        self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]
    ) -> Readable: ...


@dataclass(frozen=True, slots=True)
class _Row:
    shows: frozenset[str]
    rules: frozenset[str] | None
    consent: str | None


@dataclass(frozen=True, slots=True)
class _Agreement:
    name: str
    provider: str
    active: bool
    starts: str
    ends: str
    rows: Mapping[str, tuple[_Row, ...]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The sharing policy as ``hub contracts build`` writes it (docs/contracts.md)."""

    digest: str
    agreements: Mapping[str, _Agreement]
    items: Mapping[tuple[str, str, str], Mapping[str, str]]
    only_roles: Mapping[tuple[str, str, str], Mapping[str, frozenset[str]]]
    choices: Mapping[tuple[str, str, str], frozenset[str]] = field(default_factory=dict)
    turns: tuple[date, ...] = ()
    #: Other councils, by the id that facts name them with (``eastmarsh`` is the party ``eastmarsh-council``).
    councils: Mapping[str, str] = field(default_factory=dict)
    #: What was worked out before: of agreement, fact, role, rule and which of its consents are given.
    _read: dict[tuple[object, ...], Readable] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def parse(cls, body: Mapping[str, Any], digest: str) -> Compiled:
        agreements = {}
        for name, row in sorted(body["agreements"].items()):
            held = _Agreement(
                name=name,
                provider=row["provider"],
                active=row["status"] == "active",
                starts=row["effective_from"],
                ends=row["effective_to"],
                rows=_rows(row["recipients"]),
            )
            # An observation names the version under which it came; what is in force now is the version compiled now.
            agreements[name] = agreements[name.partition("@")[0]] = held
        items = {(g["provider"], g["type"], g["agreement"].partition("@")[0]): g["items"] for g in body["grants"]}
        only = {
            (g["provider"], g["type"], g["agreement"].partition("@")[0]): {
                path: frozenset(roles) for path, roles in g["only_roles"].items()
            }
            for g in body["grants"]
        }
        choices = {
            (g["provider"], g["type"], g["agreement"].partition("@")[0]): frozenset(g.get("choices", ()))
            for g in body["grants"]
        }
        begun = {date.fromisoformat(held.starts) for held in agreements.values()}
        ended = {date.fromisoformat(held.ends) + timedelta(days=1) for held in agreements.values()}
        others = [name for name, party in body.get("parties", {}).items() if party["kind"] == "neighbouring-authority"]
        councils = {name.removesuffix("-council"): name for name in others}
        return cls(digest, agreements, items, only, choices, tuple(sorted(begun | ended)), councils)

    def agreed_with(self, council: str, today: date) -> bool:
        party, on = self.councils.get(council), today.isoformat()
        return party is not None and any(
            one.provider == party and one.active and one.starts <= on <= one.ends for one in self.agreements.values()
        )

    def next_turn(self, after: date) -> date | None:
        at = bisect_right(self.turns, after)
        return self.turns[at] if at < len(self.turns) else None

    def less(self, agreements: Collection[str], parties: Collection[str]) -> Compiled:
        """The same without what is suspended by command: agreements by id, parties as providers."""
        held = {
            name: replace(one, active=False)
            if one.name.partition("@")[0] in agreements or one.provider in parties
            else one
            for name, one in self.agreements.items()
        }
        return replace(self, agreements=held)

    def readable(self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]) -> Readable:
        """Raises nothing: what no agreement covers is simply not readable."""
        stem = fact.agreement.partition("@")[0]
        held = self.agreements.get(fact.agreement) or self.agreements.get(stem)
        if held is None or not held.active or not held.starts <= today.isoformat() <= held.ends:
            return NOTHING
        rows = tuple(
            row
            for row in held.rows.get(role, ())
            if (row.rules is None or rule in row.rules) and (row.consent is None or consented(row.consent))
        )
        if not rows:
            return NOTHING
        key = (fact.source, fact.type, stem)
        asked = (held.name, key, role, tuple(map(id, rows)))
        known = self._read.get(asked)
        if known is None:
            if len(self._read) >= READ_MAX:
                self._read.clear()
            known = self._read[asked] = self._readable(held, key, role, rows)
        return known

    def _readable(self, held: _Agreement, key: tuple[str, str, str], role: str, rows: tuple[_Row, ...]) -> Readable:
        """What these rows of an agreement show of a kind of fact, without the day and the person."""
        shows: set[str] = set().union(*(row.shows for row in rows))
        if not shows:
            return Readable(held.name)
        only = self.only_roles.get(key, {})
        items = self.items.get(key, {})
        fields = {
            path: category
            for path, category in items.items()
            if category in shows and (path not in only or role in only[path])
        }
        # Of what the person may hold back, only what the role could read otherwise: the rest it must not hear of.
        choices = self.choices.get(key, frozenset()).intersection(fields)
        hidden = frozenset(category for path, category in items.items() if path not in fields)
        return Readable(held.name, frozenset(shows), fields, hidden, choices)


def _rows(recipients: list[Mapping[str, Any]]) -> Mapping[str, tuple[_Row, ...]]:
    rows: dict[str, tuple[_Row, ...]] = {}
    for row in recipients:
        rules = None if row["rules"] is None else frozenset(row["rules"])
        one = _Row(frozenset(row["shows"]), rules, row["consent"])
        rows[row["role"]] = (*rows.get(row["role"], ()), one)
    return rows


@dataclass(frozen=True, slots=True)
class Closed:
    """No policy head: fails closed."""

    digest: str = "none"

    def next_turn(self, after: date) -> date | None:
        del after
        return None

    def agreed_with(self, council: str, today: date) -> bool:
        del council, today
        return False

    def readable(self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]) -> Readable:
        del fact, role, rule, today, consented
        return NOTHING
