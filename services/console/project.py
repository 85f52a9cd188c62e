"""From facts to rows of the read models. Pure.

A row of the inbox takes the view that the disclosure gate made for that recipient, and no other content of the alert:
the ground's machine word, for one, stays out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spine.record import Fact

Row = dict[str, Any]
Told = tuple[str, str, str]
#: Opens a part of a fact by the kind of its schema: an identity block (``subject.v1``), say.
Open = Callable[[str, bytes], Mapping[str, Any]]
#: Fields of an identity block that a steward compares, in the order in which they are shown. The agreements let a
#: steward read the category identity; of the rest (contact, and what came for the hub's matching only) the page says
#: whether it is there and agrees, and the value is not even stored, but for ``source_ref``: a decision names it.
READ = ("given_name", "family_name", "other_names", "date_of_birth", "sex", "uln", "upn")
AGREES_ONLY = ("postcode", "address_line", "phone", "email", "nhs_number", "nino", "source_ref")
COMPARED = (*READ, *AGREES_ONLY)
#: Facts about a feed and about nobody (A40).
EXTRACT, PAUSE, STEWARDS = "feed.extract_received", "feed.closure_announced", "hub-steward"
GIVEN, SAME, ANOTHER = "Given, not shown", "The same, not shown", "Another, not shown"


@dataclass(slots=True)
class Batch:
    """What one batch of facts changes. Alerts are folded, so that each is written once."""

    alerts: dict[str, Row] = field(default_factory=dict)
    told: dict[str, dict[Told, Row]] = field(default_factory=dict)
    #: Who may no longer see an alert, and the alert as it stood when it was taken back.
    gone: dict[tuple[str, Told], Row] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    #: Who holds an alert as a role now: whoever held it as that role before keeps what they saw.
    holders: dict[tuple[str, str], Told] = field(default_factory=dict)
    #: Every view of the batch, in order.
    shown: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    deliveries: dict[tuple[str, str, int], Row] = field(default_factory=dict)
    reviews: dict[str, Row] = field(default_factory=dict)
    refusals: list[Row] = field(default_factory=list)
    #: What the gate accepted of partners' events: that it came, and nothing of what it says.
    accepted: list[Row] = field(default_factory=list)
    extracts: list[Row] = field(default_factory=list)
    pauses: list[Row] = field(default_factory=list)
    tellings: dict[str, Row] = field(default_factory=dict)
    today: date | None = None
    #: People who were erased, and reviews that went with them: their rows go when all others are written.
    erased: set[str] = field(default_factory=set)
    erased_reviews: set[str] = field(default_factory=set)


def take(batch: Batch, fact: Fact, opening: Open) -> str:
    """Add a fact to the batch; returns what was done with it, as a machine word."""
    if fact.fields.get("test"):
        # From a test key: a partner's rehearsal is nobody's work.
        return "test"
    match fact.kind:
        case "alert.v1":
            return _alert(batch, fact)
        case "delivery.v1":
            row = _delivery(fact)
            batch.deliveries[(row["delivery_id"], row["state"], row["attempt"])] = row
        case "review.v1":
            row = _review(fact, opening)
            batch.reviews[row["review_id"]] = row
        case "refusal.v1":
            batch.refusals.append(_refusal(fact))
        case "observation.v1":
            _observation(batch, fact, opening)
        case "erased.v1":
            batch.erased.add(fact.fields["person_id"])
            batch.erased_reviews |= set(fact.fields["reviews"])
        case "telling.v1":
            how = {one["severity"]: one["how"] for one in fact.fields["how"]}
            kept = {name: fact.fields[name] for name in ("worker", "digest", "channel", "at")}
            batch.tellings[fact.fields["worker"]] = kept | {"how": how}
        case "tick.v1":
            on: date = fact.fields["on"]
            batch.today = on if batch.today is None else max(batch.today, on)
        case _:
            return "not_shown"
    return "shown"


def ref_of(alert_id: str) -> str:
    """Name of an alert in paths. A path is logged in many places: nobody's id stands in one."""
    return hashlib.sha256(alert_id.encode()).hexdigest()[:20]


def _alert(batch: Batch, fact: Fact) -> str:
    fields = fact.fields
    alert_id: str = fields["alert_id"]
    names = ("alert_id", "person_id", "rule", "severity", "raised_on", "due_on", "open", "act", "times", "at")
    batch.alerts[alert_id] = {name: fields[name] for name in names} | {"ref": ref_of(alert_id)}
    history = ("alert_id", "act", "on", "at", "severity", "due_on")
    batch.history.append({name: fields[name] for name in history} | {"event_id": fact.event_id})
    if fields["act"] == "moved" and fields["recipients"]:
        # The matter has another owner: who had it before keeps what they saw and is shown nothing new.
        batch.moved.add(alert_id)
        batch.told[alert_id] = {}
    told = batch.told.setdefault(alert_id, {})
    for recipient in fields["recipients"]:
        key = (recipient["role"], recipient["team"] or "", recipient["worker"] or "")
        told[key] = view_row(recipient["view"])
        who = dict(zip(("role", "team", "worker"), key, strict=True))
        shown = {"event_id": fact.event_id, "alert_id": alert_id, "at": fields["at"], "view": told[key]}
        batch.shown.append(shown | who)
        # Who may no longer see the alert is shown that, and nothing that becomes of it afterwards.
        if recipient.get("gone"):
            batch.gone[(alert_id, key)] = batch.alerts[alert_id]
        else:
            batch.gone.pop((alert_id, key), None)
            if fields["act"] != "escalated":
                batch.holders[(alert_id, recipient["role"])] = key
    return "shown"


