"""``hub explain``: why an alert was raised, or why none was, as one file that can be checked offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.layout import contracts_folder, schemas_folder
from hub.output import DONE, FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.person.whom import ids_of
from hub.private import write_private
from hub.subject.again import again
from hub.subject.books import Books, books
from hub.subject.chain import Unknown, explained, found, silence
from hub.subject.proof import Check, checks
from spine.clock import local_date, now
from spine.errors import SpineError
from spine.schema import Catalogue

PAGE = "hub explain"


def explain(
    alert: Annotated[str, typer.Argument(help="An alert's id, or its name in the console's addresses.")] = "",
    person: Annotated[str, typer.Option(help="With --rule: why this person has no alert by it.")] = "",
    rule: Annotated[str, typer.Option(help="A rule's id, such as A05.")] = "",
    reason: Annotated[str, typer.Option(help="Why you ask: written down before anything is shown.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the whole explanation to this file (private).")] = None,
    check: Annotated[Path | None, typer.Option(help="Check such a file: no hub and no keys are needed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Explain an alert, or why a person has none by a rule: facts, decisions, rule, settings, who was told what.

    Exit codes: 0 shown, or the file holds; 1 no such alert or person, no hub answers, or the file does not hold;
    2 wrong usage, or no reason.
    """
    if check is not None:
        _checked(check, as_json)
        return
    if bool(alert) == bool(person and rule) or not reason.strip():
        fail("explain: give an ALERT, or --person and --rule; and a --reason", as_json=as_json, code=USAGE)
    try:
        with books(Catalogue([schemas_folder()])) as held:
            document = _asked(held, alert, person, rule.upper())
        access.write_down(PAGE, [document["person_id"]], reason)
    except Unknown as unknown:
        fail(f"explain: {unknown}", as_json=as_json)
    except (SpineError, OSError, ValueError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        fail(f"explain: no hub answers, or access could not be written down ({type(error).__name__})", as_json=as_json)
    if out is not None:
        write_private(out, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    if as_json:
        show_json(document)
    else:
        _show(document)


def _asked(held: Books, alert: str, person: str, rule: str) -> dict[str, Any]:
    if alert:
        return explained(held, found(held, alert), contracts_folder(), now())
    people = ids_of(held.held, person)
    if len(people) != 1:
        raise Unknown("nobody is meant, or several: ask by id")
    return silence(held, people[0], rule, contracts_folder(), now(), local_date(now()))


def _checked(path: Path, as_json: bool) -> None:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        fail(f"explain: {path.name}: {type(error).__name__}: it cannot be read", as_json=as_json, code=USAGE)
    told = verdict(document, contracts_folder(), schemas_folder())
    good = all(one.holds is not False for one in told)
    if as_json:
        show_json({"holds": good, "checks": [[one.what, one.holds, one.why] for one in told]})
    else:
        words = {True: "holds", False: "DOES NOT HOLD", None: "not in the file"}
        show_table("Checked", ("", "", ""), [(one.what, words[one.holds], one.why) for one in told])
    raise typer.Exit(DONE if good else FAILED)


def verdict(document: Mapping[str, Any], contracts: Path, schemas: Path) -> list[Check]:
    """All that can be said of a file here: what it proves by itself, and whether its acts come out again."""
    told = checks(document)
    if any(one.holds is False for one in told):
        return told
    catalogue = Catalogue([schemas])
    return told + [one for act in document["acts"] for one in again(act, catalogue, contracts)]


def _show(document: Mapping[str, Any]) -> None:
    rule = document["rule"]
    rows = [("asked", document["question"]), ("rule", f"{rule['id']} {rule['name']}"), ("raised when", rule["raised"])]
    rows += (
        [("why not", document["why_not"]), ("rests on", ", ".join(document["wants"]))] if "why_not" in document else []
    )
    alert = document["alert"] or {}
    rows += [
        (name.replace("_", " "), str(alert[name]))
        for name in ("because", "raised_on", "due_on", "outcome")
        if name in alert
    ]
    show_table("Explanation", ("", ""), rows)
    facts = [
        (f.get("type", ""), f.get("effective_on", ""), f.get("source", ""), f.get("agreement", ""), _places(f))
        for f in document["facts"]
    ]
    show_table("Facts", ("type", "of", "told by", "agreement", "decided at"), facts)
    told = [
        (act["at"], act["act"], _who(one), _given(one), "; ".join(one["masked"]))
        for act in document["acts"]
        for one in act["recipients"]
    ]
    show_table("Told", ("when", "act", "to", "shown", "not shown"), told)
    tried = [
        (one["at"], one["role"], one["channel"], one["state"], one["attempt"], one["reason"])
        for one in document["deliveries"]
    ]
    show_table("Deliveries", ("when", "to", "by", "state", "attempt", "reason"), tried)


def _places(fact: Mapping[str, Any]) -> str:
    rows = [(one["service"], one["row"]) for one in fact["decisions"]]
    return ", ".join(f"{service} {row['topic']}/{row['partition']}@{row['offset']}" for service, row in rows)


def _who(one: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (one["role"], one["team"])))


def _given(one: Mapping[str, Any]) -> str:
    """What kinds of line were shown; the values stand in the file, not on a screen."""
    return "taken back" if one["pulled_back"] else ", ".join(line["label"] for line in one["shown"]["lines"])
