"""The life of one delivery: created, sending, then delivered, or failed until given up. Pure.

An attempt is made by the sender, outside; what came of it returns as a fact on the same topic and is decided here.
A delivery is at least once: a second fact about the same attempt changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import orjson

from services.alerts.delivery.policy import DeliveryPolicy, Retry
from services.alerts.delivery.telling import INBOX, Telling, by, chosen, known
from spine.record import Effect, Fact

TOPIC = "deliveries"
KIND = "delivery.v1"
#: Failures that no repetition can mend.
LASTING = ("refused", "no_address", "no_channel")
#: Reason of the fact by which a person sets going again what was given up, or taken: one more attempt, at once.
RETRIED = "retried"
#: Nothing was chosen: told as the council set it.
AS_SET = Telling()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is kept of one delivery; ``life`` is empty before it was created."""

    delivery_id: str
    alert_id: str = ""
    role: str = ""
    team: str | None = None
    worker: str | None = None
    rule: str = ""
    act: str = ""
    due_on: str | None = None
    severity: str = ""
    channel: str = ""
    life: str = ""
    attempt: int = 0
    at_ms: int = 0
    reason: str = ""
    #: What its reader chose (``telling``), as it stood when this was created.
    chosen: str = ""
    #: The channel that its reader chose, as it stood then.
    by: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that the sender must attempt, ``wait_s`` seconds from the decision on."""

    delivery: Delivery
    recipient: str
    urgent: bool
    wait_s: int


def decide(
    policy: DeliveryPolicy, state: Delivery, fact: Fact, told_as: Telling = AS_SET
) -> tuple[Delivery, Sequence[Effect]]:
    """New state and effects. Facts that a life cannot take any more change nothing. ``told_as``: what was chosen."""
    if fact.kind != KIND:
        return state, ()
    match fact.fields["state"]:
        case "created" if not state.life:
            return _created(policy, _parse(fact), told_as)
        case "delivered" if state.life in ("sending", "given_up"):
            return replace(state, life="delivered", attempt=max(state.attempt, fact.fields["attempt"]), reason=""), ()
        case "failed" if state.life == "sending" and fact.fields["attempt"] > state.attempt:
            return _failed(policy.retry, state, fact)
        case "sending" if _may_go_again(state) and fact.fields["attempt"] == state.attempt:
            return replace(state, life="sending", reason=RETRIED), ()
        case _:
            return state, ()


def due(policy: DeliveryPolicy, state: Delivery) -> Due | None:
    """What the sender must do now; None when nothing is to be sent (any more)."""
    if state.life != "sending":
        return None
    urgent = policy.is_urgent(state.severity, state.rule)
    if state.reason == RETRIED:
        wait = 0
    elif state.attempt:
        wait = backoff_s(policy.retry, state.delivery_id, state.attempt)
    else:
        wait = 0 if urgent else policy.group_window_s
    return Due(state, recipient_of(state), urgent, wait)


def recipient_of(state: Delivery) -> str:
    """One caseload: the worker, else the team, else the duty desk of the role."""
    return named(state.worker, state.team, state.role)


def named(worker: str | None, team: str | None, role: str) -> str:
    """A recipient's name: ``worker:…``, ``team:…`` or ``role:…``."""
    if worker:
        return f"worker:{worker}"
    return f"team:{team}" if team else f"role:{role}"


def backoff_s(retry: Retry, delivery_id: str, attempt: int) -> int:
    """Seconds before the next attempt: doubling, bounded, spread by a hash so that a crowd does not return at once."""
    assert attempt >= 1
    whole = min(retry.longest_s, retry.first_s << min(attempt - 1, 20))
    spread = whole * retry.jitter_percent // 100
    number = int.from_bytes(hashlib.sha256(f"{delivery_id}/{attempt}".encode()).digest()[:4])
    return whole - spread + number % (2 * spread + 1)


def encode(state: Delivery) -> bytes:
    """Where nothing was chosen, as the version before wrote it, which can still read it."""
    plain = {
        name: value for name in Delivery.__slots__ if (value := getattr(state, name)) or name not in ("chosen", "by")
    }
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def decode(body: bytes) -> Delivery:
    return Delivery(**known(body, Delivery.__slots__))


def told(state: Delivery, life: str, *, attempt: int, at_ms: int, reason: str = "") -> Effect:
    """The fact that says what became of a delivery."""
    fields = {
        "delivery_id": state.delivery_id,
        "alert_id": state.alert_id,
        "role": state.role,
        "team": state.team,
        "worker": state.worker,
        "rule": state.rule,
        "act": state.act,
        "due_on": None if state.due_on is None else date.fromisoformat(state.due_on),
        "severity": state.severity,
        "channel": state.channel,
        "state": life,
        "attempt": attempt,
        "at": moment(at_ms),
        "reason": reason,
    }
    return Effect(TOPIC, state.alert_id, KIND, fields)


def moment(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _may_go_again(state: Delivery) -> bool:
    """What the inbox has it can't lose: there is nothing to send again."""
    return state.life == "given_up" or (state.life == "delivered" and state.channel != "inbox")


def _created(policy: DeliveryPolicy, state: Delivery, told_as: Telling) -> tuple[Delivery, Sequence[Effect]]:
    if state.channel == "inbox":
        # The console reads the alert itself from its topic: being on the log is being in the inbox.
        done = replace(state, life="delivered", attempt=1)
        return done, (told(done, "delivered", attempt=1, at_ms=state.at_ms),)
    if state.channel == "email":
        urgent = policy.is_urgent(state.severity, state.rule)
        way = "" if urgent or not state.worker else chosen(told_as, state.severity, state.act)
        if way == INBOX:
            kept = replace(state, life="kept", reason="chosen", chosen=way)
            return kept, (told(kept, "kept", attempt=0, at_ms=state.at_ms, reason="chosen"),)
        first = "" if urgent or not state.worker else by(told_as, state.act)
        return replace(state, life="sending", chosen=way, by=first), ()
    given_up = replace(state, life="given_up", reason="no_channel")
    return given_up, (told(given_up, "given_up", attempt=0, at_ms=state.at_ms, reason="no_channel"),)


def _failed(retry: Retry, state: Delivery, fact: Fact) -> tuple[Delivery, Sequence[Effect]]:
    attempt, reason = int(fact.fields["attempt"]), str(fact.fields["reason"])
    tried = replace(state, attempt=attempt, reason=reason)
    if attempt < retry.attempts_max and not reason.startswith(LASTING):
        return tried, ()
    last = replace(tried, life="given_up")
    return last, (told(last, "given_up", attempt=attempt, at_ms=milliseconds(fact.fields["at"]), reason=reason),)


def _parse(fact: Fact) -> Delivery:
    fields = fact.fields
    return Delivery(
        delivery_id=fields["delivery_id"],
        alert_id=fields["alert_id"],
        role=fields["role"],
        team=fields["team"],
        worker=fields["worker"],
        rule=fields["rule"],
        act=fields["act"],
        due_on=None if fields["due_on"] is None else fields["due_on"].isoformat(),
        severity=fields["severity"],
        channel=fields["channel"],
        at_ms=milliseconds(fields["at"]),
    )
