"""One alert: what it says, why, its history, and what a worker does. What one may not see is 404."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console import acting
from services.console.acting import NOTE_CHARACTERS_MAX, Wrong
from services.console.pages import due_words
from services.console.timeline import picture, stretches
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
_REF = re.compile(r"[0-9a-f]{20}")
#: How long an alert that was opened in an emergency can be read.
GLASS_OPEN = timedelta(hours=1)


@router.get("/alerts/{ref}")
def alert(known: Known, ref: str) -> Response:
    return _alert(known, row_of(known, ref))


@router.post("/alerts/{ref}/acknowledge")
def acknowledge(known: Known, ref: str, csrf: str = Form("")) -> Response:
    known.check(csrf)
    row = _theirs(known, ref)
    if _acknowledged(known, row):
        known.say("already")
        return elsewhere(f"/alerts/{ref}")
    return _act(known, row, "acknowledge", "")


@router.post("/alerts/{ref}/outcome")
def outcome(known: Known, ref: str, csrf: str = Form(""), outcome: str = Form("")) -> Response:
    known.check(csrf)
    return _act(known, _open(known, ref), "outcome", acting.outcome(outcome), outcome=outcome)


@router.post("/alerts/{ref}/wrong-person")
def wrong_person(known: Known, ref: str, csrf: str = Form(""), sure: str = Form("")) -> Response:
    """Takes the alert back from everybody and opens a review of the match."""
    known.check(csrf)
    value = "" if sure == "1" else Wrong("sure", "Confirm that this is about somebody else")
    return _act(known, _open(known, ref), "wrong_person", value)


@router.post("/alerts/{ref}/ask-review")
def ask_review(known: Known, ref: str, csrf: str = Form(""), doubt: str = Form("")) -> Response:
    """The records may not be of one person: a steward looks, and the alert stands meanwhile."""
    known.check(csrf)
    row = _open(known, ref)
    if about_a_feed(row):
        raise NotFound
    return _act(known, row, "ask_review", acting.ask_review(doubt), doubt=doubt)


@router.post("/alerts/{ref}/put-off")
def put_off(known: Known, ref: str, csrf: str = Form(""), until: str = Form(""), reason: str = Form("")) -> Response:
    known.check(csrf)
    row, console = _open(known, ref), known.console
    value = acting.put_off([row["severity"]], until, reason, console.today(), console.limits)
    return _act(known, row, "snooze", value, until=until, reason=reason)


@router.post("/alerts/{ref}/hand-over")
def hand_over(known: Known, ref: str, csrf: str = Form(""), worker: str = Form("")) -> Response:
    known.check(csrf)
    row = _open(known, ref)
    return _act(known, row, "assign", acting.hand_over([row], worker, _colleagues(known, row)), worker=worker)


@router.post("/alerts/{ref}/reopen")
def reopen(known: Known, ref: str, csrf: str = Form(""), reopen: str = Form("")) -> Response:
    """An outcome was given by mistake: the alert stands again, if alerts finds that its ground still does."""
    known.check(csrf)
    row = _theirs(known, ref)
    if row["open"] or row["handed_on"]:
        raise NotFound
    why = _kept_closed(known, row)
    return _act(known, row, "reopen", Wrong("reopen", why) if why else acting.reopen(reopen), reopen=reopen)


@router.post("/alerts/{ref}/note")
def note(known: Known, ref: str, csrf: str = Form(""), note: str = Form("")) -> Response:
    known.check(csrf)
    return _act(known, _theirs(known, ref), "note", acting.note(note), note=note)


def row_of(known: Visitor, ref: str) -> Mapping[str, Any]:
    if not _REF.fullmatch(ref):
        raise NotFound
    reader, user = known.console.reader, known.user
    row = reader.alert(user, ref)
    if row is None and reader.glass_broken(user, ref, known.console.clock() - GLASS_OPEN):
        # To be read only: what is done with it is its team's.
        opened = reader.opened_by_role(user, ref)
        row = None if opened is None else {**opened, "open": False, "glass": True}
    if row is None:
        raise not_theirs(known, ref)
    return row


def not_theirs(known: Visitor, ref: str, doing: str = "") -> NotFound:
    """Told of where the role may not; another team's of the same role is for an emergency, and a guess is nobody's."""
    reader = known.console.reader
    beyond = reader.stands(ref) and reader.opened_by_role(known.user, ref) is None
    return known.refused(ref, doing) if beyond else NotFound()


def about_a_feed(row: Mapping[str, Any]) -> bool:
    """Of a partner's feed and of no young person: it stands under a key of its own (docs/adr/0014)."""
    return bool(row["person_id"].startswith("feed:"))


def _theirs(known: Visitor, ref: str) -> Mapping[str, Any]:
    """A row that the user may act on: of one that was taken back they do nothing any more."""
    row = row_of(known, ref)
    if taken_back(row) or row.get("glass"):
        raise NotFound
    return row


