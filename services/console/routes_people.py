"""One young person, as far as the visitor may see, as known at a moment; and opening what another team holds, with a
reason that information governance reads. No person's id stands in a path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console import then
from services.console.acting import text_of
from services.console.people import GOVERNANCE
from services.console.routes_alerts import GLASS_OPEN, about_a_feed, not_theirs, row_of, with_due
from services.console.timeline import picture, stretches
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
GLASS_REASON_CHARACTERS = (10, 500)
GLASS_A_DAY_MAX = 10
_REF = re.compile(r"(?:.*/alerts/)?([0-9a-f]{20})(?:/person)?")


@router.get("/alerts/{ref}/person")
def person(known: Known, ref: str, on: str = "", at: str = "") -> Response:
    """What this user's views of one person say together: on a day, as known at the end of a day."""
    row = row_of(known, ref)
    if about_a_feed(row):
        raise NotFound
    clock, today = known.console.clock(), known.console.today()
    known.console.doings.saw(known.user, "person", row["person_id"], ref, clock)
    day, knowing, errors = _days(on, at, today)
    rows = _views(known, row, knowing if knowing != today else None)
    spans = stretches(next((r["view"]["timeline"] for r in rows if r["view"]["timeline"]), []))
    lines = {line["label"]: line for each in reversed(rows) for line in each["view"]["lines"]}
    raised = [(r["raised_on"], f"alert raised {r['raised_on']}: {r['view']['headline']}") for r in rows]
    return known.page(
        "person.html",
        422 if errors else 200,
        row=row,
        errors=errors,
        given={"on": on, "at": at},
        day=day,
        knowing=knowing if knowing != today else None,
        current=then.on_day(spans, day),
        identity=[line for line in lines.values() if line["category"] in ("identity", "contact")],
        facts=[line for line in lines.values() if line["category"] not in ("identity", "contact")],
        told=then.told([r["view"] for r in rows]),
        spans=spans,
        picture=picture(spans, today, raised, day),
        standing=[with_due(known, r) for r in sorted(rows, key=lambda r: r["due_on"]) if r["open"]],
        closed=[r for r in rows if not r["open"]],
    )


def _days(on: str, at: str, today: date) -> tuple[date, date, dict[str, str]]:
    """Day asked about and day of knowing; one that is none, or of knowing that is ahead, is said."""
    errors = {}
    day, knowing = then.day_of(on) if on else today, then.day_of(at) if at else today
    if day is None:
        errors["on"] = "Enter the day that you ask about"
    if knowing is None or knowing > today:
        errors["at"] = "Enter a day of knowing, not after today"
        knowing = today
    return day or today, knowing, errors


def _views(known: Visitor, row: Mapping[str, Any], knowing: date | None) -> Sequence[Mapping[str, Any]]:
    """The user's rows of a person with the view of the moment; who broke the glass has one row, as it stands."""
    reader, user = known.console.reader, known.user
    if row.get("glass"):
        return [row]
    if knowing is None:
        return reader.of_person(user, row["person_id"])
    earlier = reader.shown_by(user, row["person_id"], then.end_of(knowing))
    return [{**one, "view": then.by_todays_rules(one["then"], one["view"])} for one in earlier]


@router.get("/emergency")
def emergency(known: Known) -> Response:
    return _asking(known)


@router.post("/emergency")
def break_glass(known: Known, csrf: str = Form(""), alert: str = Form(""), reason: str = Form("")) -> Response:
    """Opens an alert that a colleague of the same role in another team holds, to be read for an hour."""
    known.check(csrf)
    if not known.user.worker:
        raise NotFound
    console, said, named = known.console, text_of(reason), _REF.fullmatch(alert.strip())
    errors = {} if named else {"alert": "Enter the address of the alert"}
    least, most = GLASS_REASON_CHARACTERS
    if not least <= len(said) <= most:
        errors["reason"] = f"Say why in {least} to {most} characters"
    clock = console.clock()
    if not errors and console.reader.glass_count(known.user, clock - timedelta(days=1)) >= GLASS_A_DAY_MAX:
        errors["alert"] = "You opened too many in a day. Ring the duty manager"
    if errors or named is None:
        return _asking(known, 422, errors=errors, given={"alert": alert, "reason": reason})
    ref = named.group(1)
    found = console.reader.alert(known.user, ref) or console.reader.opened_by_role(known.user, ref)
    console.doings.broke_glass(known.user, ref, said, found is not None, clock)
    if found is None:
        raise not_theirs(known, ref, "emergency")
    return elsewhere(f"/alerts/{ref}")


def _asking(known: Visitor, status: int = 200, **more: Any) -> Response:
    if not known.user.worker:
        raise NotFound
    shared: dict[str, Any] = {"errors": {}, "given": {}}
    return known.page("emergency.html", status, **(shared | more), minutes=int(GLASS_OPEN.total_seconds() / 60))


@router.get("/oversight")
def oversight(known: Known, user: str = "", like: str = "") -> Response:
    """Who looked at whom, and who opened what in an emergency: for information governance and audit."""
    if not GOVERNANCE & set(known.user.roles):
        raise known.refused("/oversight")
    reader, number = known.console.reader, int(like) if like.isdigit() and len(like) < 19 else 0
    rows = reader.seen(user if user in known.console.people.users else "", number)
    return known.page("oversight.html", rows=rows, glass=reader.emergencies(), user_id=user, like=number)
