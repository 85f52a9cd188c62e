"""``hub replay`` and ``hub compare``."""

from __future__ import annotations

import base64
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psycopg
import typer

from hub.archive.reading import Archive
from hub.layout import ROOT, Home, contracts_folder, schemas_folder
from hub.output import DONE, FAILED, HALTED, USAGE, AsJson, fail, show_json, show_table
from hub.progress import ticking
from hub.replay import report as pages
from hub.replay.asked import Everything, Part, Person, Places, Span
from hub.replay.child import Code, KeysOf, ReplayFailed, walled
from hub.replay.engine import Plan, Replayed, compared, replayed
from hub.replay.sources import FromArchive, FromHub, Source, no_keys, with_days
from hub.replay.traced import Passed
from hub.replay.verdicts import Verdict, stands
from hub.running import kek_at_hand, root_at_hand, running_hub, where
from hub.under_way import UnderWay, under_way
from services.ingest.channels.day_keys import PostgresDays
from spine import traces
from spine.build import kept_as
from spine.clock import local_date, now
from spine.errors import SpineError
from spine.keystore.postgres import PostgresKeys
from spine.seal import Sealer

SERVICES = ("ingest", "matching", "status", "alerts")
#: What is told of the gate's acts is a partner's word, not somebody's: it is not compared.
COMPARED = SERVICES[1:]
#: Two runs must come to the same, whatever order sets and maps have.
SEEDS = (1, 2)
#: Of each effect, for ``compare``: what it is, what makes it another one, whom it is about.
TELL = {
    "alert.v1": ("rule", "act", "alert_id", "person_id"),
    **dict.fromkeys(("status.v1", "status.v2"), ("cause", "person_id")),
    **dict.fromkeys(("attribution.v1", "attribution.v2"), ("act", "person_id")),
}

#: A kept build by service, build and rules, unpacked under a folder; None where it is not kept.
Builds = Callable[[str, str, str, Path], Code | None]
ArchiveFolder = Annotated[
    Path | None,
    typer.Option("--archive", help="Read records and decisions from this folder, not from the running hub."),
]
Services = Annotated[
    list[str], typer.Option("--service", help=f"Of {', '.join(SERVICES)}; all of them if none is named.")
]


