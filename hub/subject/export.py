"""``hub export-subject``: a copy of everything held on a person, in plain words and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import sqlalchemy as sa
import typer
from jinja2 import Environment, FileSystemLoader

from hub import access
from hub.agreement_pages import TEMPLATES
from hub.held import Held
from hub.layout import contracts_folder, schemas_folder
from hub.output import USAGE, AsJson, fail, show_json
from hub.person.command import answer
from hub.person.whom import ids_of
from hub.private import write_private
from hub.rules.sheet import sheets
from hub.running import where
from hub.sharing import read_yaml
from hub.subject import copy_for
from hub.subject.again import settings_at_hand
from hub.subject.books import Books, books
from hub.subject.copy_for import Copy, Exempt, exempt, words_of
from hub.subject.logs import Access, looks
from hub.subject.operations import note
from hub.subject.registers import unknown_or_erased
from hub.subject.shred import alerts_of
from services.alerts.words import GROUPS
from spine.clock import local_date, now
from spine.errors import SpineError
from spine.schema import Catalogue

PAGE = "hub export-subject"
COPY, READABLE, OFFICER = "subject-access.json", "index.html", "for-the-officer.json"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """The copy for the person, and what was kept back, for the officer's file alone."""

    document: dict[str, Any]
    kept_back: dict[str, Any]


def export_subject(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, or party:source_ref.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")],
    reason: Annotated[str, typer.Option(help="Reference of the request: written down before anything is read out.")],
    as_json: AsJson = False,
) -> None:
    """Write everything held on a person, and everybody to whom something of it was shown: a page to read, and JSON.

    Other people stay out; what contracts/policy/subject_access.yaml exempts is withheld with its reason, and listed in
    a file of its own for the officer, which is not for the person.
    Exit codes: 0 written; 1 no hub answers, or nobody or several are meant; 2 wrong usage, or the folder is not usable.
    """
    if not reason.strip():
        fail("export-subject: give the request's reference with --reason", as_json=as_json, code=USAGE)
    say: Say = (lambda text: None) if as_json else (lambda text: typer.echo(text, err=True))
    try:
        contracts, postgres = contracts_folder(), where().postgres
        rules = exempt(contracts)
        with books(Catalogue([schemas_folder()])) as held:
            people = ids_of(held.held, person)
            if len(people) != 1:
                why = "several are meant: ask by id" if people else unknown_or_erased(postgres, person)
                fail(f"export-subject: {why}", as_json=as_json)
            seen = looks(postgres, people[0], "", None, None)
            made = made_for(held, people[0], contracts, rules, seen, now(), say)
        access.write_down(PAGE, people, reason)
        note(postgres, "export", {"person_id": people[0]})
    except (SpineError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        fail(f"export-subject: no hub answers ({type(error).__name__})", as_json=as_json)
    except (OSError, ValueError) as error:
        fail(f"export-subject: {error}", as_json=as_json, code=USAGE)
    try:
        write(out, made)
    except OSError as error:
        fail(f"export-subject: {out}: {error.strerror}", as_json=as_json, code=USAGE)
    told = {"folder": str(out), "told": len(made.document["told"]), "alerts": len(made.document["alerts"])}
    show_json(told) if as_json else typer.echo(f"{out / READABLE}: {told['told']} statements, {told['alerts']} alerts")


def made_for(
    held: Books,
    person_id: str,
    contracts: Path,
    rules: Exempt,
    seen: list[Access],
    at: datetime,
    say: Say = lambda text: None,
) -> Made:
    """Raises Retry where the broker gives less than it holds."""
    policy = settings_at_hand(contracts).policy
    names = {one.id: one.name for one in sheets(policy)}
    words, copy = words_of(contracts, names), Copy()
    say("1 of 4: what agencies told")
    copy_for.told(copy, copy_for.observations(held.held, held, person_id), held, words, rules)
    say("2 of 4: what was concluded")
    status = _status(held.held, person_id, at, contracts, words, rules)
    say("3 of 4: who was told")
    own = (told for told in held.of_key("alerts", person_id) if told.fact.kind == "alert.v1" and not told.erased)
    acts = [told.fact.fields for told in own]
    alerts = copy_for.alerts(copy, alerts_of(held.held, person_id), acts, words, policy)
    say("4 of 4: decisions and reviews")
    facts = [told.fact.event_id for told in held.of_key("statuses", person_id)]
    keyed = [told.fact.event_id for told in held.of_key("attributions", person_id)]
    decisions = len(held.decisions.on("alerts", facts)) + len(held.decisions.on("status", keyed))
    reviews = [key for key, _ in held.held.holding("matching", orjson.dumps(person_id)) if key.startswith("r:")]
    document = {
        "format": copy_for.FORMAT,
        "council": read_yaml(contracts / "policy" / "console.yaml")["council"],
        "person_id": person_id,
        "made_at": at,
        "withheld": list(copy.reasons),
        **status,
        "told": copy.told,
        "alerts": alerts,
        "looks": copy_for.looks(seen),
        "decisions": decisions,
        "open_reviews": len(reviews),
    }
    kept_back = [{"source": s, "what": w, "basis": b, "times": n} for (s, w, b), n in sorted(copy.kept_back.items())]
    plain: dict[str, Any] = orjson.loads(orjson.dumps(document, default=str))
    return Made(plain, {"person_id": person_id, "made_at": at.isoformat(), "kept_back": kept_back})


def write(folder: Path, made: Made) -> None:
    """For the owner's eyes only: who hands it out decides how."""
    folder.mkdir(parents=True, exist_ok=True)
    env = Environment(autoescape=True, loader=FileSystemLoader(TEMPLATES), trim_blocks=True)
    page = env.get_template("subject.html").render(title="What we hold about you", doc=made.document)
    write_private(folder / READABLE, page)
    write_private(folder / COPY, orjson.dumps(made.document, option=orjson.OPT_INDENT_2).decode())
    write_private(folder / OFFICER, orjson.dumps(made.kept_back, option=orjson.OPT_INDENT_2).decode())


def _status(
    held: Held, person_id: str, at: datetime, contracts: Path, words: copy_for.Words, rules: Exempt
) -> dict[str, Any]:
    """The situation now and over time. A stretch that a withheld source decided says nothing."""
    found = answer(held, person_id, at, local_date(at), contracts)
    if found is None:
        return {"status": {}, "timeline": []}
    spans = []
    now_withheld = False
    for span in found.timeline:
        why = rules.of("", span.source, words.kinds.get(span.source, ""))
        now_withheld |= why is not None and span.start <= found.on <= (span.end or found.on)
        said = words.parties.get(span.source, "our own conclusion")
        shown = (copy_for.WITHHELD, "") if why else (f"{GROUPS.get(span.group, span.group)} ({span.code})", said)
        spans.append({"from": span.start, "to": span.end, "situation": shown[0], "said_by": shown[1]})
    group, code = str(found.status["group"]), str(found.status["code"])
    shown_now = (copy_for.WITHHELD, "") if now_withheld else (GROUPS.get(group, group), code)
    told: Mapping[str, Any] = {"on": found.on, "group": shown_now[0], "code": shown_now[1]}
    return {"status": told, "timeline": spans}
