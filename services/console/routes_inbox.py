"""The inbox, and what is done with many alerts at once. Every choice stands in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console import acting
from services.console.acting import Wrong
from services.console.inbox import DUES, PAGE_ROWS, SCOPES, STATES, Filter, Row, place_of
from services.console.pages import SEVERITIES, due_words, query
from services.console.visit import Visitor, elsewhere, local, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
SCOPE_NAMES = {"all": "All", "mine": "Mine", "team": "My team", "unassigned": "Unassigned"}
TITLE_CHARACTERS_MAX = 200


def filter_of(
    scope: str = "all",
    severity: str = "",
    about: str = "",
    due: str = "",
    state: str = "open",
    after: str = "",
    before: str = "",
) -> Filter:
    """What the URL asks for; nonsense in it asks for nothing."""
    return Filter(
        scope=scope if scope in SCOPES else "all",
        severity=severity if severity in SEVERITIES else "",
        about=about if about.isprintable() and len(about) <= TITLE_CHARACTERS_MAX else "",
        due=due if due in DUES else "",
        state=state if state in STATES else "open",
        after=after,
        before=before,
    )


@router.get("/")
def inbox(known: Known, chosen: Annotated[Filter, Depends(filter_of)], page: str = "1") -> Response:
    today, reader = known.console.today(), known.console.reader
    listing = reader.inbox(known.user, chosen, today)
    number = int(page) if page.isdigit() and 0 < int(page) < 100_000 else 1
    parts = {"scope": chosen.scope if chosen.scope != "all" else "", "severity": chosen.severity, "about": chosen.about}
    parts |= {"due": chosen.due, "state": chosen.state if chosen.state != "open" else ""}
    beside = {"after": chosen.after, "before": chosen.before}
    rows = listing.rows
    known.console.doings.listed(known.user, [row["person_id"] for row in rows], known.console.clock())
    return known.page(
        "inbox.html",
        rows=[{**row, "due_words": due_words(row["due_on"], today, known.console.working)} for row in rows],
        total=listing.total,
        newest=listing.newest,
        chosen=chosen,
        scopes=[(name, SCOPE_NAMES[name]) for name in ("all", "mine", "team", "unassigned")],
        titles=reader.titles(known.user),
        number=number,
        pages=max(1, -(-listing.total // PAGE_ROWS)),
        here="/" + query(**parts, **beside, page=number if number > 1 else 0),
        following="/" + query(**parts, after=place_of(rows[-1], chosen.closed), page=number + 1)
        if listing.after
        else "",
        previous=_previous(parts, rows, chosen, number) if listing.before else "",
        scope_path=lambda name: "/" + query(**{**parts, "scope": name if name != "all" else ""}),
        filtered=bool(chosen.severity or chosen.about or chosen.due or chosen.state != "open"),
    )


def _previous(parts: dict[str, str], rows: Sequence[Row], chosen: Filter, number: int) -> str:
    if number <= 2:
        return "/" + query(**parts)
    return _beside(parts, "before", rows[0], chosen, number - 1)


def _beside(parts: dict[str, str], side: str, row: Row, chosen: Filter, number: int) -> str:
    return "/" + query(**parts, **{side: place_of(row, chosen.closed)}, page=number)


@router.post("/bulk")
def bulk(
    known: Known,
    csrf: str = Form(""),
    verb: str = Form(""),
    back: str = Form("/"),
    refs: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Acknowledge at once; the other acts first ask what they need."""
    known.check(csrf)
    rows = _chosen(known, refs or [])
    if not rows:
        known.say("none_chosen")
        return elsewhere(local(back))
    if verb not in ("put_off", "hand_over"):
        return _done(known, [row for row in rows if not row["acknowledged"]], "acknowledge", "", local(back))
    return _asking(known, rows, verb, local(back))


@router.post("/bulk/put-off")
def bulk_put_off(
    known: Known,
    csrf: str = Form(""),
    back: str = Form("/"),
    until: str = Form(""),
    reason: str = Form(""),
    refs: Annotated[list[str] | None, Form()] = None,
) -> Response:
    known.check(csrf)
    rows, today = _chosen(known, refs or []), known.console.today()
    value = acting.put_off({row["severity"] for row in rows}, until, reason, today, known.console.limits)
    if isinstance(value, Wrong):
        given = {"until": until, "reason": reason}
        return _asking(known, rows, "put_off", local(back), 422, errors={value.field: value.text}, given=given)
    return _done(known, rows, "snooze", value, local(back))


@router.post("/bulk/hand-over")
def bulk_hand_over(
    known: Known,
    csrf: str = Form(""),
    back: str = Form("/"),
    worker: str = Form(""),
    refs: Annotated[list[str] | None, Form()] = None,
) -> Response:
    known.check(csrf)
    rows = _chosen(known, refs or [])
    value = acting.hand_over(rows, worker, takers(known, rows))
    if isinstance(value, Wrong):
        return _asking(known, rows, "hand_over", local(back), 422, errors={value.field: value.text})
    return _done(known, [row for row in rows if row["worker"] != value], "assign", value, local(back))


def takers(known: Visitor, rows: Sequence[Row]) -> list[str]:
    """Workers who may hold every one of the alerts."""
    found = [known.console.people.colleagues(row["role"], row["team"]) for row in rows]
    return [who for who in found[0] if all(who in others for others in found)] if found else []


def _chosen(known: Visitor, refs: Sequence[str]) -> list[Row]:
    """Open alerts among those named that the user may act on; of others nothing is said."""
    return list(known.console.reader.open_ones(known.user, refs[:PAGE_ROWS]))


def _done(known: Visitor, rows: Sequence[Row], verb: str, value: str, back: str) -> Response:
    known.console.doings.act_all(known.user, rows, verb, value, known.console.moment())
    known.say(f"{verb}_all" if rows else "already")
    return elsewhere(back)


def _asking(known: Visitor, rows: Sequence[Row], verb: str, back: str, status: int = 200, **more: Any) -> Response:
    shared: dict[str, Any] = {"errors": {}, "given": {}}
    values = {"verb": verb, "rows": rows, "back": back, "takers": takers(known, rows)}
    return known.page("bulk.html", status, **(shared | values | more))
