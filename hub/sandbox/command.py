"""``hub sandbox``: a partner's test kit, and the check of a door with it."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from hub.client import Client, Misused, NotAllowed, Patience, Unavailable
from hub.layout import contracts_folder, schemas_folder
from hub.output import DONE, FAILED, HALTED, USAGE, AsJson, fail, show_json, show_table
from hub.published.examples import SEED
from hub.published.sources import read_published
from hub.sandbox.check import check as run_check
from hub.sandbox.files import KitWrong, read_kit, write_kit
from hub.sandbox.kit import NoKit, kit
from spine.clock import local_date, now

app = typer.Typer(help="A partner's test kit: invented people and events with their expected results.")
KEY = "HUB_SANDBOX_KEY"


@app.command()
def write(
    party: Annotated[str, typer.Option(help="Whose kit, as in contracts/parties.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for the kit.")] = Path("sandbox"),
    day: Annotated[str, typer.Option(help="Day the events are about, YYYY-MM-DD; default today.")] = "",
    seed: Annotated[int, typer.Option(help="Same seed, same people.")] = SEED,
    as_json: AsJson = False,
) -> None:
    """Write kit.json (cases and expected results), people.json and events.jsonl for one partner. Everybody is invented.

    Exit 0 written; 1 if no agreement of the party is in force; 2 wrong usage.
    """
    try:
        on = date.fromisoformat(day) if day else local_date(now())
    except ValueError:
        fail("--day is YYYY-MM-DD", as_json=as_json, code=USAGE)
    try:
        made = kit(read_published(contracts_folder(), schemas_folder()), party, on, seed=seed)
    except NoKit as none:
        fail(str(none), as_json=as_json)
    write_kit(made, out)
    told = {"party": party, "day": on.isoformat(), "cases": len(made.cases), "people": len(made.people)}
    show_json(told) if as_json else typer.echo(f"{len(made.cases)} cases about {len(made.people)} people in {out}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a kit.")] = Path("sandbox"),
    door: Annotated[str, typer.Option(envvar="HUB_DOOR", help="Address of the door.")] = "",
    key_file: Annotated[Path | None, typer.Option(help=f"File with a TEST key; default: the key in {KEY}.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the hub has decided.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send a kit with a test key and compare every answer with what the kit expects. May be run again.

    A live key is refused before anything is sent: only the events of a test or sandbox key reach no caseworker. Exit 0
    all as expected; 1 something differs; 2 wrong usage; 3 the door is away.
    """
    try:
        made = read_kit(folder)
        key = key_file.read_text().strip() if key_file else os.environ.get(KEY, "")
        with Client(door, key, made.party, patience=Patience(total_seconds=60)) as hub:
            if hub.mode() not in ("test", "sandbox"):
                raise Misused("this is a live key: its events would reach caseworkers; a test key is needed")
            found = run_check(made, hub, wait_seconds=wait)
    except (KitWrong, Misused, NotAllowed, OSError) as wrong:
        # An OSError names the file; its text holds no content.
        fail(str(wrong), as_json=as_json, code=USAGE)
    except Unavailable as away:
        fail(str(away), as_json=as_json, code=HALTED)
    if as_json:
        show_json({"cases": len(made.cases), "differences": [asdict(one) for one in found]})
    else:
        rows = [(d.case, d.what, d.expected, d.got) for d in found]
        if rows:
            show_table("Not as expected", ["case", "what", "expected", "got"], rows)
        typer.echo(f"{len(made.cases)} cases, {len({d.case for d in found})} not as expected.")
    raise typer.Exit(FAILED if found else DONE)
