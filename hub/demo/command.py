"""The demo's run: start, feed, drain, sum up, and stay up or go."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from ruamel.yaml import YAML

from hub.backlog import backlogs
from hub.demo.drain import NotDrained, drain
from hub.demo.drop import Drop
from hub.demo.summary import Summary, summarise
from hub.feed import Feed, FeedError
from hub.layout import Home, contracts_folder, schemas_folder
from hub.machine import postgres
from hub.output import AsJson, fail, show_json, show_table
from hub.running import kek_at_hand
from hub.sample.county import county
from hub.sample.mess import Line
from hub.sample.people import FIRST_DAY
from hub.ticks import TICKER, Ticker
from hub.topics import read_topics
from hub.up.commands import start_detached, take_down
from hub.up.record import RunRecord, read_run
from spine.errors import SpineError
from spine.keystore.postgres import PostgresKeys
from spine.registry import use_registry
from spine.schema import Catalogue

DRAIN_SECONDS_MAX = 300
MARK = "demo"
NOT_HEARD = ("turned away: unauthorised", "asked to wait")


def demo(
    people: Annotated[int, typer.Option(envvar="DEMO_PEOPLE", help="How many young people.")] = 2000,
    days: Annotated[int, typer.Option(envvar="DEMO_DAYS", help="How many days from 1 September 2025.")] = 120,
    seed: Annotated[int, typer.Option(help="Same seed, same county.")] = 7,
    leave: Annotated[
        bool, typer.Option("--exit", envvar="DEMO_EXIT", help="Stop everything after the summary.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The whole hub on this machine, fed with a generated county day by day, and a summary of what came of it.

    Starts with empty stores: data of an earlier demo on this machine is deleted. Without --exit the hub stays up.

    Exit codes: 0 done and the summary is sane; 1 it is not, or something did not start; 2 wrong usage.
    """
    home, began = Home.of_environment(), time.monotonic()
    try:
        lines = county(people=people, days=days, seed=seed)
    except ValueError as error:
        fail(str(error), as_json=as_json, code=2)
    _empty(home, as_json=as_json)
    run = start_detached(home, demo=True, as_json=as_json)
    faults: list[str] = []
    try:
        drop = Drop.of_college(home.files, contracts_folder(), Catalogue([schemas_folder()]))
        answers = feed(home, run, lines, days, drop, quiet=as_json)
        made = sum_up(home, run, FIRST_DAY + timedelta(days=days - 1), answers)
        made.files, made.file_rows = drop.came_of_it()
        faults = made.faults()
        tell(run, made, answers, time.monotonic() - began, faults, drop.feedback(), as_json=as_json)
    except (FeedError, NotDrained, SpineError) as error:
        faults = [str(error)]
    finally:
        if leave:
            take_down(home)
    if faults:
        fail("; ".join(faults), as_json=as_json)
    if not leave and not as_json:
        typer.echo("It stays up: `hub status` shows it, `hub down` ends it.")


def _empty(home: Home, *, as_json: bool) -> None:
    """Delete an earlier demo's data, never a hub's that was not a demo."""
    take_down(home)
    if (home.kafka.exists() or home.postgres.exists()) and not (home.folder / MARK).exists():
        fail(f"{home.folder} holds a hub that is no demo; set HUB_HOME to another folder", as_json=as_json)
    postgres.remove(home.postgres)
    for folder in (home.kafka, home.logs, home.mail, home.files):
        shutil.rmtree(folder, ignore_errors=True)
    home.folder.mkdir(parents=True, exist_ok=True)
    (home.folder / MARK).touch()


