"""``hub retention``: whose time has come by the schedule, and erasing them, as two people."""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from hub.heads import NotAllowed
from hub.held import Held, stored
from hub.layout import contracts_folder
from hub.output import FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.persons import persons
from hub.sharing import read_yaml
from hub.subject import approvals, holds
from hub.subject.again import settings_at_hand
from hub.subject.erase import AWAY, By, running
from hub.subject.erasure import Hub, Order, erase
from hub.subject.officers import officers_at_hand
from hub.subject.operations import note
from hub.subject.registers import ERASURE
from hub.subject.rules_of_two import rules_of_two
from services.alerts.calendar import birthday, school_year_end
from services.alerts.case import Case
from services.alerts.policy import Policy
from services.console.tables import ACCESS
from spine.clock import local_date, now
from spine.errors import Retry

app = typer.Typer(help="The retention schedule: whose records have had their time.", no_args_is_help=True)
KIND, GROUND = "retention", "retention"
AGE = 25
BIRTHDAY, YEAR = f"{AGE}th-birthday", f"end-of-academic-year-{AGE}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """From the key ``retention`` of contracts/policy/policy.yaml. ``archive_months`` follow the end of the record."""

    archive_months: int
    audit_years: int


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody whose time has come. ``hold``: the number of a legal hold that forbids it."""

    person_id: str
    since: date
    hold: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """``undated``: people of whom no birth date is known; the schedule says nothing of them."""

    on: date
    due: tuple[Due, ...]
    undated: int

    @property
    def free(self) -> tuple[Due, ...]:
        return tuple(one for one in self.due if one.hold is None)

    @property
    def name(self) -> str:
        """What two people agree on: these people and no others."""
        return list_name(one.person_id for one in self.free)


def list_name(people: Iterable[str]) -> str:
    """Name of a list of people: how many, and a hash."""
    ids = sorted(people)
    return f"{len(ids)} people {hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:16]}"


def left_of(told: Preview, request: approvals.Request, erased: Collection[str]) -> tuple[Due, ...] | None:
    """Who is left of the list that two people agreed on, when a run was stopped. ``erased``: by that run so far.

    None where these and those are not that list: somebody's hold was lifted, or a birth date came to light.
    """
    left = tuple(one for one in told.free if one.since <= local_date(request.asked_at))
    return left if list_name({*erased, *(one.person_id for one in left)}) == request.what else None


def schedule(contracts: Path) -> Schedule:
    """Raises ValueError, naming what this schedule cannot mean."""
    read = read_yaml(contracts / "policy" / "policy.yaml")["retention"]
    record = read["canonical_record"]
    if (record["until"], record["with_ehcp"]) != (BIRTHDAY, YEAR):
        raise ValueError(f"policy.yaml, retention.canonical_record: until is {BIRTHDAY}, with_ehcp {YEAR}")
    return Schedule(int(record["archive_months"]), int(read["audit_years"]))


def ends_on(born: date, ehcp: bool, rules: Schedule) -> date:
    """First day on which the record has had its time."""
    day = birthday(born, AGE)
    if ehcp:
        day = date(school_year_end(day), 9, 1)
    months = day.month - 1 + rules.archive_months
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def preview(held: Held, policy: Policy, rules: Schedule, on: date, held_back: Iterable[holds.Hold]) -> Preview:
    """Everybody whose time has come on ``on``, in order of id. Test records are not among them."""
    by_person = {one.person_id: one.number for one in held_back}
    due, undated = [], 0
    for person in persons(held):
        case = Case(person.alerts, on, policy)
        if case.born is None:
            undated += 1
        elif (since := ends_on(case.born, case.ehcp, rules)) <= on:
            due.append(Due(person.person_id, since, by_person.get(person.person_id)))
    return Preview(on, tuple(due), undated)


def apply(hub: Hub, chosen: Sequence[Due], request: approvals.Request, at: datetime) -> Iterator[tuple[str, str]]:
    """Erase one after the other: (person, certificate's hash, or why not). Stopped, it is called again."""
    for one in chosen:
        order = Order(one.person_id, GROUND, request.asked_by, request.approved_by or "", at)
        try:
            yield one.person_id, str(erase(hub, order)["sha256"])
        except NotAllowed as error:
            yield one.person_id, f"not erased: {error}"


def old_looks(engine: sa.Engine, rules: Schedule, on: date) -> int:
    """Delete rows of the record of access that are older than audits reach; how many."""
    limit = datetime(on.year - rules.audit_years, on.month, min(on.day, 28), tzinfo=now().tzinfo)
    with engine.begin() as connection:
        if connection.execute(sa.text("SELECT to_regclass('console.access')")).scalar() is None:
            return 0
        connection = connection.execution_options(schema_translate_map={None: "console"})
        return connection.execute(sa.delete(ACCESS).where(ACCESS.c.at < limit)).rowcount


