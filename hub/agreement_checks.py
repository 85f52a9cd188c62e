"""What JSON Schema cannot say of an agreement: ids resolve, every field is decided, law is named, dates are in order.

Pure: sources in, findings out. A finding of level ``error`` keeps a build from being merged; ``warning`` tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema

from hub.sharing import ENVELOPE, Sources, name_of, provider_of, publisher_kinds, read_sources

REVIEW_SOON_DAYS = 60
REVIEW_SOON_DAYS_MAX = 3_650
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, or worth knowing, in one file."""

    file: str
    where: str
    what: str
    level: str = "error"


def errors_in(folder: Path, on: date) -> list[Finding]:
    """What keeps the agreements in ``folder`` from being compiled or put in force."""
    found = check(read_sources(folder), json.loads((folder / "isa.schema.json").read_bytes()), on)
    return [finding for finding in found if finding.level == "error"]


def check(sources: Sources, schema: Entry, on: date) -> list[Finding]:
    """All findings of all agreements, in order of file."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    found: list[Finding] = []
    for file, agreement in sorted(sources.agreements.items()):
        shape = [Finding(file, e.json_path, e.message) for e in validator.iter_errors(agreement)]
        # The further checks take the shape for granted.
        found += shape or [Finding(file, *told) for told in _check_one(agreement, sources, on)]
    return found + _overlaps(sources, {finding.file for finding in found if finding.level == "error"})


Told = tuple[str, str] | tuple[str, str, str]


def _check_one(agreement: Entry, sources: Sources, on: date) -> Iterator[Told]:
    yield from _parties(agreement, sources)
    yield from _recipients(agreement, sources)
    yield from _events(agreement, sources)
    yield from _basis(agreement)
    yield from _dates(agreement, on)


def _parties(agreement: Entry, sources: Sources) -> Iterator[Told]:
    known = sources.parties["parties"]
    ids = [party["id"] for party in agreement["parties"]]
    for party in ids:
        if party not in known:
            yield "parties", f"{party} is not in parties.yaml"
    if sum("provider" in party["role"] for party in agreement["parties"]) != 1:
        yield "parties", "an agreement has one provider"
    if not any("hub" in party["role"] for party in agreement["parties"]):
        yield "parties", "no party runs the hub"
    for approval in agreement["approvals"]:
        if approval["party"] not in ids:
            yield "approvals", f"{approval['party']} is no party of this agreement"


def _recipients(agreement: Entry, sources: Sources) -> Iterator[Told]:
    purposes = {purpose["id"] for purpose in agreement["purposes"]}
    rules, consents = sources.policy["rules"], sources.catalogue["enums"]["consent_purpose"]
    for row in agreement["recipients"]:
        if row["role"] not in sources.catalogue["roles"]:
            yield "recipients", f"{row['role']} is not a role of the catalogue"
        if row["purpose"] not in purposes:
            yield "recipients", f"{row['role']}: purpose {row['purpose']} is not in this agreement"
        for rule in row.get("rules", ()):
            if rule not in rules:
                yield "recipients", f"{row['role']}: {rule} is not a rule of the policy"
        if "consent" in row and row["consent"] not in consents:
            yield "recipients", f"{row['role']}: {row['consent']} is not a purpose of consent"
        external = sources.catalogue["roles"].get(row["role"], {}).get("external")
        if external and "rules" not in row:
            yield "recipients", f"{row['role']} is outside the council: name the rules it is told of"


def _events(agreement: Entry, sources: Sources) -> Iterator[Told]:
    types, seen = sources.catalogue["types"], set()
    kind = sources.parties["parties"].get(provider_of(agreement), {}).get("kind", "")
    for entry in agreement["sharing"]:
        event = entry["event"]
        if event in seen:
            yield event, "named twice"
        seen.add(event)
        if event not in types:
            yield event, "not an event type of the catalogue"
            continue
        if kind not in publisher_kinds(types[event], sources.catalogue):
            yield event, f"a party of kind {kind} does not publish it"
        yield from _fields(agreement, entry, sources)


def _fields(agreement: Entry, entry: Entry, sources: Sources) -> Iterator[Told]:
    """Each field of the type stands in exactly one list, with the class that the catalogue gives it."""
    event, classes = entry["event"], field_classes(entry["event"], sources.catalogue)
    items = [*agreement["commonItems"], *entry["items"]]
    listed = [item["field"] for item in items]
    for source in (agreement, entry):
        listed += [*source.get("hubOnly", []), *source.get("mustNotSend", [])]
    for field in sorted(set(listed)):
        if field not in classes:
            yield event, f"{field} is not a field of this event type"
        if listed.count(field) > 1:
            yield event, f"{field} is listed twice"
    for field in sorted(set(classes) - set(listed)):
        yield event, f"{field} is neither an item, nor hubOnly, nor mustNotSend"
    for item in items:
        yield from _choice(event, item, sources)
        wanted = classes.get(item["field"])
        if wanted is not None and item["class"] != wanted:
            yield event, f"{item['field']} is {wanted}, not {item['class']}"


def _choice(event: str, item: Entry, sources: Sources) -> Iterator[Told]:
    """What a person may hold back must be able to be absent, or to say unknown."""
    if item.get("subjectChoice") == "consent":
        yield event, f"{item['field']}: consent is asked of recipients (their row), not of an item"
    name = item["field"].partition(".")
    field = sources.catalogue["types"][event]["data"].get(name[2]) if name[0] == "data" else None
    needed = field is not None and field["required"] and field["type"] != "enum"
    if item.get("subjectChoice") == "opt-out" and (needed or item["field"] == "effective_on"):
        yield event, f"{item['field']}: held back, the whole event is refused, for it needs this field", "warning"


def field_classes(event: str, catalogue: Entry) -> dict[str, str]:
    """Class of every field of a type, by its path in agreements."""
    classes = {name: catalogue["envelope"][name]["class"] for name in ENVELOPE}
    classes |= {f"subject.{name}": field["class"] for name, field in catalogue["subject"].items()}
    return classes | {f"data.{name}": field["class"] for name, field in catalogue["types"][event]["data"].items()}


def _basis(agreement: Entry) -> Iterator[Told]:
    items = [*agreement["commonItems"], *(item for entry in agreement["sharing"] for item in entry["items"])]
    classes = {item["class"] for item in items}
    signers = [party["id"] for party in agreement["parties"]]
    for purpose in agreement["purposes"]:
        held = {basis["party"]: basis for basis in purpose["lawfulBasis"]}
        for party in signers:
            if party not in held:
                yield f"purposes/{purpose['id']}", f"no lawful basis for {party}"
                continue
            if "special-category" in classes and "article9" not in held[party]:
                yield f"purposes/{purpose['id']}", f"special-category items need an article 9 condition for {party}"
            if "criminal-offence" in classes and "article10" not in held[party]:
                yield f"purposes/{purpose['id']}", f"criminal-offence items need article 10 terms for {party}"
    if "social-security" in classes and "social-security" not in agreement.get("restrictions", ()):
        yield "restrictions", "social-security items need the restriction social-security"


def _dates(agreement: Entry, on: date) -> Iterator[Told]:
    dates = agreement["dates"]
    signed, start, end = dates["signed"], dates["effectiveFrom"], dates["effectiveTo"]
    if not signed <= start <= end:
        yield "dates", "signed, effectiveFrom and effectiveTo are out of order"
    if not start <= dates["reviewBy"] <= end:
        yield "dates", "reviewBy lies outside the agreement's time"
    approved = {a["party"]: a["date"] for a in agreement["approvals"]}
    for party in agreement["parties"]:
        if party["id"] not in approved:
            yield "approvals", f"{party['id']} has not approved"
        elif approved[party["id"]] > start:
            yield "approvals", f"{party['id']} approved after effectiveFrom"
    if agreement["ages"]["min"] > agreement["ages"]["max"]:
        yield "ages", "min is above max"
    for told in notices(agreement, on):
        yield "dates", told, "warning"


def due_for_review(sources: Sources, schema: Entry, on: date, within_days: int) -> list[Finding]:
    """What an officer has to act on within so many days, by agreement: errors of its file count, too."""
    found: list[Finding] = []
    broken = {finding.file for finding in check(sources, schema, on) if finding.level == "error"}
    for file, agreement in sorted(sources.agreements.items()):
        if file in broken:
            found.append(Finding(file, "file", "has errors: see hub contracts check"))
        elif agreement["status"] in ("active", "suspended"):
            found += [Finding(file, "dates", told, "warning") for told in notices(agreement, on, within_days)]
    return found


def notices(agreement: Entry, on: date, within_days: int = REVIEW_SOON_DAYS) -> Iterator[str]:
    """What an officer should act on, or know: ended or soon to end, review due or overdue, not in force, suspended."""
    dates = agreement["dates"]
    end, start, review = (date.fromisoformat(dates[name]) for name in ("effectiveTo", "effectiveFrom", "reviewBy"))
    soon = on + timedelta(days=within_days)
    if end < on:
        yield "expired: it lets nothing through"
        return
    if end <= soon:
        yield f"ends on {end}; after that day nothing passes"
    if start > on:
        yield f"not in force before {start}"
    if review < on:
        yield f"review was due by {review}"
    elif review <= soon:
        yield f"review is due by {review}"
    if agreement["status"] == "suspended":
        yield "suspended in its file: what comes waits"


def _overlaps(sources: Sources, broken: set[str]) -> list[Finding]:
    """Two agreements in force for one party and type at one time: the later one would win without anybody saying so."""
    held: dict[tuple[str, str], list[Entry]] = {}
    found: dict[tuple[str, str], int] = {}
    for file, agreement in sorted(sources.agreements.items()):
        if file in broken or agreement["status"] not in ("active", "suspended"):
            continue
        for entry in agreement["sharing"]:
            others = held.setdefault((provider_of(agreement), entry["event"]), [])
            for other in others:
                if _meet(other["dates"], agreement["dates"]):
                    told = (file, _overlap(agreement, other))
                    found[told] = found.get(told, 0) + 1
            others.append(agreement)
    return [Finding(file, f"sharing ({number} event types)", what) for (file, what), number in found.items()]


def _overlap(one: Entry, other: Entry) -> str:
    """The gate takes the one that began last; ``hub contracts diff`` says what follows from it."""
    begun = {(str(a["dates"]["effectiveFrom"]), name_of(a)) for a in (one, other)}
    days = max(begun)[0], min(str(a["dates"]["effectiveTo"]) for a in (one, other))
    return f"overlaps with {name_of(other)} from {days[0]} to {days[1]}: only {max(begun)[1]} would be judged by"


def _meet(one: Entry, other: Entry) -> bool:
    return bool(one["effectiveFrom"] <= other["effectiveTo"] and other["effectiveFrom"] <= one["effectiveTo"])


def uncovered(sources: Sources) -> Iterable[tuple[str, str]]:
    """(party, event type) that a party may publish and no agreement covers: allowed, but worth seeing."""
    covered = {(provider_of(a), entry["event"]) for a in sources.agreements.values() for entry in a["sharing"]}
    for party, info in sources.parties["parties"].items():
        for event, entry in sources.catalogue["types"].items():
            if info["kind"] in publisher_kinds(entry, sources.catalogue) and (party, event) not in covered:
                yield party, event