def feed(home: Home, run: RunRecord, lines: list[Line], days: int, drop: Drop, *, quiet: bool) -> Counter[str]:
    """Each day: its tick, what came that day by file and by HTTP, and waiting until all of it is decided."""
    by_day = {day: list(group) for day, group in groupby(lines, key=lambda line: line.received_at.date())}
    topics = read_topics(contracts_folder())
    kafka, database = run.broker(), run.addresses["postgres"]
    text = TextColumn("{task.description}")
    progress = Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), disable=quiet)
    with (
        closing(Ticker(run.broker(TICKER), run.addresses["registry"])) as ticker,
        Feed.of_machine(run.addresses["door"], simulate=True) as door,
        progress,
    ):
        task = progress.add_task("events", total=len(lines))
        for day in (FIRST_DAY + timedelta(days=n) for n in range(days)):
            progress.update(task, description=f"{day:%d %b %Y}")
            ticker.write(day)
            told = by_day.get(day, [])
            drop.put([line for line in told if drop.takes(line)], simulate=True)
            door.send([line for line in told if not drop.takes(line)])
            drop.wait(lambda: halted(home))
            drain(lambda: backlogs(kafka, database, topics), lambda: halted(home), DRAIN_SECONDS_MAX)
            progress.advance(task, len(by_day.get(day, [])))
        return door.answers


def halted(home: Home) -> list[str]:
    run = read_run(home.run)
    return ["everything"] if run is None else run.halted()


def sum_up(home: Home, run: RunRecord, today: date, answers: Mapping[str, int]) -> Summary:
    with closing(PostgresKeys(run.addresses["postgres"], kek_at_hand())) as keys:
        catalogue = Catalogue([schemas_folder()], keys)
        use_registry(catalogue, run.addresses["registry"])
        made = summarise(run.administered(), catalogue, today, home.mail)
    made.without_effect = without_effect(run.addresses["postgres"])
    # The door does not pass on what it knows already, and nothing at all of a stranger.
    heard = sum(number for answer, number in answers.items() if answer not in NOT_HEARD) + made.by_file
    made.doubled = heard - made.accepted - sum(made.refused.values())
    return made


def without_effect(database: str) -> int:
    """Submissions that the gate decided as duplicates."""
    query = "SELECT count(*) FROM ingest.decision WHERE kind = 'submission.v1' AND effects = '[]'::jsonb"
    with psycopg.connect(database) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def tell(
    run: RunRecord,
    made: Summary,
    answers: Mapping[str, int],
    seconds: float,
    faults: list[str],
    feedback: Path | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        document = {"summary": made.as_json(), "door": dict(answers), "seconds": round(seconds, 1), "faults": faults}
        show_json(document | {"feedback": str(feedback or ""), "addresses": dict(run.addresses)})
        return
    sent = sum(number for answer, number in answers.items() if answer != "asked to wait")
    sent += made.file_rows["rows"]
    show_table("What came of it", ("what", "how many"), rows(made, answers, sent, seconds))
    if feedback:
        Console().print(f"\nWhat the college is told of its rows: {feedback}", highlight=False, soft_wrap=True)
    Console().print(f"\nConsole: {run.addresses['console']}", highlight=False)
    Console().print(f"Sign in, no password in the demo, as one of: {', '.join(users())}", highlight=False)


def users() -> list[str]:
    """The demo's named users, by what they do."""
    return sorted(YAML(typ="safe").load(contracts_folder() / "teams.yaml")["users"])


def rows(made: Summary, answers: Mapping[str, int], sent: int, seconds: float) -> list[tuple[str, str]]:
    def listed(counted: Mapping[str, int]) -> str:
        return "\n".join(f"{number:>6}  {name}" for name, number in sorted(counted.items())) or "0"

    return [
        ("events sent", str(sent)),
        ("what the door said", listed(answers)),
        ("files of the college", listed(made.files)),
        ("rows in them", listed(made.file_rows)),
        ("accepted by the gate", str(made.accepted)),
        ("duplicates", str(made.doubled)),
        ("refused, by reason", listed(made.refused)),
        ("people", str(made.people)),
        ("match reviews opened, waiting", f"{made.reviews_opened}, {made.reviews_waiting}"),
        ("statuses by group", listed(made.statuses)),
        ("alerts raised by rule", listed(made.alerts_raised)),
        ("alerts standing by rule", listed(made.alerts_standing)),
        ("deliveries", listed(made.deliveries)),
        ("mails in the sink", str(made.mails)),
        ("elapsed", f"{seconds:.0f} s ({sent / seconds:.0f} events/s, waiting for each day to settle)"),
    ]
