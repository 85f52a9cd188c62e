"""Everything of one person that an erasure must reach, found in what the services keep: keys, rows, reviews. Read only.

A key belongs to a source's record of somebody. Where another person's file holds a record of the same source and
reference (a file into which somebody's events were put by mistake), one key seals facts of both: then nothing may be
destroyed before a steward has said whose they are.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.held import Held
from hub.person.whom import PERSON
from services.alerts import state as alerts
from services.ingest.processor import choice_key
from services.matching.rows import keys_in
from services.status import state as status
from spine.keystore.postgres import agency_of
from spine.parts import HUB
from spine.schema import Catalogue

#: Party and its own reference of somebody -> the name under which the gate keeps what the person instructed.
Named = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Reach:
    """What there is of a person. Opaque references and counts only: it is kept with the order.

    ``shared``: people whose files hold a record of the same source and reference. ``elsewhere``: people whose files
    remember an observation that was taken out of them and belongs to this person. ``waiting``: reviews that ask whether
    what waits there is about this person. ``told``: recipients, to be told.
    """

    person_id: str
    refs: tuple[str, ...]
    choices: tuple[str, ...]
    reviews: tuple[str, ...]
    told: tuple[str, ...]
    rows: Mapping[str, int]
    shared: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Reach.__slots__}

    @property
    def agencies(self) -> dict[str, int]:
        return dict(sorted(Counter(agency_of(ref) for ref in self.refs).items()))


def reach_of(read: Mapping[str, Any]) -> Reach:
    """The way back from ``document``."""
    lists = ("refs", "choices", "reviews", "told", "shared", "elsewhere", "waiting")
    return Reach(read["person_id"], rows=dict(read["rows"]), **{name: tuple(read[name]) for name in lists})


def reach(held: Held, catalogue: Catalogue, named: Named, person_id: str) -> Reach | None:
    """None for somebody of whom nothing is held."""
    own = [body for key, body in _matching(held, person_id) if _is_of(key, person_id)]
    if not own and held.one("status", person_id) is None and held.one("alerts", person_id) is None:
        return None
    records = [record for body in own for record in orjson.loads(body)["r"]]
    observations = [one for record in records for one in _observations(held, catalogue, record)]
    refs = {ref for body in own for ref in keys_in(body)} | {one["sealed_under"] for one in observations} - {None}
    keys = sorted({(record["s"], record["k"]) for record in records})
    told, reviews = alerts_of(held, person_id), _reviews(held, person_id)
    return Reach(
        person_id,
        refs=tuple(sorted({*map(str, refs), f"{HUB}/{person_id}"})),
        choices=tuple(sorted({f"{party}|{named(ref)}" for party, ref in keys if not ref.startswith("~")})),
        reviews=tuple(sorted(row["i"] for row in reviews if row["p"] == person_id)),
        told=told_of(told),
        rows={"records": len(records), "observations": len(observations), "alerts": len(told)},
        shared=tuple(sorted(_sharing(held, keys, person_id))),
        elsewhere=tuple(_elsewhere(held, [one["event_id"] for one in observations], person_id)),
        waiting=tuple(sorted(row["i"] for row in reviews if row["p"] != person_id and row["w"] != "suggested")),
    )


def alerts_of(held: Held, person_id: str) -> tuple[alerts.Alert, ...]:
    body = held.one("alerts", person_id)
    return () if body is None else alerts.decode(body).alerts


def told_of(known: Iterable[alerts.Alert]) -> tuple[str, ...]:
    """Whom these alerts told."""
    return tuple(sorted({_who(one) for alert in known for one in (*alert.recipients, *alert.former)}))


def left(held: Held, found: Reach, partitions: Mapping[str, int]) -> list[str]:
    """What is still there of somebody who is being erased; empty when every service has forgotten.

    Matching must remember the destroyed references in each partition: from then on nothing that comes late, or that is
    opened with a key which a process still remembers, begins anything under them again.
    """
    person_id = found.person_id
    rows = [key for key, _ in _matching(held, person_id) if _is_of(key, person_id)]
    still = ["matching"] if rows else []
    still += [name for name in ("status", "alerts") if held.one(name, person_id) is not None]
    agencies = [ref for ref in found.refs if agency_of(ref) != HUB]
    places = [f"e:observations/{n}:{ref}" for n in range(partitions["observations"]) for ref in agencies]
    still += ["matching remembers" for key in places if held.one("matching", key) is None][:1]
    kept = [(*choice.partition("|")[::2], n) for choice in found.choices for n in range(partitions["submissions"])]
    keys = [choice_key(n, party, about, test) for party, about, n in kept for test in (False, True)]
    still += ["ingest" for key in keys if held.one("ingest", key) is not None][:1]
    return still


def _matching(held: Held, person_id: str) -> list[tuple[str, bytes]]:
    return list(held.holding("matching", orjson.dumps(person_id)))


def _is_of(key: str, person_id: str) -> bool:
    return key.startswith(PERSON) and key.endswith(f":{person_id}")


def _observations(held: Held, catalogue: Catalogue, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    kept = [held.one("matching", f"z:{record['u']}:{n}") for n in range(record["n"])]
    bodies = [body for body in kept if body is not None] + [base64.b64decode(text) for text in record["h"]]
    return [catalogue.decode("observation.v1", body) for body in bodies]


def _reviews(held: Held, person_id: str) -> list[Mapping[str, Any]]:
    """Open reviews of the person, or that ask about them."""
    rows = [orjson.loads(body) for key, body in _matching(held, person_id) if key.startswith("r:")]
    return [row for row in rows if row["p"] == person_id or person_id in [one[0] for one in row["c"]]]


def _sharing(held: Held, keys: list[tuple[str, str]], person_id: str) -> set[str]:
    found = set()
    for source, ref in keys:
        for key, body in held.holding("matching", b'"k":' + orjson.dumps(ref)):
            if key.startswith(PERSON) and not _is_of(key, person_id):
                row = orjson.loads(body)
                if any((one["s"], one["k"]) == (source, ref) for one in row["r"]):
                    found.add(str(row["i"]))
    return found


def _elsewhere(held: Held, observations: list[str], person_id: str) -> list[str]:
    if not observations:
        return []
    named = re.compile(b"|".join(re.escape(one.encode()) for one in observations))
    found = [key for key, body in held.all("status") if key != person_id and named.search(body)]
    return [key for key in found if any(one.id in observations for one in _seen(held, key))]


def _seen(held: Held, key: str) -> tuple[Any, ...]:
    body = held.one("status", key)
    return () if body is None else status.decode(body).seen


def _who(one: alerts.Recipient) -> str:
    return " ".join(filter(None, (one.role, one.team)))