def _open(known: Visitor, ref: str) -> Mapping[str, Any]:
    row = _theirs(known, ref)
    if not row["open"]:
        raise NotFound
    return row


def taken_back(row: Mapping[str, Any]) -> bool:
    """Whether the user may no longer see this alert; one that moved stays to be read as it was."""
    return bool(row["handed_on"]) and row["act"] not in ("moved", "retracted")


def with_due(known: Visitor, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "due_words": due_words(row["due_on"], known.console.today(), known.console.working)}


def _colleagues(known: Visitor, row: Mapping[str, Any]) -> list[str]:
    return [who for who in known.console.people.colleagues(row["role"], row["team"]) if who != row["worker"]]


def _acknowledged(known: Visitor, row: Mapping[str, Any]) -> bool:
    reader = known.console.reader
    acts = {h["act"] for h in reader.history(row["alert_id"])}
    return "acknowledged" in acts or any(a["verb"] == "acknowledge" for a in reader.actions(row["alert_id"]))


def _kept_closed(known: Visitor, row: Mapping[str, Any]) -> str:
    """Why a closed alert is not reopened, in words; empty where the user may try."""
    reader, console = known.console.reader, known.console
    acts = [(h["act"], h["on"]) for h in reader.history(row["alert_id"])]
    verbs = [a["verb"] for a in reader.actions(row["alert_id"])]
    return acting.reopenable(acts, verbs, console.today(), console.limits)


def _act(known: Visitor, row: Mapping[str, Any], verb: str, value: str | Wrong, **given: str) -> Response:
    """Do it and show the alert anew; what cannot be done stays in the form, with what was typed."""
    if isinstance(value, Wrong):
        return _alert(known, row, 422, errors={value.field: value.text}, given=given)
    known.console.doings.act(known.user, row, verb, value, known.console.moment())
    known.say(verb)
    return elsewhere(f"/alerts/{row['ref']}")


def _asked_for(
    actions: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]], verbs: Sequence[str]
) -> bool:
    """Whether what the latest act asks for has not been decided yet."""
    asked = max((a["at"] for a in actions if a["verb"] in verbs), default=None)
    decided = ("reopened", "kept_closed") if "reopen" in verbs else ("resolved", "stood_down", "retracted")
    return asked is not None and not any(h["act"] in decided and h["at"] >= asked for h in history)


def _told(history: Sequence[Mapping[str, Any]], actions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What became of the alert and what workers did, in the order in which it happened."""
    rows = [{**h, "verb": ""} for h in history] + [{**a, "act": ""} for a in actions]
    return sorted(rows, key=lambda row: (row["at"], row["act"] == ""))


def _as_read(known: Visitor, action: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a worker of another role did, without who it was and what they wrote: the gate of disclosure never saw it,
    and both can tell which service is at work."""
    if action["role"] in known.user.roles:
        return action
    kept = {"outcome": action["value"], "snooze": action["value"][:10]}
    return {**action, "worker": "", "value": kept.get(action["verb"], "")}


def _alert(known: Visitor, row: Mapping[str, Any], status: int = 200, **more: Any) -> Response:
    reader, today = known.console.reader, known.console.today()
    known.console.doings.saw(known.user, "alert", row["person_id"], row["ref"], known.console.clock())
    taken, history = taken_back(row), reader.history(row["alert_id"])
    # What others do and note, and what becomes of the alert, is no longer theirs to read.
    actions = [] if taken else [_as_read(known, one) for one in reader.actions(row["alert_id"])]
    until = next((a["value"][:10] for a in reversed(actions) if a["verb"] == "snooze"), "")
    spans = stretches(row["view"]["timeline"])
    shared: dict[str, Any] = {"errors": {}, "given": {}}
    values = {
        "row": with_due(known, row),
        "view": row["view"],
        "spans": spans,
        "picture": picture(spans, today),
        "told": _told([h for h in history if h["at"] < row["at"]] if taken else history, actions),
        "taken_back": taken,
        "glass": row.get("glass", False),
        "deliveries": reader.deliveries(row),
        "acknowledged": not taken and _acknowledged(known, row),
        "put_off_until": until if row["open"] and until > today.isoformat() else "",
        "may_put_off": row["severity"] not in known.console.limits.never,
        "closing": _asked_for(actions, history, ("outcome", "wrong_person")),
        "review_asked": any(one["verb"] == "ask_review" for one in actions),
        "reopening": _asked_for(actions, history, ("reopen",)),
        "kept_closed": "" if row["open"] or taken or row.get("glass") else _kept_closed(known, row),
        "colleagues": [] if taken else _colleagues(known, row),
        "note_max": NOTE_CHARACTERS_MAX,
        "feed": about_a_feed(row),
    }
    return known.page("alert.html", status, **(shared | values | more))
