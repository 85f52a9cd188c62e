"""Everything held on a person, for that person: what each agency told, what was concluded, who was shown what. Pure.

Other people stay out: workers by name, who spoke as a third party, other people's files. Sources and types that
contracts/policy/subject_access.yaml exempts are withheld with a reason, and everything that rests on them with them.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from hub.held import Held
from hub.person.whom import PERSON
from hub.sharing import read_yaml
from hub.subject.books import Books
from services.alerts import masks
from services.alerts.policy import Policy
from services.alerts.state import Alert
from services.alerts.words import TITLES, label
from spine.keystore import Erased

ALSO = "Also told"
FORMAT = "hub-subject-access/1"
WITHHELD = "withheld"
#: Categories that say by themselves which service knows the person, or why.
SENSITIVE = frozenset({"youth_justice", "care", "health", "pregnancy", "benefit", "housing", "send"})


@dataclass(frozen=True, slots=True)
class Exempt:
    """What is not given, in the order of the file: the first that fits counts."""

    rows: tuple[Mapping[str, str], ...]
    fields: frozenset[str]
    reason: str

    def of(self, type_name: str, party: str, kind: str) -> Mapping[str, str] | None:
        asked = {"type": type_name, "party": party, "kind": kind}
        return next((row for row in self.rows if any(row.get(key) == value for key, value in asked.items())), None)


def exempt(contracts: Path) -> Exempt:
    """Raises ValueError, naming every line that lacks something; OSError where the file is not there."""
    read = read_yaml(contracts / "policy" / "subject_access.yaml")
    rows = tuple(read.get("withhold") or ())
    wrong = [
        number
        for number, row in enumerate(rows, 1)
        if not (row.get("reason") and row.get("basis") and {"type", "party", "kind"} & row.keys())
    ]
    if wrong:
        lines = ", ".join(map(str, wrong))
        raise ValueError(
            f"policy/subject_access.yaml: line {lines} of withhold needs type, party or kind; reason; basis"
        )
    return Exempt(rows, frozenset(read.get("third_party_fields") or ()), str(read.get("third_party_reason") or ""))


@dataclass(frozen=True, slots=True)
class Words:
    """The catalogue's own words for events, fields, parties and rules."""

    events: Mapping[str, Mapping[str, Any]]
    parties: Mapping[str, str]
    kinds: Mapping[str, str]
    rules: Mapping[str, str]

    def about(self, type_name: str) -> str:
        return str(self.events.get(type_name, {}).get("about", type_name))

    def means(self, type_name: str, name: str) -> str:
        spec = self.events.get(type_name, {}).get("data", {}).get(name, {})
        return str(spec.get("means") or label(name))


def words_of(contracts: Path, rules: Mapping[str, str]) -> Words:
    catalogue, parties = read_yaml(contracts / "catalogue.yaml"), read_yaml(contracts / "parties.yaml")["parties"]
    names = {name: str(party["name"]) for name, party in parties.items()}
    return Words(catalogue["types"], names, {name: str(p["kind"]) for name, p in parties.items()}, rules)


@dataclass(slots=True)
class Copy:
    """The copy as it grows. ``kept_back`` is for the officer's own file: what was withheld, how often, on what basis.

    ``hidden``: categories that what was withheld is of; nothing else may give them away. ``secret`` and ``open``:
    values of the person's description that came with what is withheld, and with what is given.
    """

    told: list[dict[str, Any]] = field(default_factory=list)
    reasons: dict[str, None] = field(default_factory=dict)
    kept_back: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    exempted: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    secret: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)


def observations(held: Held, books: Books, person_id: str) -> Iterator[Mapping[str, Any]]:
    """Every observation linked to the person or waiting on their record, sealed as it is, as matching keeps it."""
    for key, body in held.holding("matching", orjson.dumps(person_id)):
        if key.startswith(PERSON) and key.endswith(f":{person_id}"):
            for record in orjson.loads(body)["r"]:
                kept = [held.one("matching", f"z:{record['u']}:{n}") for n in range(record["n"])]
                waiting = [base64.b64decode(text) for text in record["h"]]
                for one in (*(body for body in kept if body is not None), *waiting):
                    yield books.catalogue.decode("observation.v1", one)