def title_of(view: Mapping[str, Any]) -> str:
    """The headline without the name at its end, a person's or a partner's: of one who may not read a rule's meaning it
    is the masked title."""
    name = next((line["value"] for line in view["lines"] if line["label"] in ("Name", "Partner")), "")
    headline: str = view["headline"]
    return headline.removesuffix(f": {name}") if name else headline


def view_row(view: Mapping[str, Any]) -> Row:
    """A view as JSON: dates become ISO text."""
    spans = [
        {
            "start": s["start"].isoformat(),
            "end": None if s["end"] is None else s["end"].isoformat(),
            "label": s["label"],
        }
        for s in view["timeline"]
    ]
    plain = ("headline", "lines", "why", "todo", "withheld", "agreements", "policy")
    return {name: view[name] for name in plain} | {"timeline": spans}


def _delivery(fact: Fact) -> Row:
    fields = fact.fields
    row = {
        name: fields[name]
        for name in ("delivery_id", "alert_id", "role", "channel", "state", "attempt", "at", "reason")
    }
    return row | {"team": fields["team"] or "", "worker": fields["worker"] or ""}


def _review(fact: Fact, opening: Open) -> Row:
    fields = fact.fields
    plain = ("review_id", "state", "authority", "source", "source_ref", "opened_at", "closed_at", "safeguarding")
    row: Row = {name: fields[name] for name in plain}
    row |= {"reason": fields["reason"], "outcome": fields["outcome"], "message_id": fields.get("message_id")}
    held = _subject(opening("subject.v1", fields["subject"]))
    row["subject"] = _veiled(held, {})
    row["candidates"] = [_candidate(c, held, opening) for c in fields["candidates"]]
    return row


def _candidate(candidate: Mapping[str, Any], held: Row, opening: Open) -> Row:
    subject = _subject(opening("subject.v1", candidate["subject"]))
    return {
        "person_id": candidate["person_id"],
        "weight_millibits": candidate["weight_millibits"],
        "reasons": list(candidate["reasons"]),
        "source": candidate.get("source") or "",
        "source_ref": candidate.get("source_ref") or subject.get("source_ref"),
        "subject": _veiled(subject, held),
    }


def _veiled(subject: Row, beside: Row) -> Row:
    """Values that may be read; of the others whether they are given, and agree with the record ``beside``."""
    return {name: subject[name] for name in READ} | {
        name: _agreement(subject[name], beside.get(name)) for name in AGREES_ONLY
    }


def _agreement(value: str | None, beside: str | None) -> str | None:
    if value is None or beside is None:
        return value and GIVEN
    return SAME if _bare(value) == _bare(beside) else ANOTHER


def _bare(value: str) -> str:
    return "".join(value.split()).casefold()


def _subject(read: Mapping[str, Any]) -> Row:
    return {name: _plain(read.get(name)) for name in COMPARED}


def _plain(value: Any) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return value.isoformat() if isinstance(value, date) else str(value)


def _refusal(fact: Fact) -> Row:
    fields = fact.fields
    faults = [{"pointer": f["pointer"], "code": f["code"]} for f in fields["faults"]]
    row = {name: fields[name] for name in ("party", "type", "reason", "received_at", "message_id")}
    return row | {"event_id": fact.event_id, "faults": faults, "kept": fields.get("sealed_body") is not None}


def _observation(batch: Batch, fact: Fact, opening: Open) -> None:
    """That it came: sender, kind, the sender's own id. Of data only two kinds are opened, about no person."""
    fields = fact.fields
    row = {name: fields[name] for name in ("message_id", "type", "received_at")}
    batch.accepted.append(row | {"event_id": fact.event_id, "party": fields["source"]})
    if fields["type"] not in (EXTRACT, PAUSE):
        return
    data = opening(f"{fields['type']}.data.v1", fields["data"])
    about: Row = {"event_id": fact.event_id, "party": data["feed_source"], "on": fields["effective_on"]}
    if fields["type"] == EXTRACT:
        batch.extracts.append(about | {"shape": data["shape"], "rows": data["rows"]})
    elif fields["source"] == data["feed_source"] or fields["source_kind"] == STEWARDS:
        batch.pauses.append(about | {"until": data["until_on"]})
