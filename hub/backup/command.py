"""``hub backup`` and ``hub restore``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.backup.dump import BackupError, Manifest, load, read_manifest, take
from hub.backup.erasures import Again, destroy_again
from hub.backup.rewind import Standing, rewind, standings
from hub.backup.unread import unread, without_key
from hub.layout import Home, schemas_folder
from hub.machine.process import MachineError
from hub.output import HALTED, AsJson, fail, show_json, show_table
from hub.running import Where, database_here
from hub.up.machine import servers_of
from spine.errors import SpineError
from spine.kafka import KafkaLog
from spine.registry import subject_of
from spine.registry_service import Registry
from spine.schema import Catalogue


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
    keys_only: Annotated[
        bool, typer.Option(help="The key store alone: small and quick, to be copied far more often.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the hub's database of one moment, while the hub runs. The log is not in it: it stays where it is.

    Exit codes: 0 the backup stands; 1 it could not be taken; 2 wrong usage.
    """
    try:
        made = take(database_here(), folder, keys_only=keys_only)
    except (BackupError, MachineError, SpineError) as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json({"folder": str(folder), **asdict(made)})
    else:
        typer.echo(f"{folder}: {made.bytes:,} bytes, {made.keys:,} keys, as of {made.taken_at}, {made.seconds} s")


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup's folder.")],
    keys: Annotated[Path | None, typer.Option(help="A newer copy of the key store (hub backup --keys-only).")] = None,
    replace: Annotated[bool, typer.Option(help="Put it in the place of what the database holds now.")] = False,
    check: Annotated[bool, typer.Option(help="Change nothing: say whether the log still reaches back to it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back while the hub is down, and bring the consumer groups to the journals' offsets.

    Services then read on from there and decide again what the backup does not know, under the same ids. Keys of people
    erased after the backup are destroyed again, by the orders on the log. Without
    HUB_KAFKA and HUB_POSTGRES the servers of this machine's own hub are started for it and ended after it.

    Exit codes: 0 the hub can be started; 1 it could not be done: mend what is said and do it again, before the hub is
    started; 2 wrong usage; 3 it stands, but a service would halt: what is said must be mended first.
    """
    try:
        with _servers() as at:
            made, again, left = read_manifest(folder), Again(0, ()), list[str]()
            if not check:
                load(at.postgres, folder, keys=keys, replace=replace)
            found = standings(at.kafka, made.positions)
            faults = [one.fault for one in found if one.fault]
            if not check:
                left = rewind(at.kafka, found)
                again, missing = _keys(at, found)
                faults += missing
    except (BackupError, MachineError, SpineError) as error:
        fail(str(error), as_json=as_json)
    _say(made, found, faults, again, left, as_json)
    raise typer.Exit(HALTED if faults else 0)


@contextmanager
def _servers() -> Iterator[Where]:
    """The servers whose addresses are given, or those of this machine's hub, started where they are down."""
    home = Home.of_environment()
    with ExitStack() as stack:
        yield servers_of(home, stack)


def _keys(at: Where, found: list[Standing]) -> tuple[Again, list[str]]:
    """Erase again what was erased since the backup, then look for keys that are not there."""
    catalogue = Catalogue([schemas_folder()])
    _take_ids(catalogue, at.postgres)
    log = KafkaLog(at.kafka, catalogue.frame, source="operator")
    try:
        read = unread(log, catalogue, found, at.postgres)
        again = destroy_again(at.postgres, read.orders)
        # What was erased meanwhile stands as destroyed by now, and halts nobody.
        missing = len(without_key(at.postgres, read.keyless))
    finally:
        log.close()
    if not missing:
        return again, []
    return again, [
        f"{missing} keys of facts on the log are not in the key store: restore again with a newer copy as --keys"
    ]


def _take_ids(catalogue: Catalogue, url: str) -> None:
    """The ids that the restored registry gave: nobody serves it yet."""
    registry = Registry(url)
    try:
        held = {(row["subject"], _plain(row["schema"])): int(row["id"]) for row in registry.rows()}
    finally:
        registry.engine.dispose()
    named = {kind: (subject_of(source), _plain(json.dumps(source))) for kind, source in catalogue.sources.items()}
    if held:
        catalogue.use_ids({kind: held[name] for kind, name in named.items() if name in held})


def _plain(schema: str) -> str:
    return json.dumps(json.loads(schema), sort_keys=True)


def _say(
    made: Manifest, found: list[Standing], faults: list[str], again: Again, left: list[str], as_json: bool
) -> None:
    rows = [{**asdict(one), "again": one.again} for one in found]
    if as_json:
        told = {"taken_at": made.taken_at, "places": rows, "erased_again": asdict(again), "groups_left": left}
        show_json(told | {"faults": faults})
        return
    title = f"As of {made.taken_at}: where each service reads on"
    columns = ("service", "topic", "partition", "next", "end", "again")
    show_table(title, columns, [[row[name] for name in columns] for row in rows])
    if again.keys or again.orders:
        orders = f", by orders {', '.join(again.orders)}" if again.orders else ""
        typer.echo(f"{again.keys} keys were destroyed again, which were erased after the copy was taken{orders}")
        typer.echo("`hub doctor` names the erasures to be taken up once the services run, with `hub erase --approve`")
    if left:
        typer.echo(
            f"not allowed to move the groups {', '.join(left)}: who watches lag sees theirs wrong until they commit"
        )
    for fault in faults:
        typer.echo(f"hub: {fault}", err=True)