def replay(
    service: Services = [],  # noqa: B006 - typer copies it
    first: Annotated[str | None, typer.Option("--from", help="Judge what was recorded on or after this day.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Judge what was recorded on or before this day.")] = None,
    archive: ArchiveFolder = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with pictures for an auditor.")] = None,
    person: Annotated[
        str | None, typer.Option(help="Judge what is about this person, by the hub's id (as in the console).")
    ] = None,
    place: Annotated[
        list[str],
        typer.Option(
            help="Judge what was decided at TOPIC/PARTITION@OFFSET, @FIRST..LAST or @FIRST..; more than once."
        ),
    ] = [],  # noqa: B006 - typer copies it
    regardless: Annotated[
        bool, typer.Option(help="This build decides whatever build is recorded; its name alone is no difference.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make recorded decisions again, twice and without a network, and say of each whether it comes out the same.

    Verdicts: SAME, CHANGED, MISSING, EXTRA, SEALED (a key was destroyed since), NO BUILD, TAMPERED.

    The gate (ingest) opens what partners sent for as long as its keys of days stand (docs/sealing.md), and needs
    HUB_SEAL_KEY_FILE; without it, and with --person, it is left out and named. A state follows from all that stands
    before it at its place: what --person or --place asks for is decided with it,
    and judged alone. A tick is about everybody whom it reaches, and about a person also where it differs.

    Exit 0 if all are SAME or SEALED and both runs agree; 1 if not, or if nothing was decided there; 2 for wrong usage;
    3 if records, decisions or keys could not be read.
    """
    chosen, judged = _chosen(service, as_json), _days(first, last, as_json)
    part, root = _part(person, place, as_json), _root()
    left_out = _left_out(service, person, root, as_json)
    chosen = [name for name in chosen if name not in left_out]
    traces.begin("replay")
    try:
        with under_way(report, "replay") as far, sources(archive, root) as (source, keys, ids, builds):
            runs: list[pages.Run] = []
            for name in chosen:
                code = Code(name, ROOT, contracts_folder().absolute(), (schemas_folder().absolute(),), ids)
                plan = Plan(name, source, code, keys, regardless=regardless, judged=judged, part=part(name))
                steps = (len(runs) * len(SEEDS), len(chosen) * len(SEEDS))
                runs.append(_run(plan, builds, far, steps, as_json))
            _written(report, archive, runs)
    except (SpineError, ReplayFailed, LookupError, OSError, psycopg.Error) as error:
        fail(f"replay: {_words(error)}", as_json=as_json, code=HALTED)
    finally:
        traces.end()
    if person or place:
        # Not every service has decided about everybody, nor at every place.
        runs = [run for run in runs if run.judge.counts] or runs
    good = all(stands(run.judge.counts) and len(set(run.digests)) == 1 for run in runs)
    if as_json:
        show_json(
            {
                "good": good,
                "walled": walled(),
                "left_out": left_out,
                "services": [
                    {
                        "service": run.judge.service,
                        "verdicts": {v.value: run.judge.counts[v] for v in Verdict},
                        "digests": list(run.digests),
                        "builds": list(run.builds),
                        "seconds": round(run.seconds, 2),
                        "findings": [
                            {"verdict": f.verdict, "place": f.place, "event_id": f.event_id, "paths": f.paths}
                            for f in run.judge.findings
                        ],
                    }
                    for run in runs
                ],
            }
        )
    else:
        shown(runs)
        for name, why in left_out.items():
            typer.echo(f"{name} is left out: {why}", err=True)
    raise typer.Exit(DONE if good else FAILED)


def shown(runs: Sequence[pages.Run]) -> None:
    """Verdicts that nobody got have no column, and a digest has its line, so that both fit eighty characters."""
    seen = [v for v in Verdict if v is Verdict.SAME or any(run.judge.counts[v] for run in runs)]
    counts = [(run.judge.service, *(f"{run.judge.counts[v]:,}" for v in seen)) for run in runs]
    show_table("Replay", ("service", *(v.value for v in seen)), counts)
    for run in runs:
        for digest in sorted(set(run.digests)):
            typer.echo(f"{run.judge.service:<9}{digest}")


def compare(
    policy: Annotated[Path | None, typer.Option(help="A contracts folder to decide under instead.")] = None,
    code: Annotated[
        Path | None, typer.Option("--build", help="A checkout, or a kept build's zip, to decide by instead.")
    ] = None,
    service: Annotated[str, typer.Option(help=f"One of {', '.join(COMPARED)}.")] = "alerts",
    archive: ArchiveFolder = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with pictures for whoever decides.")] = None,
    as_json: AsJson = False,
) -> None:
    """What another policy or build would have decided on the same records: counts, and how many people it concerns.

    Nothing is written and nobody is told. A service's records are taken as they stand: what an earlier service would
    have passed on otherwise is not followed.

    Exit 0; 2 for wrong usage; 3 if records or keys could not be read.
    """
    if service not in COMPARED or (policy is None) == (code is None):
        fail("compare: name one service, and either --policy or --build", as_json=as_json, code=USAGE)
    try:
        with (
            under_way(report, "compare") as far,
            sources(archive) as (source, keys, ids, _),
            TemporaryDirectory() as folder,
        ):
            mine = Code(service, ROOT, contracts_folder(), (schemas_folder(),), ids)
            other = Code(service, ROOT, (policy or contracts_folder()).absolute(), mine.schemas, ids)
            if code is not None:
                other = unpacked(code, service, Path(folder), ids) if code.is_file() else _checkout(code, service, ids)
            with ticking("decided", shown=not as_json) as advance:
                far.step(service, 1, 1)
                told = _telling(advance, far)
                found = compared(Plan(service, source, mine, keys, advance=told, expect=far.expect), other, TELL)
    except (SpineError, ReplayFailed, LookupError, OSError, psycopg.Error) as error:
        fail(f"compare: {_words(error)}", as_json=as_json, code=HALTED)
    if report is not None:
        against = f"the contracts in {policy}" if policy is not None else f"the build in {code}"
        said = str(archive) if archive is not None else "the running hub"
        report.write_text(pages.comparison(found, service, against, now(), said), "utf-8")
    rows = [(what, *counts) for what, counts in found.told.items()]
    if as_json:
        acts = {what: dict(zip(("both", "only_now", "only_then"), counts, strict=True)) for what, *counts in rows}
        show_json({"decisions": found.decisions, "otherwise": found.otherwise, "people": found.people, "told": acts})
        return
    show_table(
        f"{found.otherwise:,} of {found.decisions:,} decisions otherwise, about {found.people:,} people",
        ("what", "both", "only as it is", "only as it would be"),
        rows,
    )


def _run(plan: Plan, builds: Builds, far: UnderWay, steps: tuple[int, int], as_json: bool) -> pages.Run:
    """One service, once under each seed. ``steps``: how many of how many are behind."""
    begun, passed, name = time.monotonic(), Passed(plan.service), plan.service
    with TemporaryDirectory() as folder, ticking(f"{name} replayed", shown=not as_json) as advance:
        advanced = _telling(advance, far)
        runs: list[Replayed] = []
        for number, seed in enumerate(SEEDS, steps[0] + 1):
            far.step(name, number, steps[1])
            known = _builds_under(builds, name, Path(folder) / str(seed))
            told = replace(plan, code_of=known, advance=advanced, expect=far.expect, seen=passed.seen)
            runs.append(replayed(told, seed))
    passed.end(runs[0].judge.counts)
    return pages.Run(runs[0].judge, runs[0].builds, [run.judge.digest for run in runs], time.monotonic() - begun)


def _telling(advance: Callable[[int], None], far: UnderWay) -> Callable[[int], None]:
    """The terminal and the file."""

    def both(count: int) -> None:
        advance(count)
        far.advance(count)

    return both


def _written(report: Path | None, archive: Path | None, runs: list[pages.Run]) -> None:
    """The page, before the word that it is under way goes."""
    said = str(archive) if archive is not None else "the running hub"
    if report is not None:
        report.write_text(pages.page(runs, now(), said, walled()), "utf-8")


@contextmanager
def sources(archive: Path | None, root: bytes | None = None) -> Iterator[tuple[Source, KeysOf, dict[str, int], Builds]]:
    """Records and decisions, keys, ids of schemas, and kept builds. The key store is asked wherever it answers."""
    folder = archive or Home.of_environment().archive
    held: PostgresKeys | None = None
    ids: dict[str, int] = {}
    try:
        if archive is not None:
            catalogue = Archive(archive).catalogue()
            ids = dict(catalogue.ids)
            held = _keys_if_there()
            yield FromArchive.at(archive), _keys(held, root), ids, _kept_in(folder, ids)
            return
        held = _keys_if_there()
        with running_hub() as hub, psycopg.connect(where().postgres) as connection:
            ids = dict(hub.catalogue.ids)
            connection.read_only = True
            yield FromHub(hub.log, connection), _keys(held, root), ids, _kept_in(folder, ids)
    finally:
        if held is not None:
            held.close()


def _builds_under(builds: Builds, service: str, folder: Path) -> Callable[[str, str], Code | None]:
    return lambda build, rules: builds(service, build, rules, folder)


def _kept_in(archive: Path, ids: dict[str, int]) -> Builds:
    def kept(service: str, build: str, rules: str, into: Path) -> Code | None:
        path = archive / "builds" / kept_as(service, build, rules)
        return unpacked(path, service, into / path.stem, ids) if path.exists() else None

    return kept


def _keys_if_there() -> PostgresKeys | None:
    """Keys of the hub that is known here, if one is and its key-encryption key can be read."""
    try:
        return PostgresKeys(where().postgres, kek_at_hand())
    except (SpineError, OSError, ValueError):
        return None


def _keys(held: PostgresKeys | None, root: bytes | None) -> KeysOf:
    people = held.data_keys if held else no_keys
    if root is None:
        return people
    days = PostgresDays(where().postgres, Sealer(root)) if held else None
    return with_days(people, root, days.keys if days else lambda asked: {})


def _root() -> bytes | None:
    """The key of submissions, where it can be read here."""
    try:
        return base64.b64decode(root_at_hand().strip(), validate=True)
    except (OSError, ValueError):
        return None


def _left_out(services: list[str], person: str | None, root: bytes | None, as_json: bool) -> dict[str, str]:
    """Services that are not replayed now, and why. Asked for by name it is a mistake."""
    if person:
        why = "it knows nobody by the hub's id; ask for a --place"
    elif root is None:
        why = "HUB_SEAL_KEY_FILE names no key of submissions"
    else:
        return {}
    if "ingest" in services:
        fail(f"replay: ingest can't be replayed: {why}", as_json=as_json, code=USAGE)
    return {"ingest": why} if not services else {}


def _chosen(services: list[str], as_json: bool) -> list[str]:
    unknown = sorted(set(services) - set(SERVICES))
    if unknown:
        fail(f"replay: no service {', '.join(unknown)}: one of {', '.join(SERVICES)}", as_json=as_json, code=USAGE)
    return [name for name in SERVICES if not services or name in services]


def _part(person: str | None, places: list[str], as_json: bool) -> Callable[[str], Part]:
    if person and places:
        fail("replay: ask for a person or for places, not both", as_json=as_json, code=USAGE)
    try:
        spans = [Span.read(text) for text in places]
    except ValueError as error:
        fail(f"replay: {error}", as_json=as_json, code=USAGE)
    if person:
        return lambda service: Person(person, service)
    return lambda service: Places(spans) if spans else Everything()


def _days(first: str | None, last: str | None, as_json: bool) -> Callable[[datetime], bool]:
    try:
        begin = date.min if first is None else date.fromisoformat(first)
        end = date.max if last is None else date.fromisoformat(last)
    except ValueError as error:
        fail(f"replay: {error}; write days as 2026-03-02", as_json=as_json, code=USAGE)
    return lambda at: begin <= local_date(at) <= end


def _words(error: BaseException) -> str:
    """Of a database's error its class alone: its text can hold values."""
    return type(error).__name__ if isinstance(error, psycopg.Error) else str(error)


def unpacked(path: Path, service: str, into: Path, ids: dict[str, int]) -> Code:
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path) as held:
        held.extractall(into)
    return _checkout(into, service, ids)


def _checkout(root: Path, service: str, ids: dict[str, int]) -> Code:
    root = root.absolute()
    return Code(service, root, root / "contracts", (root / "schemas" / "avro",), ids)
