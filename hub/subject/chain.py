"""An alert's whole chain, from what partners submitted to whom it was shown, as one document that stands alone.

Everything that proves something is in the document as bytes: the records as they stand on the log (personal fields are
ciphertext) and the decision records, each with the link before it. ``hub.subject.proof`` checks it without a hub.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from hub.rules import sheet as sheets
from hub.rules.trial import quiet
from hub.subject.again import materials, settings_at_hand
from hub.subject.books import Books, Told
from hub.subject.inclusion import add_proofs, decisions_of
from hub.subject.proof import FORMAT, row_document, sealed_document
from services.alerts import state as alerts
from services.alerts.rules import RULES
from services.alerts.state import Alert, Seen, State
from services.ingest.processor import decode_state, state_key
from spine.journal import DecisionRow
from spine.record import effect_id

#: An observation gives rise to few attributions; a link that moves a whole file gives as many as it holds.
EFFECTS_LOOKED_AT = 512
SERVICES = ("ingest", "matching", "status", "alerts")


class Unknown(LookupError):
    """Nothing is held under what was asked for. The message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """An alert and whose it is; ``state`` is None once the person was erased."""

    person_id: str
    alert_id: str
    state: State | None

    @property
    def alert(self) -> Alert | None:
        held = () if self.state is None else self.state.alerts
        return next((one for one in held if one.alert_id == self.alert_id), None)


def found(books: Books, named: str) -> Found:
    """The alert of this id, or of the name that it has in the console's addresses. Raises Unknown."""
    for key, body in books.held.holding("alerts", named.encode()):
        state = alerts.decode(body)
        if any(one.alert_id == named for one in state.alerts):
            return Found(key, named, state)
    for told in books.whole("alerts"):
        fields = told.fact.fields
        if told.fact.kind == "alert.v1" and named in (fields["alert_id"], _ref(fields["alert_id"])):
            body_now = books.held.one("alerts", fields["person_id"])
            state_now = None if body_now is None else alerts.decode(body_now)
            return Found(fields["person_id"], fields["alert_id"], state_now)
    raise Unknown("no alert has this id")


def explained(books: Books, asked: Found, contracts: Path, at: datetime) -> dict[str, Any]:
    """Why this alert was raised, of what, under what, and whom it told."""
    acts = [
        told for told in books.of_key("alerts", asked.person_id) if told.fact.fields.get("alert_id") == asked.alert_id
    ]
    if not acts and asked.alert is None:
        raise Unknown("the log holds no act of this alert any more: read the archive")
    alert = asked.alert
    rule = alert.rule if alert else str(acts[0].fact.fields["rule"])
    causes = {told.fact.fields["caused_by"] for told in acts if not told.erased}
    decided_on = materials(books, contracts, asked.person_id, causes)
    evidence = _evidence(asked.state, alert, decided_on.values())
    heads = {"alert": _alert(alert, rule), "rule": _rule(contracts, rule)}
    return _proved(
        books,
        {
            "format": FORMAT,
            "question": f"why was alert {asked.alert_id} raised",
            "asked_at": at,
            "person_id": asked.person_id,
            **heads,
            "acts": [_act(books, told, decided_on.get(told.fact.fields["caused_by"])) for told in acts],
            "facts": [fact for one in evidence for fact in _facts(books, asked, one)],
            "deliveries": list(_deliveries(books, asked.alert_id)),
            "agreements": _agreements(contracts, acts, asked.state, evidence),
        },
    )


def _proved(books: Books, document: dict[str, Any]) -> dict[str, Any]:
    if books.archive is not None:
        add_proofs(books.archive, list(decisions_of(document)))
    return sealed_document(document)


