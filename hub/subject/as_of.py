"""``hub as-of``: what the hub knew of somebody at a moment, about a day, and what it had said by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.layout import contracts_folder, schemas_folder
from hub.moments import moment
from hub.output import USAGE, AsJson, fail, show_json, show_table
from hub.person.command import answer
from hub.person.told import Told
from hub.person.whom import ids_of
from hub.running import where
from hub.subject.books import Books, books
from hub.subject.registers import unknown_or_erased
from services.alerts.belief import parse
from spine.clock import LONDON
from spine.errors import SpineError
from spine.schema import Catalogue

PAGE = "hub as-of"


@dataclass(frozen=True, slots=True)
class Said:
    """The last status that the hub had said by the moment: from the log, not computed again.

    ``code`` of the day asked about. ``settled``: today's build, from the same facts, says the same.
    """

    fact: str
    known_at: datetime
    cause: str
    code: str
    settled: bool


def as_of(
    named: Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, or party:source_ref.")],
    known: Annotated[str, typer.Option(help="Moment of knowing: 2026-03-02 (end of that day) or with a time.")],
    reason: Annotated[str, typer.Option(help="Why you ask: written down before anything is shown.")],
    on: Annotated[str, typer.Option(help="Day asked about; else the day of knowing.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what the hub knew of a person at a moment about a day: status, facts and from whom, alerts open then.

    Exit codes: 0 shown; 1 nobody or several are meant, or no hub answers; 2 wrong usage.
    """
    try:
        known_at = moment(known)
        day = date.fromisoformat(on) if on else known_at.astimezone(LONDON).date()
    except ValueError as error:
        fail(f"as-of: {error}; write days as 2026-03-02, moments as 2026-03-02T14:00Z", as_json=as_json, code=USAGE)
    if not reason.strip():
        fail("as-of: give a reason with --reason", as_json=as_json, code=USAGE)
    try:
        with books(Catalogue([schemas_folder()])) as held:
            people = ids_of(held.held, named)
            if len(people) != 1:
                several = f"several are meant, ask by id: {', '.join(people)}"
                why = several if people else unknown_or_erased(where().postgres, named)
                fail(f"as-of: {why}", as_json=as_json)
            found = answer(held.held, people[0], known_at, day, contracts_folder())
            assert found is not None
            said = last_said(held, found)
        access.write_down(PAGE, people, reason)
    except (SpineError, OSError, ValueError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        fail(f"as-of: no hub answers, or access could not be written down ({type(error).__name__})", as_json=as_json)
    if as_json:
        show_json(document(found, said))
    else:
        _show(found, said)


def last_said(books: Books, found: Told) -> Said | None:
    """None where the log holds no status of the person that old, or it is sealed for good."""
    last = None
    for told in books.of_key("statuses", found.person_id):
        if told.fact.is_a("status") and not told.erased and told.fact.fields["known_at"] <= found.known_at:
            last = told.fact
    if last is None or last.fields["belief"] is None:
        return None
    span = parse(last.fields["belief"]).span(found.on)
    code = "810" if span is None else span.code
    at, cause = last.fields["known_at"], last.fields["cause"]
    return Said(last.event_id, at, cause, code, code == found.status["code"])


def document(found: Told, said: Said | None) -> dict[str, Any]:
    """Everything of ``hub person show``, the alerts open then apart, and what had been said."""
    told = found.document()
    told["open_alerts"] = [one for one in told["alerts"] if one["outcome"] == "open"]
    told["said"] = None if said is None else {name: getattr(said, name) for name in Said.__slots__}
    return told


def _show(found: Told, said: Said | None) -> None:
    flags = ", ".join(name for name, holds in found.status["flags"].items() if holds)
    rows = [("status", f"{found.status['code']} {found.status['group']}"), ("flags", flags)]
    if said is not None:
        same = "the same" if said.settled else "OTHERWISE: settings or build have changed since"
        rows += [("had been said", f"{said.code} ({said.cause}, {said.known_at:%Y-%m-%d %H:%M} UTC): {same}")]
    show_table(f"On {found.on}, as known at {found.known_at:%Y-%m-%d %H:%M} UTC", ("", ""), rows)
    heard = [(h.on, h.type, h.source, h.known_at, "" if h.counts else "does not count") for h in found.heard]
    show_table("Known then", ("of", "what", "from", "known since", ""), heard)
    standing = [(a.rule, a.raised_on, a.due_on, " ".join(a.to)) for a in found.alerts if a.outcome == "open"]
    show_table("Alerts open then", ("rule", "raised", "due", "to"), standing)
