"""The processor of ingest: for each submission the state of its message id, what the person has instructed, and the
party's last refusals. All are rows of the journal, read together for a batch and written with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import orjson

from services.ingest.choice import FREE, Choice, Instructions
from services.ingest.decide import Heard, Ingest, Submission
from services.ingest.gate import Gate
from services.ingest.turned_away import NONE, TurnedAway, with_refusal
from spine.headed import Head
from spine.journal import Transaction
from spine.keystore import Erased
from spine.log import Place
from spine.record import Changes, Decided, Fact

SUBMISSION, CHOICE, ERASED = "submission.v1", "choice.v1", "erased.v1"
SERVICE, TOPIC = "ingest", "submissions"


class Opens(Protocol):
    """Opens a sealed submission. Raises Erased where its key was destroyed."""

    def submission(self, fact: Fact) -> Submission: ...


def state_key(party: str, message_id: str, test: bool) -> str:
    """One message id of one party; test messages live beside the live ones."""
    return f"{party}|{message_id}|test" if test else f"{party}|{message_id}"


def choice_key(partition: int, party: str, about: str, test: bool) -> str:
    """Every partition keeps its own copy of an instruction, so that what it decides follows from its own records."""
    return f"|choice|{partition}|{party}|{about}{'|test' if test else ''}"


def turned_away_key(partition: int, party: str, test: bool) -> str:
    return f"|turned-away|{partition}|{party}{'|test' if test else ''}"


_STATE = tuple(Heard.__dataclass_fields__)


def encode_state(heard: Heard) -> bytes:
    """Deterministic bytes; ``decode_state`` is the way back."""
    return orjson.dumps({name: getattr(heard, name) for name in _STATE}, option=orjson.OPT_SORT_KEYS)


def decode_state(body: bytes) -> Heard:
    read = orjson.loads(body)
    return Heard(**{**read, "codes": tuple(read["codes"])})


def encode_instructions(held: Instructions) -> bytes:
    return orjson.dumps([[c.effective_on, c.received_at, c.scope, c.items] for c in held.given])


def decode_instructions(body: bytes) -> Instructions:
    return Instructions(tuple(Choice(on, at, scope, tuple(items)) for on, at, scope, items in orjson.loads(body)))


@dataclass(slots=True)
class IngestProcessor:
    """A ``spine.step.Processor``. ``gate_under``: the gate of a head; of None, of what stood compiled at the start."""

    opener: Opens
    core: Ingest
    gate_under: Callable[[Head | None], Gate]
    build: str
    settings: str = ""
    service: str = SERVICE
    topic: str = TOPIC
    _bodies: dict[str, bytes] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _opened: dict[str, Submission] = field(default_factory=dict)
    _away: dict[str, TurnedAway] = field(default_factory=dict)
    _partition: int = 0

    def follow(self, head: Head | None) -> str:
        """Judge under this head from now on; the name that decisions record."""
        gate = self.gate_under(head)
        self.core = replace(self.core, gate=gate)
        return gate.stand

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        self._partition, self._bodies, self._changed, self._away = place[1], {}, set(), {}
        self._opened = {f.event_id: opened for f in facts if f.kind == SUBMISSION for opened in self._open(f)}
        wanted = {key for submission in self._opened.values() for key in self._keys(submission)}
        wanted |= {self._choice_of(fact) for fact in facts if fact.kind == CHOICE}
        wanted |= {key for fact in facts if fact.kind == ERASED for key in self._choices_of(fact)}
        self._bodies = dict(transaction.load(sorted(wanted)))

    def apply(self, fact: Fact) -> Decided:
        if fact.kind == CHOICE:
            return self._instruct(fact)
        if fact.kind == ERASED:
            return self._forget(fact)
        if fact.kind != SUBMISSION:
            return Decided()
        if fact.event_id not in self._opened:
            raise Erased(fact.event_id)
        submission = self._opened[fact.event_id]
        key, about, away = self._keys(submission)
        body = self._bodies.get(key)
        heard = Heard() if body is None else decode_state(body)
        after, effects = self.core.decide(heard, submission, self._instructions(about))
        written = encode_state(after)
        self._put(key, written)
        for effect in effects:
            if effect.kind == "refusal.v1":
                # Kept for the party to read; no decision looks at it, and the effect says the same.
                self._away[away] = with_refusal(self._turned_away(away), effect.fields)
        # What the person has instructed is part of what was known: without it the verdict can't be shown again.
        instructed = self._bodies.get(about) or None
        return Decided(tuple(effects), _digest(body, instructed), _digest(written, instructed))

    def changes(self) -> Changes:
        rows = {key: self._bodies[key] for key in self._changed}
        rows |= {key: held.encode() for key, held in self._away.items()}
        gone = {key for key, body in rows.items() if not body}
        return Changes({key: (rows[key], None) for key in sorted(rows.keys() - gone)}, gone)

    def discard(self) -> None:
        self._bodies, self._changed, self._opened, self._away = {}, set(), {}, {}

    def _open(self, fact: Fact) -> Iterator[Submission]:
        """Nothing once the key of its day is destroyed: in a replay long after."""
        with suppress(Erased):
            yield self.opener.submission(fact)

    def _keys(self, submission: Submission) -> tuple[str, str, str]:
        """Keys of the message, of the person's instructions, and of the party's refusals."""
        party, test = submission.party, submission.test
        return (
            state_key(party, submission.message_id, test),
            choice_key(self._partition, party, submission.about, test) if submission.about else "",
            turned_away_key(self._partition, party, test),
        )

    def _instructions(self, key: str) -> Instructions:
        body = self._bodies.get(key)
        return decode_instructions(body) if body else FREE

    def _turned_away(self, key: str) -> TurnedAway:
        if key in self._away:
            return self._away[key]
        body = self._bodies.get(key)
        return NONE if body is None else TurnedAway.decode(body)

    def _choice_of(self, fact: Fact) -> str:
        fields = fact.fields
        return choice_key(self._partition, fields["party"], fields["about"], fields["test"])

    def _instruct(self, fact: Fact) -> Decided:
        key, fields = self._choice_of(fact), fact.fields
        body = self._bodies.get(key) or None
        on, at = fields["effective_on"].isoformat(), fields["received_at"].isoformat()
        choice = Choice(on, at, fields["scope"], tuple(fields["items"]))
        written = encode_instructions(self._instructions(key).with_choice(choice))
        self._put(key, written)
        return Decided((), _digest(body), _digest(written))

    def _choices_of(self, fact: Fact) -> list[str]:
        """Rows of what somebody erased has instructed, of the person and of the rehearsal of that name."""
        named = [choice.partition("|") for choice in sorted(fact.fields["choices"])]
        keys = [(party, about, test) for party, _, about in named for test in (False, True)]
        return [choice_key(self._partition, *key) for key in keys]

    def _forget(self, fact: Fact) -> Decided:
        keys = self._choices_of(fact)
        before = _digest(*(self._bodies.get(key) or None for key in keys))
        for key in keys:
            self._put(key, b"")
        return Decided((), before)

    def _put(self, key: str, body: bytes) -> None:
        self._bodies[key] = body
        self._changed.add(key)


def _digest(*bodies: bytes | None) -> bytes:
    """Of rows in a fixed order; empty where there is none of them."""
    if not any(bodies):
        return b""
    return hashlib.sha256(b"".join(len(body or b"").to_bytes(4, "big") + (body or b"") for body in bodies)).digest()
