"""``hub doctor``: every check is made, also after one has failed, and each says how to mend what it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from hub.doctor import archive, flow, papers, servers
from hub.doctor.finding import Finding, Verdict, fault, looked, unseen
from hub.doctor.watching import watch
from hub.layout import Home, contracts_folder, schemas_folder
from hub.output import DONE, FAILED, AsJson, show_json, show_table
from hub.running import Where, where
from hub.up.record import read_run
from spine.clock import local_date, now
from spine.errors import SpineError

KAFKA, POSTGRES = "kafka", "postgres"
#: Exit code: nothing is broken, but something will be.
WARNED = 4
MARKS = {Verdict.SOUND: "ok", Verdict.UNSEEN: "?", Verdict.WARNING: "warning", Verdict.FAULT: "FAULT"}

app = typer.Typer(help="Find what is wrong with the hub, and how to mend it.", invoke_without_command=True)


@app.callback()
def doctor(
    as_json: AsJson = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Look again and again, and serve the findings as metrics, until SIGTERM.")
    ] = False,
    every: Annotated[float, typer.Option(min=1, help="With --serve: seconds between two looks.")] = 300,
) -> None:
    """Look at all: broker, topics, database, migrations, registry, keys, officers, erasures, keys of submissions,
    agreements, progress, ticks, archive, disk.

    Looks at the hub of this machine, or at the one that HUB_KAFKA, HUB_POSTGRES and HUB_REGISTRY name. Changes nothing.
    Exit codes: 0 sound, or (with --serve) stopped; 1 at least one fault; 2 wrong usage; 4 warnings only.
    """
    if serve:
        watch(examine, every)
        return
    found = list(examine())
    worst = max(finding.verdict for finding in found)
    if as_json:
        rows = [{"check": f.check, "verdict": f.verdict.name.lower(), "what": f.what, "mend": f.mend} for f in found]
        show_json({"worst": worst.name.lower(), "findings": rows})
    else:
        ordered = sorted(found, key=lambda finding: -finding.verdict)
        show_table("The hub", ("", "check", "found", "how to mend it"), [_row(finding) for finding in ordered])
    raise typer.Exit({Verdict.FAULT: FAILED, Verdict.WARNING: WARNED}.get(worst, DONE))


def _row(finding: Finding) -> tuple[str, str, str, str]:
    return MARKS[finding.verdict], finding.check, finding.what, finding.mend


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which one would look."""
    home = Home.of_environment()
    run = read_run(home.run)
    yield from flow.processes(run, home.logs)
    keys = Path(os.environ.get("HUB_API_KEYS") or home.api_keys)
    yield from papers.api_keys(keys, local_date(now()))
    yield from papers.officers(contracts_folder())
    yield from papers.disk([home.folder, home.files, Path(os.environ.get("HUB_FILES", home.files))])
    try:
        at = where()
    except SpineError as error:
        yield fault("addresses", str(error), "start it with `hub up`, or set the three addresses")
        return
    gone: set[str] = set()
    for check, needs, look, mend in _checks(at):
        if without := sorted(gone & needs):
            # A server that did not answer is not waited for again.
            yield unseen(check, f"{' and '.join(without)} did not answer", "mend that first")
            continue
        found = list(looked(check, look, mend))
        gone |= {one.check for one in found if one.verdict is Verdict.FAULT and one.check == check} & {KAFKA, POSTGRES}
        yield from found


def _checks(at: Where) -> Iterable[tuple[str, set[str], Callable[[], Iterable[Finding]], str]]:
    """Name, the servers without which it can't be made, the look itself, and how to mend it if it can't look."""
    contracts, today = contracts_folder(), local_date(now())
    broker_away = "start the broker, check HUB_KAFKA and HUB_KAFKA_* (docs/kafka-security.md)"
    database_away = "start the database, check HUB_POSTGRES"
    return (
        (KAFKA, set(), lambda: servers.broker(at.kafka, contracts), broker_away),
        (POSTGRES, set(), lambda: servers.database(at.postgres), database_away),
        ("registry", set(), lambda: servers.registry(at.registry, schemas_folder()), "check HUB_REGISTRY"),
        ("keys", {POSTGRES}, lambda: papers.kek(at.postgres), database_away),
        ("erasures", {POSTGRES}, lambda: papers.erasures(at.postgres), database_away),
        ("submissions", {POSTGRES}, lambda: papers.day_keys(at.postgres, contracts, today), database_away),
        ("agreements", {POSTGRES}, lambda: papers.agreements(contracts, at.postgres, today), database_away),
        ("ticks", {POSTGRES}, lambda: flow.ticks(at.postgres, today), database_away),
        (
            "progress",
            {KAFKA, POSTGRES},
            lambda: flow.progress(at.kafka, at.postgres, contracts),
            "mend broker and database first",
        ),
        (
            archive.CHECK,
            {KAFKA, POSTGRES},
            lambda: archive.archive(at.kafka, at.postgres, contracts),
            "mend broker and database first",
        ),
        ("set aside", {KAFKA}, lambda: flow.set_aside(at.kafka), broker_away),
    )
