"""Erasing a person: step by step, each safe to repeat, so that a run that was killed is taken up where it stood.

planned    the order and all that it must reach are kept; from here on no hold can be placed
told       the order stands on the log, in every partition of what the gate and matching read
shredded   the keys are destroyed: what was sealed under them is unreadable everywhere, now
forgotten  every service has read the order and keeps nothing; keys that came to light meanwhile are destroyed too
certified  a certificate says what went and what stays
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.heads import NotAllowed
from hub.held import stored
from hub.subject import holds
from hub.subject.attestation import Sign
from hub.subject.certificate import certificate
from hub.subject.operations import note
from hub.subject.registers import ERASURE, Standing, found
from hub.subject.shred import Named, Reach, left, reach, reach_of
from services.alerts.answers.tables import REFERENCE
from services.console.tables import INBOX
from spine import faults
from spine.errors import Retry
from spine.keystore import Keys
from spine.log import Log
from spine.record import Outgoing
from spine.schema import Catalogue

KIND = "erased.v1"
#: Topics whose readers begin everything: the rest hears of it from them.
TOLD = ("submissions", "observations")
#: Read models with a row for each person who is shown or meant.
SHOWN = (("console", INBOX), ("answers", REFERENCE))
STEPS = ("planned", "told", "shredded", "forgotten", "certified")
#: References that matching heeds as erased and whose key still stands: of a record linked after the plan was made.
_REMEMBERED = sa.text(
    "SELECT k.ref FROM matching.state s JOIN keystore.data_key k ON k.ref = split_part(s.key, ':', 3)"
    " WHERE s.key LIKE 'e:%' AND k.wrapped IS NOT NULL"
)
GROUNDS = ("request", "objection", "unlawful", "legal_duty", "retention")


@dataclass(frozen=True, slots=True)
class Order:
    """Who may be erased, why, by whose order. ``ground`` is one of ``GROUNDS``: free text could name people."""

    person_id: str
    ground: str
    asked_by: str
    approved_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hub:
    """What an erasure works with. ``named``: how the gate names a reference; ``wait``: let the services work a little,
    False when they were given long enough; ``sign``: certificates."""

    postgres: str
    engine: sa.Engine
    log: Log
    catalogue: Catalogue
    keys: Keys
    named: Named
    wait: Callable[[], bool]
    sign: Sign


def survey(hub: Hub, person_id: str) -> Reach:
    """What an erasure would reach. Raises NotAllowed where nothing is held, or a hold or a shared record forbids it."""
    with stored(hub.postgres) as held:
        asked = reach(held, hub.catalogue, hub.named, person_id)
    if asked is None:
        raise NotAllowed("nothing is held of this person")
    return asked


def forbidden(connection: sa.Connection, asked: Reach) -> str:
    """Why this person may not be erased now; empty if they may."""
    held = holds.standing(connection, [asked.person_id])
    if held:
        return f"legal hold {held[0].number} stands ({held[0].matter}): lift it first, or refuse the request"
    if asked.shared:
        return (
            f"records of this person bear the reference of another's ({', '.join(asked.shared)}): a steward must say"
            " whose they are, or both are erased"
        )
    if asked.waiting:
        return (
            f"reviews {', '.join(asked.waiting)} ask whether what waits there is about this person: a steward must"
            " decide them first, or it would be left behind"
        )
    return ""


def erase(hub: Hub, order: Order) -> Mapping[str, Any]:
    """Erase, or go on erasing; the certificate. Raises NotAllowed, or Retry: then asking again goes on.

    An erasure that is done already gives its certificate again.
    """
    standing = found(hub.engine, order.person_id) or _planned(hub, order)
    faults.reach("planned")
    for step, work in ((1, _tell), (2, _shred), (3, _forget), (4, _certify)):
        if STEPS.index(standing.step) < step:
            standing = work(hub, standing)
            faults.reach(STEPS[step])
    assert standing.certificate is not None
    return standing.certificate


def _planned(hub: Hub, order: Order) -> Standing:
    if order.ground not in GROUNDS:
        raise NotAllowed(f"give a ground: {', '.join(GROUNDS)}")
    asked = survey(hub, order.person_id)
    seed = f"erasure|{order.person_id}|{order.at.isoformat()}"
    values = {
        "erasure_id": "e-" + hashlib.sha256(seed.encode()).hexdigest()[:20],
        "person_id": order.person_id,
        "ground": order.ground,
        "asked_by": order.asked_by,
        "approved_by": order.approved_by,
        "ordered_at": order.at.replace(microsecond=order.at.microsecond // 1000 * 1000),
        "step": "planned",
        "plan": asked.document(),
    }
    with hub.engine.begin() as connection:
        holds.lock(connection, order.person_id)
        if why := forbidden(connection, asked):
            raise NotAllowed(why)
        connection.execute(sa.insert(ERASURE).values(values))
    standing = found(hub.engine, order.person_id)
    assert standing is not None
    return standing


def _moved(hub: Hub, standing: Standing, step: str, **values: Any) -> Standing:
    with hub.engine.begin() as connection:
        mine = sa.update(ERASURE).where(ERASURE.c.erasure_id == standing.erasure_id)
        connection.execute(mine.values(step=step, **values))
    again = found(hub.engine, standing.person_id)
    assert again is not None
    return again


def _tell(hub: Hub, standing: Standing) -> Standing:
    """The same ids each time: told twice, it is heard once."""
    asked = reach_of(standing.plan)
    fields = {
        "erasure_id": standing.erasure_id,
        "person_id": standing.person_id,
        "at": standing.ordered_at,
        "ground": standing.ground,
        "refs": list(asked.refs),
        "choices": list(asked.choices),
        "reviews": [],
    }
    out = []
    for topic in TOLD:
        for n in range(hub.log.partitions(topic)):
            seed = f"{standing.erasure_id}|{topic}|{n}"
            identity = hashlib.sha256(seed.encode()).hexdigest()[:32]
            body = hub.catalogue.encode(KIND, {**fields, "event_id": identity})
            out.append(Outgoing(0, identity, topic, "", KIND, body, (), n))
    hub.log.append(out)
    return _moved(hub, standing, "told")


def _shred(hub: Hub, standing: Standing) -> Standing:
    hub.keys.destroy(reach_of(standing.plan).refs)
    return _moved(hub, standing, "shredded")


def _forget(hub: Hub, standing: Standing) -> Standing:
    """Wait until nobody keeps anything, then destroy the keys of records that were linked after the plan was made."""
    asked = reach_of(standing.plan)
    while still := what_is_left(hub, asked):
        if not hub.wait():
            raise Retry(f"not everybody has read the order yet ({', '.join(still)}): ask again, it goes on")
    with hub.engine.connect() as connection:
        late = set(connection.execute(_REMEMBERED).scalars()) - {*asked.refs}
    refs = sorted({*asked.refs, *late})
    hub.keys.destroy(refs)
    return _moved(hub, standing, "forgotten", plan={**standing.plan, "refs": refs})


def what_is_left(hub: Hub, asked: Reach) -> Sequence[str]:
    """Services that still keep something of this person."""
    partitions = {topic: hub.log.partitions(topic) for topic in TOLD}
    with stored(hub.postgres) as held:
        still = left(held, asked, partitions)
    with hub.engine.connect() as connection:
        still += [schema for schema, table in SHOWN if _holds(connection, schema, table, asked.person_id)]
    return still


def _holds(connection: sa.Connection, schema: str, table: sa.Table, person_id: str) -> bool:
    """Whether rows of a person stand in a read model; a hub may run without it."""
    name = f"{schema}.{table.name}"
    if connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": name}).scalar() is None:
        return False
    theirs = sa.select(sa.func.count()).select_from(table).where(table.c.person_id == person_id)
    connection = connection.execution_options(schema_translate_map={None: schema})
    return bool(connection.execute(theirs).scalar())


def _certify(hub: Hub, standing: Standing) -> Standing:
    asked = reach_of(standing.plan)
    with hub.engine.connect() as connection:
        written = certificate(connection, standing, asked, hub.sign)
    note(hub.postgres, "erasure", {"erasure_id": standing.erasure_id, "certificate": written["sha256"]})
    return _moved(hub, standing, "certified", certificate=written)
