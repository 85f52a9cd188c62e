"""``hub archive run`` and ``list``: what the log and the database hold, into the write-once folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from hub.archive.reading import Archive
from hub.archive.writing import Alive, Written, run
from hub.layout import Home, contracts_folder, schemas_folder
from hub.output import AsJson, fail, show_json, show_table
from hub.running import administered, where
from spine.clock import now
from spine.errors import Halt, Retry
from spine.kafka import KafkaLog
from spine.ledger.checkpoint import Signer, Verifier
from spine.ledger.operations import TREE as OPERATIONS
from spine.ledger.sequencer import Ledger
from spine.ledger.settings import LedgerSettings, make_key, read_verifiers
from spine.migrate import migrate_ledger
from spine.progress import Progress
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.service import rounds
from spine.telemetry import log, metrics

#: Seconds until the first run of a process, and until the next where a server did not answer.
FIRST_SECONDS, AGAIN_SECONDS, ALIVE_SECONDS = 60.0, 30.0, 5.0
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
    """Archive all that is new. `hub up` and the deployments run it every hour; a topic's retention must be longer.

    Exit codes: 0 done, or ended as asked; 3 halted, records or rows are gone that the archive needs; 4 a server did not
    answer.
    """
    folder = Archive(archive or Home.of_environment().archive)
    try:
        if every:
            keep_archiving(lambda alive: archive_once(folder, alive), every)
        else:
            _show(archive_once(folder), as_json)
    except Halt as halt:
        fail(str(halt), as_json=as_json, code=HALTED)
    except Retry as retry:
        fail(str(retry), as_json=as_json, code=AWAY)


def keep_archiving(once: Callable[[Alive], Written], every: float, stop: threading.Event | None = None) -> None:
    """Archive every so many seconds until SIGTERM, or ``stop``. Serves as every process does (HUB_HEALTH_PORT).

    Where a server does not answer it tries again soon. Raises Halt.
    """
    stop = stop or threading.Event()
    try:
        with rounds("archive", stop) as progress:
            # A hub that starts has other things to do, and nothing yet that would be lost.
            pause = min(every, FIRST_SECONDS)
            progress.state = "running"
            while not _waited(stop, pause, progress):
                try:
                    written = once(progress.alive)
                    log().info("archived", count=written.records)
                    metrics().gauge("hub_archive_timestamp_seconds", now().timestamp())
                    progress.state, pause = "running", every
                except Retry as retry:
                    log().warning("retry", where="archive", reason=str(retry))
                    progress.state, pause = "retrying: archive", min(every, AGAIN_SECONDS)
    except Halt as halt:
        log().critical("halt", reason=str(halt))
        raise


def _waited(stop: threading.Event, seconds: float, progress: Progress) -> bool:
    """Wait, and say meanwhile that nothing is wedged. Whether it was stopped."""
    until = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < until:
        progress.alive()
        progress.publish("archive")
        stop.wait(min(ALIVE_SECONDS, max(0.0, until - time.monotonic())))
    return stop.is_set()


def archive_once(archive: Archive, alive: Alive = lambda: None) -> Written:
    """One run against the hub that runs here. ``alive`` is called after each file. Raises Retry or Halt."""
    at, own = where(), LedgerSettings()
    migrate_ledger(at.postgres)
    topics = YAML(typ="safe").load(contracts_folder() / "topics.yaml")["topics"]
    signer, catalogue = _signer(own), Catalogue([schemas_folder()])
    if at.registry:
        use_registry(catalogue, at.registry)
    # As hub-archive, who reads every topic and writes none; by hand as the administrator.
    read = KafkaLog(administered()[0], catalogue.frame, source="archive")
    try:
        written = run(archive, Ledger(at.postgres, signer, own.origin), read, catalogue, topics, alive)
    finally:
        read.close()
    trees = [*archive.services(), OPERATIONS]
    publish_keys(Home.of_environment().ledger_verifiers, [signer.verifier(f"{own.origin}/{tree}") for tree in trees])
    return written


def publish_keys(path: Path, verifiers: Sequence[Verifier]) -> None:
    """Add the public keys that are not in the file yet. What stands there stays: a key before a rotation is needed."""
    held = set(read_verifiers(path)) if path.exists() else set()
    new = [verifier for verifier in verifiers if verifier not in held]
    if new:
        with path.open("a") as out:
            out.write("".join(f"{verifier}\n" for verifier in new))


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
