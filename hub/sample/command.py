"""``hub sample``: the generated county as JSON lines, or straight to a door."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.demo.drop import Drop
from hub.layout import contracts_folder, schemas_folder
from hub.output import AsJson, fail, show_json
from hub.sample.county import as_bytes, county
from spine.schema import Catalogue


def sample(
    people: Annotated[int, typer.Option(help="How many young people.")] = 2000,
    days: Annotated[int, typer.Option(help="How many days from 1 September 2025.")] = 120,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
    files: Annotated[
        Path | None, typer.Option(help="Root of drop folders: the college's enrolments go there, as nightly files.")
    ] = None,
    to: Annotated[str, typer.Option(help="Door to send to instead, such as http://127.0.0.1:8080.")] = "",
    as_json: AsJson = False,
) -> None:
    """A generated county: agencies' events as JSON lines of received_at, door_party and event, in order of arrival.

    With --to the events are sent to a running door with this machine's demo keys, all as received now. With --files
    what a college says of enrolments is left out of them and laid into its drop folder (of `hub up`: .hub/files).

    Exit codes: 0 written or sent; 1 the door did not take them; 2 wrong usage.
    """
    try:
        lines = county(people=people, days=days, seed=seed)
    except ValueError as error:
        fail(str(error), as_json=as_json, code=2)
    parties = Counter(line.door_party for line in lines)
    summary: dict[str, Any] = {
        "events": len(lines),
        "parties": dict(sorted(parties.items())),
        "mistakes": dict(sorted(Counter(line.mistake for line in lines if line.mistake).items())),
    }
    if files is not None:
        drop = Drop.of_college(files, contracts_folder(), Catalogue([schemas_folder()]))
        lines, filed = [line for line in lines if not drop.takes(line)], [line for line in lines if drop.takes(line)]
        for _, night in groupby(filed, key=lambda line: line.received_at.date()):
            drop.put(list(night))
        summary |= {"rows_in_files": len(filed), "files": drop.delivered}
    if to:
        from hub.feed import Feed, FeedError

        try:
            with Feed.of_machine(to) as feed:
                feed.send(lines)
            summary["answers"] = dict(feed.answers)
        except FeedError as error:
            fail(str(error), as_json=as_json)
    elif out is not None:
        with out.open("wb") as file:
            file.writelines(map(as_bytes, lines))
    elif not as_json:
        sys.stdout.buffer.writelines(map(as_bytes, lines))
        return
    if as_json:
        show_json(summary)
    else:
        typer.echo(f"{len(lines)} events of {len(parties)} parties")
