"""The processor ``answers``: whom a party means by its own reference, and what was believed when, from the facts that
alerts reads, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.alerts.answers import beliefs
from services.alerts.answers.tables import REFERENCE
from services.alerts.erasure import ERASED
from spine import build
from spine.journal import Transaction
from spine.keystore import Keys
from spine.log import Place
from spine.record import Changes, Decided, Fact
from spine.schema import Catalogue

SERVICE, TOPIC = "answers", "statuses"
#: Under this key references are hashed: a short one could be guessed from a bare hash.
HASHED_UNDER = "hub/references"


@runtime_checkable
class HasConnection(Protocol):
    """A transaction on PostgreSQL; there is nobody to answer elsewhere."""

    connection: sa.Connection


def hashed(keys: Keys, party: str, ref: str) -> str:
    """Keyed hash of a party's reference: 22 hex digits. The key must have been made."""
    return keys.key(HASHED_UNDER).nonce(f"{party}\x1f{ref}".encode()).hex()


def given(fact: Fact, catalogue: Catalogue) -> dict[str, str] | None:
    """The row of an observation that this fact gives to a person; None where it gives none, or names no reference."""
    fields = fact.fields
    if not fact.is_a("status") or fields["cause"] not in ("observed", "released"):
        return None
    observation = fields["observation"]
    if observation is None or not observation["subject"] or observation["test"]:
        return None
    ref = catalogue.open("subject.v1", observation["subject"], ("source_ref",)).get("source_ref")
    if not ref:
        return None
    party = observation["source"]
    return {
        "observation_id": observation["event_id"],
        "party": party,
        "ref": hashed(catalogue.keys, party, ref),
        "person_id": fields["person_id"],
    }


class ReferenceProcessor:
    """A ``spine.step.Processor`` without effects: what it changes is for reading only."""

    service, topic, settings = SERVICE, TOPIC, ""

    def __init__(self, catalogue: Catalogue) -> None:
        self.build = build.name("alerts")
        self._catalogue = catalogue
        self.rows: dict[str, dict[str, str]] = {}
        self.beliefs = beliefs.Beliefs()
        self._taken: list[tuple[str, str]] = []
        self._erased: set[str] = set()
        self._transaction: Transaction | None = None

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        del place, facts
        self._forget()
        self._transaction = transaction

    def apply(self, fact: Fact) -> Decided:
        if fact.kind == ERASED:
            person = fact.fields["person_id"]
            self._erased.add(person)
            self.rows = {name: row for name, row in self.rows.items() if row["person_id"] != person}
            self.beliefs.forget(person)
            return Decided()
        self.beliefs.hear(fact)
        row = given(fact, self._catalogue)
        if row is not None:
            self.rows[row["observation_id"]] = row
        elif fact.is_a("status") and fact.fields["cause"] == "withdrawn" and fact.fields["observation_id"]:
            self._taken.append((fact.fields["observation_id"], fact.fields["person_id"]))
        return Decided()

    def changes(self) -> Changes:
        if isinstance(self._transaction, HasConnection):
            write(self._transaction.connection, self.rows, self._taken, self._erased)
            beliefs.write(self._transaction.connection, self.beliefs, self._erased)
        self._forget()
        return Changes()

    def discard(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.rows, self._taken, self._erased, self._transaction = {}, [], set(), None
        self.beliefs = beliefs.Beliefs()


def write(
    connection: sa.Connection,
    rows: Mapping[str, Mapping[str, str]],
    taken: Sequence[tuple[str, str]],
    erased: Collection[str] = (),
) -> None:
    """Rows of a batch. What is taken from one person may have been given to another in any order: then it stays."""
    if erased:
        connection.execute(sa.delete(REFERENCE).where(REFERENCE.c.person_id.in_(sorted(erased))))
    if rows:
        new = insert(REFERENCE)
        names = ("party", "ref", "person_id")
        changed = {name: new.excluded[name] for name in names}
        statement = new.on_conflict_do_update(index_elements=["observation_id"], set_=changed)
        # In order, so that two batches never wait for each other.
        connection.execute(statement, [dict(rows[name]) for name in sorted(rows)])
    for observation_id, person_id in sorted(taken):
        gone = sa.and_(REFERENCE.c.observation_id == observation_id, REFERENCE.c.person_id == person_id)
        connection.execute(sa.delete(REFERENCE).where(gone))


def processor(catalogue: Catalogue, contracts: Path) -> ReferenceProcessor:
    """The processor that the shell runs."""
    del contracts
    return ReferenceProcessor(catalogue)
