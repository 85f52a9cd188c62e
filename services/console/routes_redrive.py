"""Trying refused events again: a partner's person one of their own, the hub's keepers a sender's of one reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console import redrives
from services.console.pages import query
from services.console.redrives import Row, Verdicts
from services.console.steward import NotTaken
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
NOT_TAKEN = {
    "not_set_up": "Trying again is not set up on this console. Ask whoever runs the hub.",
    "forbidden": "This console’s key may not do that yet. Ask whoever runs the hub.",
    "unavailable": "The hub is still reading what waits. Nothing was sent. Try again in a minute.",
    "two_people": "More would be sent than one person may send. Nothing was sent: look again.",
}
NO_ANSWER = "The hub did not answer. Nothing was sent. Try again in a few minutes."
ALREADY = "Nothing was sent: it was tried before, or the gate would no longer let it through."
NOT_YOU = "You asked for this: another person must agree"


@router.get("/sent/refused/{event_id}")
def refused(known: Known, event_id: str) -> Response:
    return _refused_page(known, _own(known, event_id))


@router.post("/sent/refused/{event_id}")
def try_again(known: Known, event_id: str, csrf: str = Form("")) -> Response:
    known.check(csrf)
    row, console = _own(known, event_id), known.console
    told = console.door.redrive(_one(row) | {"by": [known.user.key], "dry_run": False}, console.moment())
    if isinstance(told, NotTaken):
        return _refused_page(known, row, 503, error=NOT_TAKEN.get(told.reason, NO_ANSWER))
    sent = int(told["redriven"])
    console.redrives.alone(row["party"], row["reason"], row["message_id"], known.user.key, console.moment(), sent)
    if not sent:
        return _refused_page(known, row, 422, error=ALREADY)
    known.say("redriven")
    return elsewhere("/sent#refused")


@router.get("/operations/quarantine")
def quarantine(known: Known, party: str = "", reason: str = "") -> Response:
    return _class_page(known, party, reason)


@router.post("/operations/quarantine")
def redrive(known: Known, csrf: str = Form(""), party: str = Form(""), reason: str = Form("")) -> Response:
    """Asks, agrees or sends, as it stands: what takes two people is asked for by the first."""
    known.check(csrf)
    _keeper(known, party, reason)
    console, at, me = known.console, known.console.moment(), known.user.key
    agreed = console.redrives.agree(party, reason, me, at)
    if agreed is None and console.redrives.standing(party, reason, at) is not None:
        return _class_page(known, party, reason, 422, error=NOT_YOU)
    by = [me] if agreed is None else [agreed["asked_by"], agreed["approved_by"]]
    told = console.door.redrive({"party": party, "reason": reason, "by": by, "dry_run": False}, at)
    if isinstance(told, NotTaken) and told.reason == "two_people" and agreed is None:
        console.redrives.ask(party, reason, me, at, redrives.valid(console.contracts))
        known.say("redrive_asked")
        return elsewhere(_address(party, reason))
    if isinstance(told, NotTaken):
        return _class_page(known, party, reason, 503, error=NOT_TAKEN.get(told.reason, NO_ANSWER))
    sent = int(told["redriven"])
    if agreed is None:
        console.redrives.alone(party, reason, "", me, at, sent)
    else:
        console.redrives.done(agreed["number"], at, sent)
    known.say("redriven" if sent else "redrive_none")
    return elsewhere(_address(party, reason))


def _address(party: str, reason: str) -> str:
    return f"/operations/quarantine{query(party=party, reason=reason)}"


def _own(known: Visitor, event_id: str) -> Row:
    parties = known.console.people.parties_of(known.user)
    row = known.console.redrives.refused(event_id, parties) if parties and event_id.isprintable() else None
    if row is None:
        raise NotFound
    return row


def _one(row: Row) -> dict[str, Any]:
    return {"party": row["party"], "ids": [row["message_id"]]}


def _refused_page(known: Visitor, row: Row, status: int = 200, error: str = "") -> Response:
    console = known.console
    console.doings.saw(known.user, "redrive", "", f"{row['party']}: {row['message_id']}", console.clock())
    told = console.door.redrive(_one(row) | {"dry_run": True}, console.moment())
    return known.page("refused.html", status, row=row, **_said(told, error))


def _keeper(known: Visitor, party: str, reason: str) -> None:
    """Raises NotFound for whom it is not, and for what was never refused."""
    rows = known.console.reader.refusals() if known.user.keeps else []
    if not any((row["party"], row["reason"]) == (party, reason) for row in rows):
        raise NotFound


def _class_page(known: Visitor, party: str, reason: str, status: int = 200, error: str = "") -> Response:
    _keeper(known, party, reason)
    console = known.console
    console.doings.saw(known.user, "redrive", "", f"{party}: {reason}", console.clock())
    told = console.door.redrive({"party": party, "reason": reason, "dry_run": True}, console.moment())
    order = console.redrives.standing(party, reason, console.moment())
    mine = order is not None and order["asked_by"] == known.user.key and not order["approved_by"]
    values = {"party": party, "reason": reason, "order": order, "mine": mine}
    return known.page("quarantine.html", status, **values, **_said(told, error))


def _said(told: Any, error: str) -> dict[str, Any]:
    """What the gate would say now, or why nobody knows."""
    if isinstance(told, NotTaken):
        return {"verdicts": None, "error": error or NOT_TAKEN.get(told.reason, NO_ANSWER)}
    return {"verdicts": Verdicts.of(told), "error": error}
