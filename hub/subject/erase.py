"""``hub erase``: one person orders it, another approves; nothing of the young person is left but the proof of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.heads import NotAllowed
from hub.held import stored
from hub.layout import Home, schemas_folder
from hub.output import USAGE, AsJson, fail, show_json, show_table
from hub.person.whom import ids_of
from hub.private import write_private
from hub.running import kek_at_hand, root_at_hand, where
from hub.subject import approvals
from hub.subject.attestation import Sign, signed_by
from hub.subject.erasure import GROUNDS, Hub, Order, erase, forbidden, survey
from hub.subject.officers import officers_at_hand
from hub.subject.registers import found, registers
from hub.subject.shred import Named, Reach
from spine.clock import now
from spine.errors import SpineError
from spine.kafka import KafkaLog
from spine.keystore.postgres import PostgresKeys
from spine.ledger.settings import LedgerSettings
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.seal import Sealer

KIND = "erase"
WAIT_SECONDS_MAX, LOOK_SECONDS = 120.0, 0.5
AWAY = (SpineError, OSError, ValueError, KeyError, psycopg.Error, sa.exc.SQLAlchemyError)

Person = Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, or party:source_ref.")]
Ground = Annotated[str, typer.Option("--reason", help=f"Ground, one of: {', '.join(GROUNDS)}.")]
By = Annotated[str, typer.Option("--by", help="Who asks or approves, for the record.")]


def erase_(
    person: Person,
    ground: Ground = "",
    by: By = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; ask for nothing.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help=approvals.APPROVE)] = False,
    out: Annotated[Path | None, typer.Option(help="Write the certificate to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person: destroy their keys, have every service forget them, and certify what went and what stays.

    The first call asks; another person approves within seven days, and it is done. A run that was stopped goes on when
    it is approved again. There is no way back. A legal hold, a record that another person shares, or an undecided
    match review forbids it.
    Exit codes: 0 asked, shown or certified; 1 no hub answers, or not everybody has read the order yet (call again);
    2 wrong usage, forbidden, or the same person.
    """
    if not dry_run and (not by.strip() or (not approve and ground not in GROUNDS)):
        fail(f"erase: give --by NAME, and as --reason one of {', '.join(GROUNDS)}", as_json=as_json, code=USAGE)
    try:
        with running(lambda said: None if as_json else typer.echo(said, err=True)) as hub:
            person_id = _meant(hub, person)
            if dry_run:
                _show(survey(hub, person_id), _why_not(hub, person_id), as_json)
                return
            access.write_down("hub erase", [person_id], f"{'approved' if approve else 'asked'} by {by.strip()}")
            if approve:
                _certified(approved(hub, person_id, by, now()), out, as_json)
            else:
                _asked(hub, person_id, ground, by, as_json)
    except NotAllowed as error:
        fail(f"erase: {error}", as_json=as_json, code=USAGE)
    except SpineError as error:
        fail(f"erase: {error}", as_json=as_json)
    except AWAY as error:
        fail(f"erase: no hub answers, or a key is missing ({type(error).__name__})", as_json=as_json)


def asked(hub: Hub, person_id: str, ground: str, by: str, at: datetime) -> approvals.Request:
    """Ask for it; refused at once where it could not be done. The ground stands in what is asked for."""
    reach = survey(hub, person_id)
    with hub.engine.begin() as connection:
        if why := forbidden(connection, reach):
            raise NotAllowed(why)
        return approvals.ask(connection, officers_at_hand(), KIND, f"{person_id} {ground}", by, at)


def approved(hub: Hub, person_id: str, by: str, at: datetime) -> Mapping[str, Any]:
    """Approve and erase, or go on with what was approved and not done; the certificate."""
    standing = found(hub.engine, person_id)
    if standing is not None and standing.certificate is not None:
        return standing.certificate
    if standing is not None:
        # Ordered by two people and begun: whoever asks, it goes on.
        order = Order(person_id, standing.ground, standing.asked_by, standing.approved_by, at)
    else:
        with hub.engine.begin() as connection:
            mine = _requests(connection, person_id)
            if not mine:
                raise NotAllowed("nobody has asked to erase this person: ask first, then another person approves")
            request = approvals.approve(connection, officers_at_hand(), KIND, mine[-1].what, by, at)
        ground, second = request.what.partition(" ")[2], request.approved_by or by
        order = Order(person_id, ground, request.asked_by, second, request.approved_at or at)
    written = erase(hub, order)
    with hub.engine.begin() as connection:
        for one in _requests(connection, person_id):
            approvals.done(connection, one.number, now())
    return written


