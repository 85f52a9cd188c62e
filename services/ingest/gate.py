"""The gate: may this party say this, about a person of this age, today? One function from a submission to a verdict.

All faults at once, none with a value that was sent. What may be kept of a refused message follows CONTRACTS:
wrong principal, no agreement or an ended one: nothing; everything else: the sealed original, for a redrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from services.ingest.choice import FREE, Instructions, held_back
from services.ingest.conditional import conditions
from services.ingest.faults import FAULTS_MAX, Fault, fault
from services.ingest.fields import UNKNOWN, Bad, FieldSpec, TypeSpec, Value, read_date, read_moment
from services.ingest.parse import ID, Envelope, identifies
from services.ingest.policy import Grant, SharingPolicy
from spine.clock import local_date

EFFECTIVE_MIN = date(1990, 1, 1)
EFFECTIVE_AHEAD_DAYS_MAX = 31
WITHHELD_MAX = 60
_ENVELOPE = frozenset({"effective_on", "observed_at", "withheld", "subject", "data"})
_NOT_COVERED = frozenset({"field_not_in_agreement", "unknown_field", "age_outside_agreement", "subject_choice"})
_SHAPE = frozenset({"not_an_object", "specversion", "unknown_attribute", "id_form"})


@dataclass(frozen=True, slots=True)
class Said:
    """A message that may pass: typed, and without what the agreement does not cover."""

    type: str
    effective_on: date
    sequence: int | None
    withheld: tuple[str, ...]
    dropped: tuple[str, ...]
    subject: Mapping[str, Value]
    data: Mapping[str, Value]
    source_kind: str
    agreement: str


@dataclass(frozen=True, slots=True)
class No:
    """A refusal: its class, every fault, the agreement consulted, and whether the sealed original may be kept."""

    reason: str
    faults: tuple[Fault, ...]
    keep: bool
    agreement: str = ""


@dataclass(slots=True)
class _Notes:
    """What one examination gathers."""

    faults: list[Fault]
    dropped: list[str]
    held_back: frozenset[str] = frozenset()

    def add(self, pointer: str, code: str, expected: str = "") -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault(pointer, code, expected))
        elif len(self.faults) == FAULTS_MAX:
            self.faults.append(fault("", "too_many_faults"))


class Judge(Protocol):
    """What a door asks before it answers: the gate, or one that follows the head while it runs."""

    @property
    def policy(self) -> SharingPolicy | None: ...

    @property
    def policy_hash(self) -> str: ...

    @property
    def stand(self) -> str:
        """Name of all that a verdict depends on: it differs after every move of the head."""
        ...

    @property
    def known(self) -> Gate:
        """The gate as it was last seen: asks nothing and nobody, so it is safe on an event loop."""
        ...

    def now(self) -> Gate:
        """The gate of this moment. Who judges several events of one request takes it once."""
        ...

    def examine(self, party: str, received_at: datetime, envelope: Envelope | None) -> Said | No: ...


@dataclass(frozen=True, slots=True)
class Gate:
    """The sharing policy in force, what of it is suspended by command, and the event types."""

    policy: SharingPolicy | None
    types: Mapping[str, TypeSpec]
    suspended_agreements: frozenset[str] = frozenset()
    suspended_parties: frozenset[str] = frozenset()
    head: int = 0

    @property
    def policy_hash(self) -> str:
        return self.policy.policy_hash if self.policy else ""

    @property
    def stand(self) -> str:
        return f"{self.policy_hash}#{self.head}" if self.head else self.policy_hash

    @property
    def known(self) -> Gate:
        return self

    def now(self) -> Gate:
        return self

    def examine(
        self, party: str, received_at: datetime, envelope: Envelope | None, instructions: Instructions = FREE
    ) -> Said | No:
        """The verdict on what ``party`` sent. The party is the principal's, never the message's own word.

        ``instructions``: what the person has told ``party`` to hold back.
        """
        policy = self.policy
        if policy is None:
            return No("policy_missing", (fault("", "policy_missing"),), keep=True)
        day = local_date(received_at)
        if party not in policy.kinds:
            return No("wrong_principal", (fault("", "wrong_principal"),), keep=False)
        if envelope is None:
            keep = policy.speaks_under_some_agreement(party, day)
            return No("unreadable", (fault("", "unreadable"),), keep)
        if envelope.source != party:
            return No("wrong_principal", (fault("/source", "wrong_principal"),), keep=False)
        if not isinstance(envelope.type, str) or envelope.type not in self.types:
            keep = policy.speaks_under_some_agreement(party, day)
            return No("malformed", (fault("/type", "unknown_type", "a type of the event catalogue"),), keep)
        return self._under_agreement(policy, party, day, envelope, self.types[envelope.type], instructions)

    def _under_agreement(
        self,
        policy: SharingPolicy,
        party: str,
        day: date,
        envelope: Envelope,
        spec: TypeSpec,
        instructions: Instructions,
    ) -> Said | No:
        kind = policy.kinds[party]
        if kind not in policy.publishers.get(spec.name, frozenset()):
            return No("no_agreement", (fault("/type", "publisher_kind"),), keep=False)
        grant = policy.grant(spec.name, party, day)
        if grant is None:
            return No("no_agreement", (fault("/type", "no_agreement"),), keep=False)
        code = self._suspended(party, grant)
        if code:
            return No("suspended", (fault("", code),), keep=True, agreement=grant.agreement.name)
        return _examine(envelope, spec, grant, kind, day, held_back(instructions, grant.choices, day))

    def _suspended(self, party: str, grant: Grant) -> str:
        """Code of the fault, if the agreement or the party is suspended."""
        if party in self.suspended_parties:
            return "party_suspended"
        by_command = grant.agreement.name.partition("@")[0] in self.suspended_agreements
        return "agreement_suspended" if by_command or grant.agreement.suspended else ""


def _examine(envelope: Envelope, spec: TypeSpec, grant: Grant, kind: str, day: date, held: frozenset[str]) -> Said | No:
    notes = _Notes([], [], held)
    _attributes(envelope, notes)
    sequence = _sequence(envelope.sequence, notes)
    data = envelope.data
    if not isinstance(data, dict):
        notes.add("/data", "not_an_object")
        return _refused(notes, grant)
    _strangers(data, _ENVELOPE, "/data", grant, notes)
    effective_on = _effective_on(data.get("effective_on"), day, notes)
    if data.get("observed_at") is not None and isinstance(read_moment(data["observed_at"]), Bad):
        notes.add("/data/observed_at", "time_form", "2025-11-24T07:55:00Z")
    withheld = _withheld(data.get("withheld"), spec, notes)
    subject = _part("subject", data.get("subject"), spec.subject, grant, notes)
    facts = _part("data", data.get("data"), spec.data, grant, notes)
    _person(subject, spec, grant, day, notes)
    for pointer, code, expected in conditions(spec.name, kind, facts):
        notes.add(pointer, code, expected)
    if notes.faults or effective_on is None:
        return _refused(notes, grant)
    return Said(
        type=spec.name,
        effective_on=effective_on,
        sequence=sequence,
        withheld=withheld,
        dropped=tuple(sorted(notes.dropped)),
        subject=subject,
        data=facts,
        source_kind=kind,
        agreement=grant.agreement.name,
    )


def _refused(notes: _Notes, grant: Grant) -> No:
    codes = {found.code for found in notes.faults}
    reason = "not_in_agreement" if codes & _NOT_COVERED else "malformed" if codes & _SHAPE else "invalid"
    # What a person has instructed not to share is not kept either.
    return No(reason, tuple(notes.faults), keep="subject_choice" not in codes, agreement=grant.agreement.name)


def _attributes(envelope: Envelope, notes: _Notes) -> None:
    if envelope.specversion != "1.0":
        notes.add("/specversion", "specversion", "1.0")
    if not isinstance(envelope.message_id, str) or not ID.match(envelope.message_id):
        notes.add("/id", "id_form")
    elif identifies(envelope):
        notes.add("/id", "id_identifies")
    if envelope.time is not None and isinstance(read_moment(envelope.time), Bad):
        notes.add("/time", "time_form", "2025-11-24T07:55:00Z")
    if envelope.strange:
        notes.add("", "unknown_attribute")


def _sequence(value: object, notes: _Notes) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    notes.add("/sequence", "sequence_form")
    return None


def _strangers(given: Mapping[str, object], known: frozenset[str], pointer: str, grant: Grant, notes: _Notes) -> None:
    """Fields that no schema knows. Their names stay unsaid: a name can be a value in the wrong place."""
    if all(name in known for name in given):
        return
    if grant.agreement.minimise:
        notes.dropped.append(f"{pointer.removeprefix('/data').removeprefix('/') or 'event'}.(unknown)")
    else:
        notes.add(pointer, "unknown_field", "only: " + ", ".join(sorted(known)))


def _effective_on(value: object, day: date, notes: _Notes) -> date | None:
    expected = f"YYYY-MM-DD, {EFFECTIVE_MIN} to {EFFECTIVE_AHEAD_DAYS_MAX} days ahead"
    if value is None:
        notes.add("/data/effective_on", "missing", expected)
        return None
    read = read_date(value)
    if isinstance(read, Bad):
        notes.add("/data/effective_on", read.code, expected)
        return None
    if not EFFECTIVE_MIN <= read <= day + timedelta(days=EFFECTIVE_AHEAD_DAYS_MAX):
        notes.add("/data/effective_on", "date_range", expected)
        return None
    return read


def _withheld(value: object, spec: TypeSpec, notes: _Notes) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        notes.add("/data/withheld", "wrong_type", "a list of field names such as data.reason")
        return ()
    if len(value) > WITHHELD_MAX:
        notes.add("/data/withheld", "too_many", f"at most {WITHHELD_MAX} names")
        return ()
    names: list[str] = []
    for index, name in enumerate(value):
        if isinstance(name, str) and name in spec.paths:
            names.append(name)
        else:
            notes.add(f"/data/withheld/{index}", "withheld_name")
    return tuple(sorted(set(names)))


def _part(part: str, given: object, specs: Mapping[str, FieldSpec], grant: Grant, notes: _Notes) -> Mapping[str, Value]:
    """The covered, checked fields of the subject or of the data."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        notes.add(f"/data/{part}", "not_an_object")
        return {}
    _strangers(given, frozenset(specs), f"/data/{part}", grant, notes)
    read: dict[str, Value] = {}
    for name, spec in specs.items():
        value = given.get(name)
        if value is not None and value != [] and value != {} and spec.path not in grant.covered:
            if grant.agreement.minimise:
                notes.dropped.append(spec.path)
            else:
                notes.add(spec.pointer, "field_not_in_agreement")
            value = None
        elif value is not None and value != [] and spec.path in notes.held_back:
            value = _held_back(spec, grant, notes)
        checked = None if value is None else spec.read(spec, value)
        if isinstance(checked, Bad):
            entry = "" if checked.entry is None else f"/{checked.entry}"
            notes.add(spec.pointer + entry, checked.code, spec.expected)
        elif checked is not None:
            read[name] = checked
        elif spec.required and not (given.get(name) is not None and spec.path in notes.held_back):
            notes.add(spec.pointer, "missing", spec.expected)
    return read