def silence(books: Books, person_id: str, rule: str, contracts: Path, at: datetime, on: date) -> dict[str, Any]:
    """Why somebody has no alert by a rule: what the rule wants, what is held of that, and at which gate it stops."""
    body = books.held.one("alerts", person_id)
    if body is None:
        raise Unknown("alerts has never heard of this person")
    state, settings = alerts.decode(body), settings_at_hand(contracts)
    if rule not in settings.policy.rules:
        raise Unknown(f"there is no rule {rule}; hub rules list names them")
    wants = RULES[rule].wants
    rested = [fact for fact in state.facts if not wants or fact.type in wants]
    spoke = [_alert(one, rule) for one in state.alerts if one.rule == rule]
    why = quiet(state, on, settings).get(rule, "this rule has spoken: ask why of the alerts named here")
    asked = Found(person_id, "", state)
    return _proved(
        books,
        {
            "format": FORMAT,
            "question": f"why was no alert raised by {rule}",
            "asked_at": at,
            "on": on,
            "person_id": person_id,
            "alert": None,
            "rule": _rule(contracts, rule),
            "why_not": why,
            "wants": sorted(wants),
            "alerts_of_this_rule": spoke,
            "skipped": [[one.tag, one.anchor, one.on] for one in state.skipped if one.rule == rule],
            "acts": [],
            "facts": [fact for one in rested for fact in _facts(books, asked, one.event_id)],
            "deliveries": [],
            "agreements": _agreements(contracts, (), state, [one.event_id for one in rested]),
        },
    )


def _ref(alert_id: str) -> str:
    return hashlib.sha256(alert_id.encode()).hexdigest()[:20]


