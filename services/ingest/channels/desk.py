"""What the HTTP door does with events once the principal is known: judge, append, answer. No HTTP here.

The answer is the gate's own verdict, given early; ingest decides the same again from the log. An event that is
refused is appended too, so that the refusal is recorded and its original waits in quarantine where that is allowed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from services.ingest.agent import state_key
from services.ingest.channels.answers import Problem, explained, taken, turned_away
from services.ingest.channels.appender import Appender
from services.ingest.channels.receipts import Receipts, Recent
from services.ingest.decide import Heard
from services.ingest.door import PAYLOAD_BYTES_MAX, Arrival, Door, event_message, unreadable_message
from services.ingest.extracts import STEWARD, Extract, extract_told
from services.ingest.faults import fault
from services.ingest.gate import Gate, Judge, No, Said
from services.ingest.parse import ID, Envelope, content, from_event
from spine.clock import local_date
from spine.errors import Retry
from spine.record import Outgoing
from spine.who.principal import Principal


@dataclass(frozen=True, slots=True)
class _Judged:
    """One event of a request, judged: what to append, what to answer, what to remember of it."""

    answer: dict[str, Any] | Problem
    outgoing: Outgoing | None = None
    key: str = ""
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request: who speaks, when it came, and the gate of that moment, which judges all of its events. ``trace``:
    what the request says of one."""

    who: Principal
    received_at: datetime
    gate: Gate
    trace: str = ""

    @property
    def arrival(self) -> Arrival:
        policy = self.gate.policy
        # The console's: a steward's decision is in the trace of their click. A partner's trace is its own affair.
        own = policy is not None and policy.kinds.get(self.who.party) == STEWARD
        trace = self.trace if own else ""
        return Arrival(self.who.party, self.who.name, "http", self.received_at, self.who.test, self.gate.stand, trace)

    def examine(self, envelope: Envelope | None) -> Said | No:
        return self.gate.examine(self.who.party, self.received_at, envelope)


