"""``hub files``: try a partner's file without any effect, list what came, and release a snapshot that is held."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.layout import Home, contracts_folder, schemas_folder
from hub.output import DONE, FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.running import head_in_force
from hub.sharing import ensure_built
from services.ingest.agent import Gates
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.feedback import Feedback
from services.ingest.channels.files.ledger import HELD, RELEASED, Ledger
from services.ingest.channels.files.mapping import MappingWrong, PartyMapping, load_mappings
from services.ingest.channels.files.places import copy, ledger_path, receipt_of, stem_of
from services.ingest.channels.files.rows import FILE_BYTES_MAX
from services.ingest.channels.files.said import FileFault
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from spine.clock import now
from spine.errors import Retry, SpineError
from spine.schema import Catalogue
from spine.seal import Sealer

app = typer.Typer(help="Files of partners.", no_args_is_help=True)

Party = Annotated[str, typer.Option("--party", help="The partner, as in contracts/parties.yaml.")]


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file, under the name that the partner would give it.")],
    party: Party,
    out: Annotated[Path | None, typer.Option(help="Folder for the feedback; default: beside the file.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the hub would say of a file: the same feedback, and nothing is sent or kept.

    Judged by what is in force on the hub that runs here; where none runs, by the agreements as they are compiled.
    Exit 0 if every row would be accepted, 1 if something would be refused, 2 for wrong usage.
    """
    contracts = contracts_folder()
    catalogue = Catalogue([schemas_folder()])
    ensure_built(contracts)
    mapping = _mapping(contracts, catalogue, party, as_json)
    if not file.is_file():
        fail(f"{file.name} is no file", as_json=as_json, code=USAGE)
    # A key of the moment: ids and receipts of a trial are worth nothing afterwards.
    try:
        gate = _gate(catalogue, contracts)
    except SpineError as error:
        fail(str(error), as_json=as_json)
    door = FilesDoor(Door(Sealer(os.urandom(32)), catalogue), gate, lambda records: None, now)
    folder = out or file.parent
    folder.mkdir(parents=True, exist_ok=True)
    summary = _tried(door, mapping, file, folder, quiet=as_json)
    if as_json:
        show_json(summary)
    else:
        show_table(file.name, ["", ""], [(key, value) for key, value in summary.items()])
    raise typer.Exit(FAILED if summary["state"] == "refused" or summary.get("rows_refused") else DONE)


def _tried(door: FilesDoor, mapping: PartyMapping, file: Path, folder: Path, *, quiet: bool) -> dict[str, Any]:
    """The file through all of the door but the log."""

    def tell(rows: int) -> None:
        if not quiet:
            typer.echo(f"{rows} rows", err=True)

    with tempfile.TemporaryDirectory() as private, Ledger(None) as ledger:
        stem = stem_of(file.name, "trial")
        with Feedback(folder, stem) as feedback:
            summary: dict[str, Any] = {
                "state": "taken",
                "policy": door.gate.stand,
                "feedback": str(folder / f"{stem}.feedback.csv"),
            }
            try:
                work = Path(private) / "file"
                digest = copy(file.resolve(), work, FILE_BYTES_MAX)
                rule = mapping.rule_for(file.name)
                if rule is None:
                    raise FileFault("no_mapping")
                summary |= {"kind": rule.name, "shape": rule.shape}
                door.survey(work, rule, ledger)
                return summary | asdict(door.take(work, rule, digest, ledger, feedback, tell))
            except FileFault as fault:
                feedback.tell([fault.shown()])
                return summary | {"state": "refused", "reason": fault.code, "row": fault.row}


@app.command()
def release(
    party: Party,
    file: Annotated[str, typer.Argument(help="Name or receipt of a held file; absent: list what is held.")] = "",
    root: Annotated[Path | None, typer.Option(help="Root of the drop folders; default HUB_FILES.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Of the party's test folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a snapshot pass that is held because it shrank: the door reads it in its next round.

    Exit 0 when released or listed, 1 if no such file is held, 2 for wrong usage.
    """
    home = root or Path(os.environ.get("HUB_FILES") or Home.of_environment().folder / "files")
    path = ledger_path(home, party, test=test)
    if not path.exists():
        fail(f"no file of {party} has come to {home}", as_json=as_json)
    with Ledger(path) as ledger:
        held = ledger.files(HELD)
        rows = [(seen.file, receipt_of(seen.digest), seen.rows, seen.seen_at) for seen in held]
        if not file:
            if as_json:
                show_json([dict(zip(("file", "receipt", "rows", "seen_at"), row, strict=True)) for row in rows])
            else:
                show_table(f"Held: {party}", ["file", "receipt", "rows", "seen at"], rows)
            return
        wanted = [seen for seen in held if file in (seen.file, receipt_of(seen.digest))]
        if len(wanted) != 1:
            fail(f"{len(wanted)} held files of {party} are called so", as_json=as_json)
        ledger.release(wanted[0].digest)
        if as_json:
            show_json({"file": wanted[0].file, "state": RELEASED})
        else:
            typer.echo(f"{wanted[0].file} is released; the files door reads it in its next round.")


def _gate(catalogue: Catalogue, contracts: Path) -> Gate:
    """The gate of the running hub, with what is suspended there. Raises SpineError: its policy can't be read here."""
    try:
        head = head_in_force()
    except Retry as away:
        typer.echo(f"judged by the agreements compiled here: {away}", err=True)
        head = None
    return Gates(catalogue, contracts).under(head)


def _mapping(contracts: Path, catalogue: Catalogue, party: str, as_json: bool) -> PartyMapping:
    try:
        mappings = load_mappings(contracts, type_specs(catalogue.sources))
    except MappingWrong as wrong:
        fail(str(wrong), as_json=as_json, code=USAGE)
    if party not in mappings:
        fail(f"no mapping for {party}; there are: {', '.join(mappings)}", as_json=as_json, code=USAGE)
    return mappings[party]