def _evidence(state: State | None, alert: Alert | None, decided_on: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the alert names, and what brought its acts about; where days alone did, all that was known then."""
    if state is None or alert is None:
        return []
    brought = [(one["fact"].get("observation") or {}).get("event_id") for one in decided_on]
    named = [one for one in (*alert.evidence, *alert.folded, *brought) if one]
    return list(dict.fromkeys(named)) or [f.event_id for f in state.facts if f.known_ms <= alert.opened_ms]


def _alert(alert: Alert | None, rule: str) -> dict[str, Any]:
    if alert is None:
        return {"rule": rule, "erased": True}
    names = ("alert_id", "rule", "severity", "raised_on", "due_on", "because", "times", "outcome", "closed_on")
    told = {name: getattr(alert, name) for name in (*names, "acknowledged", "escalated", "owner")}
    return told | {"evidence": list(alert.evidence), "to": [one.role for one in alert.recipients]}


def _rule(contracts: Path, rule: str) -> dict[str, Any]:
    """The rule's sheet as it stands here today; the decision record names the policy that it was decided under."""
    policy = settings_at_hand(contracts).policy
    sheet = sheets.sheet(policy, rule)
    names = ("id", "name", "source", "severity", "sla", "numbers", "raised", "closes", "silent")
    return {name: getattr(sheet, name) for name in names} | {"policy_here": policy.hash}


def _act(books: Books, told: Told, decided_on: Mapping[str, Any] | None) -> dict[str, Any]:
    """One act with its decision, the record that was decided on, and each recipient's view."""
    fields = told.fact.fields
    plain = ("act", "on", "at", "severity", "due_on", "open", "times", "policy", "caused_by")
    rows = books.decisions.on("alerts", [fields["caused_by"]])
    recipients = [] if told.erased else [_recipient(one) for one in fields["recipients"]]
    return {
        "event_id": told.fact.event_id,
        **{name: fields[name] for name in plain},
        "because": None if told.erased else fields["because"],
        "erased": told.erased,
        "recipients": recipients,
        "record": _record(told.record),
        "decisions": [_decision(books, "alerts", row) for row in rows],
        "decided_on": decided_on,
    }


def _recipient(recipient: Mapping[str, Any]) -> dict[str, Any]:
    """Who, what was shown to them, under which agreements, and what was not and why."""
    return {
        **{name: recipient[name] for name in ("role", "team", "worker")},
        "pulled_back": bool(recipient.get("gone")),
        "shown": recipient["view"],
        "masked": [f"{one['what']}: {REASONS.get(one['why'], one['why'])}" for one in recipient["view"]["withheld"]],
    }


#: Why something behind an alert was not shown, in words (services/alerts/disclosure.py).
REASONS = {
    "agreement": "the agreement does not let this role read it",
    "choice": "the young person has instructed the source not to share it",
    "source": "the source holds it and may not send it",
}


def _record(record: Any) -> dict[str, Any]:
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return place | {"key": record.key, "value": record.value.hex()}


def _decision(books: Books, service: str, row: DecisionRow) -> dict[str, Any]:
    """A decision record, the link before it, and the input's bytes while the log holds them."""
    before = books.decisions.at(service, row.topic, row.partition, row.offset - 1)
    record = books.record_at(row.topic, row.partition, row.offset)
    return {
        "service": service,
        "row": row_document(row),
        "previous_link": before.link.hex() if before else ("" if row.offset == 0 else None),
        "input": None if record is None else record.value.hex(),
    }


def _facts(books: Books, asked: Found, event_id: str) -> Iterator[dict[str, Any]]:
    """One observation behind the alert: what it said, and each service's decision on it from the gate on."""
    held = next((one for one in (asked.state.facts if asked.state else ()) if one.event_id == event_id), None)
    said = {} if held is None else _said(held)
    yield {"event_id": event_id, **said, "decisions": list(_way(books, event_id, held))}


def _said(seen: Seen) -> dict[str, Any]:
    names = ("source", "source_kind", "message_id", "type", "effective_on", "received_on", "agreement", "test")
    lists = {name: list(getattr(seen, name)) for name in ("dropped", "withheld")}
    return {name: getattr(seen, name) for name in names} | lists | {"data": dict(seen.data)}


def _way(books: Books, event_id: str, held: Seen | None) -> Iterator[dict[str, Any]]:
    """The decisions on an observation, in order of flow. Ids follow from one another, so that each is found by one."""
    submission = None
    if held is not None:
        body = books.held.one("ingest", state_key(held.source, held.message_id, held.test))
        submission = None if body is None else decode_state(body).submission_id
    inputs: Collection[str] = [submission] if submission else []
    for service in SERVICES:
        rows = books.decisions.on(service, inputs) if inputs else []
        for row in rows:
            yield _decision(books, service, row)
        inputs = [event_id] if service == "ingest" else _next(service, inputs, rows)


def _next(service: str, inputs: Collection[str], rows: Sequence[DecisionRow]) -> list[str]:
    caused = {identity for row in rows for identity, _ in row.effects}
    possible = (effect_id(service, one, index) for one in inputs for index in range(EFFECTS_LOOKED_AT))
    return [one for one in dict.fromkeys(possible) if one in caused]


def _deliveries(books: Books, alert_id: str) -> Iterator[dict[str, Any]]:
    names = ("delivery_id", "role", "team", "worker", "channel", "act", "state", "attempt", "at", "reason")
    for told in books.of_key("deliveries", alert_id):
        if told.fact.kind == "delivery.v1" and told.fact.fields["alert_id"] == alert_id:
            yield {name: told.fact.fields[name] for name in names}


def _agreements(
    contracts: Path, acts: Sequence[Told], state: State | None, evidence: Sequence[str]
) -> list[dict[str, Any]]:
    """Each agreement that the alert relied on, as the compiled policy of that time has it, where its file is here."""
    named: dict[str, set[str]] = {}
    for told in acts:
        for recipient in () if told.erased else told.fact.fields["recipients"]:
            for agreement in recipient["view"]["agreements"]:
                named.setdefault(agreement, set()).add(recipient["view"]["policy"])
    for fact in state.facts if state else ():
        if fact.event_id in evidence:
            named.setdefault(fact.agreement, set())
    compiled = sorted((contracts / "compiled").glob("policy-*.json"))
    texts = {path.stem.removeprefix("policy-"): path for path in compiled}
    return [_agreement(name, sorted(named[name]), texts) for name in sorted(named) if name]


def _agreement(name: str, policies: Sequence[str], texts: Mapping[str, Path]) -> dict[str, Any]:
    policy = next((p.partition("#")[0] for p in policies if p.partition("#")[0] in texts), None)
    content = orjson.loads(texts[policy].read_bytes())["agreements"].get(name) if policy else None
    kept = content if isinstance(content, dict) else {}
    short = {key: value for key, value in kept.items() if isinstance(value, str)}
    return {"agreement": name, "relied_on_under": list(policies), **short}
