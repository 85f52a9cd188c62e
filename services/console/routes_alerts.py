"""Inbox, alert and person. What the visitor may not see does not exist: 404, whatever the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console.doings import NOTE_CHARACTERS_MAX, OUTCOMES
from services.console.pages import SEVERITIES, due_words, query
from services.console.reader import PAGE_ROWS, SCOPES, Filter
from services.console.timeline import picture, stretches
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
_REF = re.compile(r"[0-9a-f]{20}")
_RULE = re.compile(r"[A-Z]{1,2}[0-9]{0,3}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
SCOPE_NAMES = {"all": "All", "mine": "Mine", "team": "My team", "unassigned": "Unassigned"}


@router.get("/")
def inbox(
    known: Known,
    scope: str = "all",
    severity: str = "",
    rule: str = "",
    overdue: str = "",
    closed: str = "",
    page: str = "1",
) -> Response:
    chosen = Filter(
        scope=scope if scope in SCOPES else "all",
        severity=severity if severity in SEVERITIES else "",
        rule=rule if _RULE.fullmatch(rule) else "",
        overdue=overdue == "1",
        closed=closed == "1",
        page=int(page) if page.isdigit() and 0 < int(page) < 10_000 else 1,
    )
    today, reader = known.console.today(), known.console.reader
    listing = reader.inbox(known.user, chosen, today)
    rows = [{**row, "due_words": due_words(row["due_on"], today, known.console.working)} for row in listing.rows]
    parts = {"scope": chosen.scope, "severity": chosen.severity, "rule": chosen.rule}
    flags = {"overdue": chosen.overdue, "closed": chosen.closed}
    pages = max(1, -(-listing.total // PAGE_ROWS))
    return known.page(
        "inbox.html",
        rows=rows,
        total=listing.total,
        newest=listing.newest,
        chosen=chosen,
        scopes=[(name, SCOPE_NAMES[name]) for name in ("all", "mine", "team", "unassigned")],
        rules=reader.rules(known.user),
        pages=pages,
        here="/" + query(**parts, **flags, page=chosen.page if chosen.page > 1 else 0),
        page_path=lambda n: "/" + query(**parts, **flags, page=n),
        scope_path=lambda name: "/" + query(**{**parts, "scope": name}, **flags),
        filtered=bool(chosen.severity or chosen.rule or chosen.overdue or chosen.closed),
    )


@router.get("/alerts/{ref}")
def alert(known: Known, ref: str) -> Response:
    return _alert(known, _row(known, ref))


@router.post("/alerts/{ref}/acknowledge")
def acknowledge(known: Known, ref: str, csrf: str = Form("")) -> Response:
    known.check(csrf)
    row = _theirs(known, ref)
    if _acknowledged(known, row):
        known.say("already")
    else:
        _act(known, row, "acknowledge", "")
    return elsewhere(f"/alerts/{ref}")


@router.post("/alerts/{ref}/outcome")
def outcome(known: Known, ref: str, csrf: str = Form(""), outcome: str = Form("")) -> Response:
    known.check(csrf)
    row = _row(known, ref)
    if not row["open"]:
        raise NotFound
    if outcome not in OUTCOMES:
        return _alert(known, row, 422, outcome_error="Select what came of it")
    _act(known, row, "outcome", outcome)
    return elsewhere(f"/alerts/{ref}")


@router.post("/alerts/{ref}/note")
def note(known: Known, ref: str, csrf: str = Form(""), note: str = Form("")) -> Response:
    known.check(csrf)
    row, text = _theirs(known, ref), _CONTROL.sub("", note.replace("\r\n", "\n")).strip()
    if not text:
        return _alert(known, row, 422, note_error="Enter a note")
    if len(text) > NOTE_CHARACTERS_MAX:
        error = f"Note must be {NOTE_CHARACTERS_MAX:,} characters or fewer"
        return _alert(known, row, 422, note_error=error, note_text=text)
    _act(known, row, "note", text)
    return elsewhere(f"/alerts/{ref}")


@router.get("/alerts/{ref}/person")
def person(known: Known, ref: str) -> Response:
    """What this user's views of one person say together. No person's id stands in a path."""
    row = _row(known, ref)
    rows = known.console.reader.of_person(known.user, row["person_id"])
    known.console.doings.saw(known.user, "person", row["person_id"], ref, known.console.clock())
    today = known.console.today()
    spans = stretches(rows[0]["view"]["timeline"])
    known_lines = {line["label"]: line for each in reversed(rows) for line in each["view"]["lines"]}
    return known.page(
        "person.html",
        row=row,
        identity=[line for line in known_lines.values() if line["category"] in ("identity", "contact")],
        spans=spans,
        picture=picture(spans, today),
        standing=[_with_due(known, r) for r in sorted(rows, key=lambda r: r["due_on"]) if r["open"]],
        closed=[r for r in rows if not r["open"]],
    )


def _row(known: Visitor, ref: str) -> Mapping[str, Any]:
    row = known.console.reader.alert(known.user, ref) if _REF.fullmatch(ref) else None
    if row is None:
        raise NotFound
    return row


def _theirs(known: Visitor, ref: str) -> Mapping[str, Any]:
    """A row that the user may act on: of one that was taken back they do nothing any more."""
    row = _row(known, ref)
    if taken_back(row):
        raise NotFound
    return row


def taken_back(row: Mapping[str, Any]) -> bool:
    """Whether the user may no longer see this alert; one that moved stays to be read as it was."""
    return bool(row["handed_on"]) and row["act"] != "moved"


def _with_due(known: Visitor, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "due_words": due_words(row["due_on"], known.console.today(), known.console.working)}


def _acknowledged(known: Visitor, row: Mapping[str, Any]) -> bool:
    reader = known.console.reader
    acts = {h["act"] for h in reader.history(row["alert_id"])}
    return "acknowledged" in acts or any(a["verb"] == "acknowledge" for a in reader.actions(row["alert_id"]))


def _act(known: Visitor, row: Mapping[str, Any], verb: str, value: str) -> None:
    known.console.doings.act(known.user, row, verb, value, known.console.moment())
    known.say(verb)


def _alert(known: Visitor, row: Mapping[str, Any], status: int = 200, **errors: str) -> Response:
    reader, today = known.console.reader, known.console.today()
    known.console.doings.saw(known.user, "alert", row["person_id"], row["ref"], known.console.clock())
    taken, history = taken_back(row), reader.history(row["alert_id"])
    # What others do and note, and what becomes of the alert, is no longer theirs to read.
    actions = [] if taken else reader.actions(row["alert_id"])
    spans = stretches(row["view"]["timeline"])
    return known.page(
        "alert.html",
        status,
        row=_with_due(known, row),
        view=row["view"],
        spans=spans,
        picture=picture(spans, today),
        history=[h for h in history if h["at"] < row["at"]] if taken else history,
        taken_back=taken,
        actions=actions,
        deliveries=reader.deliveries(row),
        acknowledged=not taken and _acknowledged(known, row),
        outcome_sent=any(a["verb"] == "outcome" for a in actions),
        note_max=NOTE_CHARACTERS_MAX,
        errors={name: text for name, text in errors.items() if name.endswith("_error")},
        note_text=errors.get("note_text", ""),
    )