def told(copy: Copy, found: Iterable[Mapping[str, Any]], books: Books, words: Words, rules: Exempt) -> None:
    """What agencies told, in order of the days that it is about."""
    for one in sorted(found, key=lambda o: (o["effective_on"], o["received_at"], o["event_id"])):
        why = rules.of(one["type"], one["source"], one["source_kind"])
        data, subject = _opened(one, books)
        (copy.open if why is None else copy.secret).update(str(value) for value in subject.values() if value)
        if why is not None:
            copy.exempted.add(one["event_id"])
            tells = (masks.category_of(one["type"]), masks.KIND_TELLS.get(one["source_kind"]))
            copy.hidden |= {category for category in tells if category in SENSITIVE}
            copy.reasons[why["reason"]] = None
            copy.kept_back[one["source"], one["type"], why["basis"]] += 1
        else:
            copy.told.append(_event(one, data, subject, words, rules))


def _opened(one: Mapping[str, Any], books: Books) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Data and description; nothing of them where the key was destroyed."""
    try:
        data = books.catalogue.open(f"{one['type']}.data.v1", one["data"])
        return data, books.catalogue.open("subject.v1", one["subject"]) if one["subject"] else {}
    except Erased:
        return {}, {}


def _event(
    one: Mapping[str, Any], data: Mapping[str, Any], subject: Mapping[str, Any], words: Words, rules: Exempt
) -> dict[str, Any]:
    shown = [(words.means(one["type"], name), _value(name, value, rules)) for name, value in data.items()]
    known_as = [(label(name), _value(name, value, rules)) for name, value in subject.items()]
    return {
        "from": words.parties.get(one["source"], one["source"]),
        "what": words.about(one["type"]),
        "type": one["type"],
        "about_the_day": one["effective_on"],
        "received": one["received_at"],
        "under_agreement": one["agreement"],
        "details": {name: value for name, value in shown if value},
        "you_were_named_as": {name: value for name, value in known_as if value},
    }


def _value(name: str, value: Any, rules: Exempt) -> str:
    if value is None or value == [] or value == "unknown":
        return ""
    if name in rules.fields:
        return f"{WITHHELD}: {rules.reason}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value.isoformat() if isinstance(value, date | datetime) else str(value).replace("_", " ")


def alerts(
    copy: Copy, held: Sequence[Alert], acts: Iterable[Mapping[str, Any]], words: Words, policy: Policy
) -> list[dict[str, Any]]:
    """Each alert, with every recipient and what was shown to them. One that rests on what is withheld, or whose title
    would give it away, is withheld too."""
    out = []
    by_alert: dict[str, list[Mapping[str, Any]]] = {}
    for act in acts:
        by_alert.setdefault(act["alert_id"], []).append(act)
    for alert in sorted(held, key=lambda a: (a.raised_on, a.rule)):
        if copy.exempted & {*alert.evidence, *alert.folded} or TITLES.get(alert.rule, ("",))[0] in copy.hidden:
            copy.kept_back["hub", f"alert {alert.rule}", "rests on what is withheld"] += 1
            continue
        shown = [one for act in by_alert.get(alert.alert_id, ()) for one in _shown(copy, act, policy)]
        dates = {"raised_on": alert.raised_on, "closed_on": alert.closed_on}
        told = {"what": words.rules.get(alert.rule, alert.rule), "rule": alert.rule, **dates}
        out.append({**told, "outcome": alert.outcome.replace("_", " "), "shown_to": shown})
    return out


def _shown(copy: Copy, act: Mapping[str, Any], policy: Policy) -> Iterator[dict[str, Any]]:
    """Roles and teams, never a worker: they are somebody else. Lines of a hidden category stay out, and so does a role
    that only one service has; ``Also told`` says nothing that is not listed here."""
    for one in act["recipients"]:
        view = one["view"]
        if masks.tells(policy, one["role"]) in copy.hidden:
            copy.kept_back["hub", "disclosure to a role", "would say what is withheld"] += 1
            continue
        secret = copy.secret - copy.open
        lines = [line for line in view["lines"] if line["category"] not in copy.hidden and line["label"] != ALSO]
        lines = [line for line in lines if line["value"] not in secret]
        yield {
            "when": act["at"],
            "to": " ".join(filter(None, (one["role"].replace("-", " "), one["team"]))),
            "shown": {line["label"]: line["value"] for line in lines},
            "status_over_time_shown": bool(view["timeline"]),
            "under_agreements": list(view["agreements"]),
        }


def looks(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Who looked at the person's pages: as what and when; who that was by name is about somebody else."""
    return [{"when": one.at, "as": one.roles, "where": one.page} for one in rows]
