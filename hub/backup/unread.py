"""What stands on the log that no journal has read yet: orders to erase, and facts whose key a restored store lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from hub.backup.rewind import Standing, first_of
from hub.whole_topic import records_of
from services.ingest.channels.kafka_door import TOPIC_PREFIX
from spine.errors import Poison
from spine.log import Log
from spine.postgres import retrying
from spine.record import Fact
from spine.schema import Catalogue

KIND = "erased.v1"
REFS_AT_ONCE = 5_000
_WITHOUT: LiteralString = (
    "SELECT ref FROM unnest(%s::text[]) AS r(ref)"
    " WHERE NOT EXISTS (SELECT 1 FROM keystore.data_key k WHERE k.ref = r.ref)"
)


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order as the log has it. ``refs`` also names keys that came to light after it: services pass on those, too."""

    erasure_id: str
    person_id: str
    ground: str
    at: datetime
    refs: frozenset[str]
    choices: frozenset[str]
    reviews: frozenset[str]

    def heard_again(self, fields: Mapping[str, Any]) -> Ordered:
        return Ordered(
            self.erasure_id,
            self.person_id,
            self.ground,
            self.at,
            self.refs | set(fields["refs"]),
            self.choices | set(fields["choices"]),
            self.reviews | set(fields["reviews"]),
        )


@dataclass(frozen=True, slots=True)
class Unread:
    """``keyless``: references of facts that had no row in the key store when it was asked."""

    orders: Mapping[str, Ordered]
    keyless: frozenset[str]


def unread(log: Log, catalogue: Catalogue, found: Iterable[Standing], url: str) -> Unread:
    """Read on from the lowest offset that any journal in ``found`` goes on from, once. Raises Retry.

    Partners' own topics hold no fact of the hub, and whoever restores may not read them.
    """
    orders: dict[str, Ordered] = {}
    keyless: set[str] = set()
    refs: set[str] = set()
    ours = [one for one in found if not one.topic.startswith(TOPIC_PREFIX)]
    for place, first in sorted(first_of(ours).items()):
        for record in records_of(log, *place, first):
            try:
                fact = catalogue.sealed_fact(record)
                refs |= catalogue.named([fact])
            except Poison:
                continue
            if fact.kind == KIND:
                _hear(orders, fact)
            if len(refs) > REFS_AT_ONCE:
                keyless |= without_key(url, refs)
                refs = set()
    return Unread(orders, frozenset(keyless | without_key(url, refs)))


def _hear(orders: dict[str, Ordered], fact: Fact) -> None:
    told, nothing = fact.fields, frozenset[str]()
    first = Ordered(told["erasure_id"], told["person_id"], told["ground"], told["at"], nothing, nothing, nothing)
    orders[first.erasure_id] = orders.get(first.erasure_id, first).heard_again(told)


def without_key(url: str, refs: Collection[str]) -> set[str]:
    """Those that have no row in the key store. A service that met a fact under one would halt. Raises Retry."""
    if not refs:
        return set()
    with retrying(), psycopg.connect(url, application_name="hub-backup") as connection:
        (there,) = connection.execute("SELECT to_regclass('keystore.data_key') IS NOT NULL").fetchone() or (False,)
        return {ref for (ref,) in connection.execute(_WITHOUT, (sorted(refs),))} if there else set(refs)