@dataclass(frozen=True, slots=True)
class Desk:
    """The door behind its HTTP form."""

    door: Door
    gate: Judge
    appender: Appender
    receipts: Receipts
    recent: Recent

    def take(
        self, who: Principal, events: Sequence[object], received_at: datetime, trace: str = ""
    ) -> list[dict[str, Any] | Problem]:
        """An answer for each event, in order. Raises Retry or Busy: then nothing is promised of any."""
        visit = _Visit(who, received_at, self.gate.now(), trace)
        envelopes = [from_event(event) for event in events]
        known = self._known(who, envelopes)
        judged: list[_Judged] = []
        for event, envelope in zip(events, envelopes, strict=True):
            one = self._judge(visit, event, envelope, known)
            if one.heard is not None:
                # Two of one id in one request: the second is judged after the first.
                known[one.key] = one.heard
            judged.append(one)
        self.appender.append([one.outgoing for one in judged if one.outgoing is not None])
        for one in judged:
            if one.heard is not None:
                self.recent.put(one.key, one.heard)
        return [one.answer for one in judged]

    def refuse_unreadable(self, who: Principal, body: bytes, received_at: datetime) -> Problem:
        """Bytes that are no JSON: appended, so that the partner's data manager can see that they came."""
        out = self.door.submission(_Visit(who, received_at, self.gate.now()).arrival, unreadable_message(body))
        self.appender.append([out])
        return Problem(
            "unreadable", (fault("", "unreadable", "one CloudEvents object, or a list of them"),), out.event_id
        )

    def validate(self, who: Principal, events: Sequence[object], received_at: datetime) -> list[dict[str, Any]]:
        """A dry run: the gate's verdict on each event; nothing is kept."""
        visit = _Visit(who, received_at, self.gate.now())
        results: list[dict[str, Any]] = []
        for event in events:
            envelope = from_event(event)
            verdict = visit.examine(envelope)
            shown = {"id": _shown_id(envelope), "valid": not isinstance(verdict, No)}
            if isinstance(verdict, No):
                results.append({**shown, **Problem(verdict.reason, verdict.faults).body()})
            else:
                results.append({**shown, "dropped": list(verdict.dropped), "agreement": verdict.agreement})
        return results

    def receipt(self, who: Principal, message_id: str) -> dict[str, Any] | Problem:
        """What the gate made of one of the party's own messages."""
        state = state_key(who.party, message_id, who.test)
        heard = self.receipts.heard([state]).get(state)
        if heard is None:
            recent = self.recent.get(state)
            if recent is None:
                return Problem("not_found")
            return {"id": message_id, "state": "received", "receipt": recent.submission_id}
        out: dict[str, Any] = {
            "id": message_id,
            "state": heard.outcome,
            "receipt": heard.submission_id,
            "received_at": heard.received_at,
            "type": heard.type,
            "agreement": heard.agreement,
        }
        if heard.outcome == "refused":
            out |= {"reason": heard.reason, "errors": explained(heard.codes)}
        return out

    def refusals(self, who: Principal, limit: int) -> list[dict[str, Any]]:
        """The party's last refusals, newest first: reasons, never content. ``open``: nothing better came since."""
        found = self.receipts.refusals(who.party, who.test)[:limit]
        states = {refused.message_id: state_key(who.party, refused.message_id, who.test) for refused in found}
        heard = self.receipts.heard(list(states.values())) if states else {}
        out = []
        for refused in found:
            now = heard.get(states[refused.message_id])
            still = now is not None and now.outcome == "refused" and now.submission_id == refused.submission_id
            out.append(turned_away(refused, still))
        return out

    def terms(self, who: Principal, at: datetime) -> list[dict[str, Any]]:
        """What of this party's agreements is in force today, as far as its own software needs it."""
        policy = self.gate.policy
        grants = policy.grants_of(who.party, local_date(at)) if policy else {}
        return [
            {
                "type": kind,
                "agreement": grant.agreement.name,
                "ages": [grant.min_age, grant.max_age],
                "over_sharing": "minimise" if grant.agreement.minimise else "refuse",
                "shrink_hold_percent": grant.agreement.shrink_hold_percent,
                "fields": sorted(grant.covered),
            }
            for kind, grant in grants.items()
        ]

    def extract(self, who: Principal, told: object, received_at: datetime) -> dict[str, Any] | Problem:
        """That a batch of this party came: appended as the steward's word. Raises Retry or Busy."""
        visit, day = _Visit(who, received_at, self.gate.now()), local_date(received_at)
        policy = visit.gate.policy
        if policy is None:
            return Problem("policy_missing")
        if not policy.speaks_under_some_agreement(who.party, day):
            return Problem("no_agreement", (fault("", "no_agreement"),))
        read = extract_told(who.party, told, day)
        if not isinstance(read, Extract):
            return Problem("invalid", read)
        event = read.event(policy)
        arrival = replace(visit.arrival, party=str(event["source"]))
        out = self.door.submission(arrival, event_message(event))
        self.appender.append([out])
        return {"status": 202, "receipt": out.event_id}

    def _known(self, who: Principal, envelopes: Sequence[Envelope | None]) -> dict[str, Heard]:
        ids = {
            e.message_id
            for e in envelopes
            if e is not None and isinstance(e.message_id, str) and ID.match(e.message_id)
        }
        states = [state_key(who.party, message_id, who.test) for message_id in sorted(ids)]
        known = {state: held for state in states if (held := self.recent.get(state)) is not None}
        try:
            judged = self.receipts.heard(states) if states else {}
        except Retry:
            # Without the journal the door still takes events; ingest itself recognises what it has heard before.
            return known
        for state, heard in judged.items():
            early = known.get(state)
            # What this door took early ingest may have refused since: after a suspension, or for a person's choice.
            if early is None or heard.outcome == "accepted" or not _earlier(heard, early):
                known[state] = heard
        return known

    def _judge(self, visit: _Visit, event: object, envelope: Envelope | None, known: Mapping[str, Heard]) -> _Judged:
        body = orjson.dumps(event) if envelope is not None else b""
        if len(body) > PAYLOAD_BYTES_MAX:
            return _Judged(Problem("too_large"))
        arrival = visit.arrival
        if envelope is None or not isinstance(event, dict):
            out = self.door.submission(arrival, unreadable_message(_small(event)))
            return _Judged(
                Problem("malformed", (fault("", "not_an_object", "a CloudEvents object"),), out.event_id), out
            )
        out = self.door.submission(arrival, event_message(event))
        print_ = base64.b64encode(self.door.sealer.fingerprint(content(envelope))).decode()
        state = state_key(visit.who.party, str(envelope.message_id), visit.who.test)
        before = known.get(state)
        if before is not None and before.outcome == "accepted":
            if before.fingerprint == print_:
                return _Judged(taken(str(envelope.message_id), before.submission_id))
            return _Judged(Problem("id_reused", (fault("/id", "id_reused"),), out.event_id), out)
        verdict = visit.examine(envelope)
        if isinstance(verdict, No):
            return _Judged(Problem(verdict.reason, verdict.faults, out.event_id), out)
        at = visit.received_at.isoformat()
        heard = Heard(outcome="accepted", submission_id=out.event_id, received_at=at, fingerprint=print_)
        return _Judged(taken(str(envelope.message_id), out.event_id), out, state, heard)


def _earlier(heard: Heard, early: Heard) -> bool:
    """Whether ingest's word is about an earlier submission than the one this door took."""
    if heard.submission_id == early.submission_id:
        return False
    return datetime.fromisoformat(heard.received_at) <= datetime.fromisoformat(early.received_at)


def _shown_id(envelope: Envelope | None) -> str | None:
    """The message id, where it is one: another text in its place is not given back."""
    message_id = envelope.message_id if envelope else None
    return message_id if isinstance(message_id, str) and ID.match(message_id) else None


def _small(event: object) -> bytes:
    """Bytes of something that is no event, as far as they can be had: orjson itself stops at deep nesting."""
    try:
        return orjson.dumps(event)[:PAYLOAD_BYTES_MAX]
    except (TypeError, RecursionError):
        return b""