def _requests(connection: sa.Connection, person_id: str) -> list[approvals.Request]:
    """What was asked for this person and not done, oldest first."""
    waiting = (one for one in approvals.standing(connection) if one.kind == KIND)
    return [one for one in waiting if one.what.partition(" ")[0] == person_id]


@contextmanager
def running(say: Callable[[str], None]) -> Iterator[Hub]:
    """The hub that runs here, ready to erase. Raises SpineError, ValueError, KeyError or OSError: a server, a key."""
    at, catalogue = where(), Catalogue([schemas_folder()])
    if at.registry:
        use_registry(catalogue, at.registry)
    # Before anything is ordered: without the key nothing could be certified.
    sealer, sign = Sealer.from_text(root_at_hand()), _sign()
    keys = PostgresKeys(at.postgres, kek_at_hand())
    log = KafkaLog(at.kafka, catalogue.frame, source="operator")
    try:
        with registers(at.postgres) as engine:
            yield Hub(at.postgres, engine, log, catalogue, keys, named_by(sealer), _patience(say), sign)
    finally:
        log.close()
        keys.close()


def named_by(sealer: Sealer) -> Named:
    """As the gate names a reference (services/ingest/agent.py): a keyed hash."""
    return lambda ref: base64.b64encode(sealer.fingerprint(b"source_ref\0" + ref.encode())).decode()


def _sign() -> Sign:
    """With the key that exists: a new one would be known to no auditor."""
    own = LedgerSettings()
    if "key_file" not in own.model_fields_set:
        own = own.model_copy(update={"key_file": Home.of_environment().ledger_key})
    return signed_by(own.signer(), own.origin)


def _patience(say: Callable[[str], None]) -> Callable[[], bool]:
    begun = time.monotonic()

    def wait() -> bool:
        waited = time.monotonic() - begun
        if int(waited) % 10 == 0:
            say(f"waiting for the services to read the order, {waited:.0f} s")
        time.sleep(LOOK_SECONDS)
        return waited < WAIT_SECONDS_MAX

    return wait


def _meant(hub: Hub, person: str) -> str:
    if found(hub.engine, person) is not None:
        return person
    with stored(hub.postgres) as held:
        people = ids_of(held, person)
    if len(people) != 1:
        raise NotAllowed("nobody is meant, or several: ask by id")
    return people[0]


def _why_not(hub: Hub, person_id: str) -> str:
    reach = survey(hub, person_id)
    with hub.engine.connect() as connection:
        return forbidden(connection, reach)


def _asked(hub: Hub, person_id: str, ground: str, by: str, as_json: bool) -> None:
    request = asked(hub, person_id, ground, by, now())
    told = {"request": request.number, "person_id": person_id, "asked_by": by, "expires_at": request.expires_at}
    show_json(told) if as_json else typer.echo(approvals.in_words(request, f"hub erase {person_id}"))


def _show(reach: Reach, why_not: str, as_json: bool) -> None:
    told = {"person_id": reach.person_id, "keys": reach.agencies, **reach.rows, "to_be_told": list(reach.told)}
    told |= {"in_other_files": list(reach.elsewhere), "forbidden": why_not or None}
    if as_json:
        show_json(told)
    else:
        show_table("Would be erased", ("", ""), [(key.replace("_", " "), str(value)) for key, value in told.items()])


def _certified(written: Mapping[str, Any], out: Path | None, as_json: bool) -> None:
    if out is not None:
        write_private(out, orjson.dumps(written, option=orjson.OPT_INDENT_2).decode())
    if as_json:
        show_json(written)
        return
    typer.echo(f"erased; certificate {written['erasure_id']}, sha256 {written['sha256']}")
    for line in written["stays"]:
        typer.echo(f"stays: {line['what']}" + (f", until {line['until']}" if "until" in line else ""))
    if written["to_be_told"]:
        typer.echo(f"to be told of the erasure (UK GDPR Article 19): {', '.join(written['to_be_told'])}")
