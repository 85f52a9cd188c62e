"""``hub archive run`` and ``list``: what the log and the database hold, into the write-once folder."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from hub.archive.reading import Archive
from hub.archive.writing import Written, run
from hub.layout import Home, contracts_folder
from hub.output import AsJson, fail, show_json, show_table
from hub.running import running_hub, where
from spine.errors import Halt, Retry
from spine.ledger.checkpoint import Signer
from spine.ledger.operations import TREE as OPERATIONS
from spine.ledger.sequencer import Ledger
from spine.ledger.settings import LedgerSettings, make_key
from spine.migrate import migrate_ledger

#: Exit codes: 0 done, 3 halted (records or rows are gone, a person must look), 4 a server did not answer.
HALTED, AWAY = 3, 4

app = typer.Typer(help="The write-once archive: segments of the log, decisions, operations, checkpoints.")
Folder = Annotated[Path | None, typer.Option("--archive", help="The folder; default HUB_ARCHIVE, or the home's.")]


@app.command("run")
def run_command(
    archive: Folder = None,
    every: Annotated[float, typer.Option(min=0, help="Again after so many seconds, for ever; 0: once.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Archive all that is new. Run it well before a topic's retention ends, for instance every hour.

    Exit codes: 0 done; 3 halted, records or rows are gone that the archive needs; 4 a server did not answer.
    """
    folder = Archive(archive or Home.of_environment().archive)
    while True:
        try:
            written = archive_once(folder)
        except Halt as halt:
            fail(str(halt), as_json=as_json, code=HALTED)
        except Retry as retry:
            if not every:
                fail(str(retry), as_json=as_json, code=AWAY)
        else:
            _show(written, as_json)
        if not every:
            return
        time.sleep(every)


def archive_once(archive: Archive) -> Written:
    """One run against the hub that runs here. Raises Retry or Halt."""
    at, own = where(), LedgerSettings()
    migrate_ledger(at.postgres)
    topics = YAML(typ="safe").load(contracts_folder() / "topics.yaml")["topics"]
    with running_hub(at) as hub:
        return run(archive, Ledger(at.postgres, _signer(own), own.origin), hub.log, hub.catalogue, topics)


def _signer(own: LedgerSettings) -> Signer:
    return own.signer() if "key_file" in own.model_fields_set else make_key(Home.of_environment().ledger_key)


def _show(written: Written, as_json: bool) -> None:
    if as_json:
        show_json(asdict(written))
    else:
        typer.echo(
            f"{written.records:,} records in {written.segments} segments, {written.decisions:,} decisions,"
            f" {written.operations} operations, {written.checkpoints} checkpoints"
        )


@app.command("list")
def list_command(archive: Folder = None, as_json: AsJson = False) -> None:
    """What the archive holds. Exit codes: 0 done; 1 there is no archive."""
    held = Archive(archive or Home.of_environment().archive)
    if not held.folder.is_dir():
        fail(f"no archive at {held.folder}: make it with `hub archive run`", as_json=as_json)
    trees = []
    for tree in [*held.services(), OPERATIONS]:
        files = held.files("operations") if tree == OPERATIONS else held.files("decisions", tree)
        points = held.checkpoints(tree)
        trees.append((tree, files[-1][1] + 1 if files else 0, len(files), points[-1][0] if points else 0))
    segments = sorted((held.folder / "segments").glob("*.avro"))
    if as_json:
        rows = [dict(zip(("tree", "leaves", "files", "checkpoint"), row, strict=True)) for row in trees]
        show_json({"archive": str(held.folder), "trees": rows, "segments": [path.name for path in segments]})
    else:
        show_table(str(held.folder), ("tree", "leaves", "files", "newest checkpoint"), trees)
        typer.echo(f"{len(segments)} segments")