def _held_back(spec: FieldSpec, grant: Grant, notes: _Notes) -> object:
    """What remains of a value that the person holds back: nothing; ``unknown`` where the event needs a word."""
    word = UNKNOWN if UNKNOWN in spec.values else None
    if grant.agreement.minimise and (word is not None or not spec.required):
        notes.dropped.append(spec.path)
        return word if spec.required else None
    notes.add(spec.pointer, "subject_choice")
    return UNKNOWN if spec.required and word else None


def _person(subject: Mapping[str, Value], spec: TypeSpec, grant: Grant, day: date, notes: _Notes) -> None:
    """Somebody must be meant, and be of an age that the agreement covers."""
    if not spec.about_nobody and not (subject.get("source_ref") or subject.get("family_name")):
        notes.add("/data/subject", "who", "source_ref or family_name")
    born = subject.get("date_of_birth")
    if not isinstance(born, date):
        return
    if born > day:
        notes.add("/data/subject/date_of_birth", "date_range", "not in the future")
    elif not grant.min_age <= age_on(born, day) <= grant.max_age:
        notes.add("/data/subject/date_of_birth", "age_outside_agreement", f"{grant.min_age} to {grant.max_age} years")


def age_on(born: date, day: date) -> int:
    """Whole years; who was born on 29 February has a birthday on 1 March in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