@app.command("preview")
def preview_(as_json: AsJson = False) -> None:
    """Who would be erased today by the schedule, and whom a hold keeps. Nothing changes.

    Exit codes: 0 shown; 1 no hub answers; 2 wrong usage, or the schedule cannot be read.
    """
    with _hub(as_json, quiet=True) as hub:
        told = _preview(hub)
    if as_json:
        show_json(asdict(told))
        return
    rows = [(one.person_id, one.since, "" if one.hold is None else f"hold {one.hold}") for one in told.due]
    show_table(f"Due on {told.on}", ("person", "since", ""), rows)
    typer.echo(f"{len(told.free)} would be erased; of {told.undated} no birth date is known")


@app.command("apply")
def apply_(
    by: By = "",
    approve: Annotated[bool, typer.Option("--approve", help=approvals.APPROVE)] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everybody whose time has come and whom no hold keeps. One person asks, another approves of the same list.

    Rows of the record of access beyond the years of audits go too.
    Exit codes: 0 asked, or done; 1 no hub answers, or somebody was not erased (the output says why); 2 wrong usage,
    nobody has asked for just these people, or the same person approves.
    """
    if not by.strip():
        fail("retention: say who asks or approves: --by NAME", as_json=as_json, code=USAGE)
    say: Callable[[str], None] = (lambda text: None) if as_json else (lambda text: typer.echo(text, err=True))
    with _hub(as_json) as hub:
        told = _preview(hub)
        request, chosen = _agreed(hub, told, by, approve)
        if not approve:
            answer: dict[str, Any] = {"request": request.number, "people": len(told.free)}
            show_json(answer) if as_json else typer.echo(approvals.in_words(request, "hub retention apply"))
            return
        outcomes = {}
        for number, (person_id, outcome) in enumerate(apply(hub, chosen, request, now()), 1):
            outcomes[person_id] = outcome
            say(f"{number} of {len(chosen)}: {person_id}: {outcome}")
        gone = old_looks(hub.engine, schedule(contracts_folder()), told.on)
        note(hub.postgres, "retention", {"people": len(chosen), "looks": gone})
        with hub.engine.begin() as connection:
            approvals.done(connection, request.number, now())
    left = [person for person, outcome in outcomes.items() if outcome.startswith("not erased")]
    show_json({"erased": outcomes, "looks": gone}) if as_json else typer.echo(
        f"{len(outcomes) - len(left)} erased, {len(left)} not, {gone} old looks deleted"
    )
    raise typer.Exit(FAILED if left else 0)


def _agreed(hub: Hub, told: Preview, by: str, approve: bool) -> tuple[approvals.Request, tuple[Due, ...]]:
    """The request, and who is to be erased under it."""
    officers = officers_at_hand()
    with hub.engine.begin() as connection:
        if not approve:
            valid = rules_of_two(contracts_folder()).valid
            return approvals.ask(connection, officers, KIND, told.name, by, now(), valid), told.free
        begun = next((o for o in approvals.standing(connection) if o.kind == KIND and o.approved_at is not None), None)
        if begun is None:
            return approvals.approve(connection, officers, KIND, told.name, by, now()), told.free
        approvals.check(officers, begun)
        mine = (ERASURE.c.ground == GROUND, ERASURE.c.ordered_at >= begun.approved_at)
        left = left_of(told, begun, connection.execute(sa.select(ERASURE.c.person_id).where(*mine)).scalars().all())
        if left is None:
            # It can be carried out no more, and must not keep a new one from being asked for.
            approvals.done(connection, begun.number, now())
    if left is None:
        raise NotAllowed("other people are due than those who were agreed on: ask again")
    return begun, left


def _preview(hub: Hub) -> Preview:
    contracts = contracts_folder()
    with hub.engine.connect() as connection:
        standing = holds.standing(connection)
    with stored(hub.postgres) as held:
        policy = settings_at_hand(contracts).policy
        return preview(held, policy, schedule(contracts), local_date(now()), standing)


@contextmanager
def _hub(as_json: bool, quiet: bool = False) -> Iterator[Hub]:
    """The running hub; a server that does not answer ends the command."""
    try:
        with running(lambda text: None if as_json or quiet else typer.echo(text, err=True)) as hub:
            yield hub
    except NotAllowed as error:
        fail(f"retention: {error}", as_json=as_json, code=USAGE)
    except Retry as error:
        fail(f"retention: {error}", as_json=as_json)
    except AWAY as error:
        fail(f"retention: no hub answers, or a key is missing ({type(error).__name__})", as_json=as_json)
