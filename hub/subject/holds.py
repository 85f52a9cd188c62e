"""``hub hold``: a legal hold keeps a person's records from every erasure, until it is lifted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.heads import NotAllowed
from hub.held import stored
from hub.output import USAGE, AsJson, fail, show_json, show_table
from hub.person.whom import ids_of
from hub.running import where
from hub.subject.officers import officers_at_hand
from hub.subject.registers import ERASURE, HOLD, registers
from spine.clock import now
from spine.errors import Retry

app = typer.Typer(help="Legal holds: who may not be erased.", no_args_is_help=True)
#: A server that does not answer.
AWAY = (Retry, OSError, psycopg.Error, sa.exc.SQLAlchemyError)
By = Annotated[str, typer.Option("--by", help="Who orders it, for the record.")]
Person = Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, or party:source_ref.")]


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold. It stands while ``lifted_at`` is None."""

    number: int
    person_id: str
    matter: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None = None
    lifted_at: datetime | None = None


def place(connection: sa.Connection, person_id: str, matter: str, by: str, at: datetime) -> Hold:
    """Raises NotAllowed without a matter or a name."""
    if not matter.strip() or not by.strip():
        raise NotAllowed("a hold needs the reference of its matter and who orders it: --matter REF --by NAME")
    lock(connection, person_id)
    if connection.execute(sa.select(ERASURE.c.step).where(ERASURE.c.person_id == person_id)).first() is not None:
        raise NotAllowed("this person is being erased, or was: there is nothing to hold")
    values = {"person_id": person_id, "matter": matter.strip()[:200], "placed_by": by.strip(), "placed_at": at}
    return Hold(*connection.execute(sa.insert(HOLD).values(values).returning(*HOLD.c)).one())


def lift(connection: sa.Connection, number: int, by: str, at: datetime) -> Hold:
    """Raises NotAllowed where no such hold stands, or without a name."""
    if not by.strip():
        raise NotAllowed("say who lifts it: --by NAME")
    mine = (HOLD.c.number == number, HOLD.c.lifted_at.is_(None))
    lifted = sa.update(HOLD).where(*mine).values(lifted_by=by.strip(), lifted_at=at).returning(*HOLD.c)
    row = connection.execute(lifted).first()
    if row is None:
        raise NotAllowed(f"no hold {number} stands: hub hold list shows those that do")
    return Hold(*row)


def standing(connection: sa.Connection, people: Collection[str] | None = None) -> list[Hold]:
    """Holds that stand, of these people or of all."""
    query = sa.select(*HOLD.c).where(HOLD.c.lifted_at.is_(None)).order_by(HOLD.c.number)
    if people is not None:
        query = query.where(HOLD.c.person_id.in_(sorted(people)))
    return [Hold(*row) for row in connection.execute(query)]


def lock(connection: sa.Connection, person_id: str) -> None:
    """A hold and an erasure of one person take turns, so that neither overlooks the other."""
    text = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    connection.execute(text, {"name": f"person|{person_id}"})


@app.command()
def add(
    person: Person,
    matter: Annotated[str, typer.Option(help="Reference of the matter (a case number, never a name).")],
    by: By,
    as_json: AsJson = False,
) -> None:
    """Place a hold: until it is lifted nothing of this person is erased, by request or by schedule.

    Exit codes: 0 placed; 1 no hub answers, or nobody or several are meant; 2 wrong usage.
    """
    try:
        with stored() as held:
            people = ids_of(held, person)
        if len(people) != 1:
            fail("hold: nobody is meant, or several: ask by id", as_json=as_json)
        with registers(where().postgres) as engine, engine.begin() as connection:
            one = place(connection, people[0], matter, by, now())
        access.write_down("hub hold add", people, matter)
    except NotAllowed as error:
        fail(f"hold: {error}", as_json=as_json, code=USAGE)
    except AWAY as error:
        fail(f"hold: no hub answers ({type(error).__name__})", as_json=as_json)
    show_json(asdict(one)) if as_json else typer.echo(f"hold {one.number} stands on {one.person_id}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Holds that stand. Exit codes: 0 shown; 1 no hub answers; 2 wrong usage."""
    try:
        with registers(where().postgres) as engine, engine.connect() as connection:
            found = standing(connection)
    except AWAY as error:
        fail(f"hold: no hub answers ({type(error).__name__})", as_json=as_json)
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        rows = [(one.number, one.person_id, one.matter, one.placed_by, one.placed_at) for one in found]
        show_table("Legal holds", ("number", "person", "matter", "placed by", "at"), rows)


@app.command("lift")
def lift_(
    number: Annotated[int, typer.Argument(help="The hold's number, as hub hold list shows it.")],
    by: By,
    as_json: AsJson = False,
) -> None:
    """Lift a hold. Where officers are listed, by one of them (HUB_OFFICER_KEY_FILE).

    Exit codes: 0 lifted; 1 no hub answers; 2 wrong usage, no such hold stands, or it is not proved who lifts it.
    """
    try:
        with registers(where().postgres) as engine, engine.begin() as connection:
            one = lift(connection, number, officers_at_hand().proved(by), now())
    except NotAllowed as error:
        fail(f"hold: {error}", as_json=as_json, code=USAGE)
    except AWAY as error:
        fail(f"hold: no hub answers ({type(error).__name__})", as_json=as_json)
    show_json(asdict(one)) if as_json else typer.echo(f"hold {one.number} is lifted")
