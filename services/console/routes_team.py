"""A team's caseload, and cover: everything that one worker holds goes to a colleague."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
COVER_MAX = 500


@router.get("/team")
def team(known: Known) -> Response:
    return _page(known)


@router.post("/team/cover")
def cover(known: Known, csrf: str = Form(""), absent: str = Form(""), worker: str = Form("")) -> Response:
    """Each alert goes on only where the colleague has the role and team as which it was sent."""
    known.check(csrf)
    people, user = known.console.people, known.user
    held = known.console.reader.held_by(user, absent) if absent else []
    rows = [row for row in held if worker in people.colleagues(row["role"], row["team"])][:COVER_MAX]
    errors = {}
    if not held:
        errors["absent"] = "Select somebody who holds alerts"
    elif worker == absent or not rows:
        errors["worker"] = "Select a colleague of the same role and team"
    if errors:
        return _page(known, 422, errors=errors, given={"absent": absent, "worker": worker})
    known.console.doings.act_all(user, rows, "assign", worker, known.console.moment())
    known.say("covered")
    return elsewhere("/team")


def _page(known: Visitor, status: int = 200, **more: Any) -> Response:
    if not known.user.worker:
        raise NotFound
    rows = known.console.reader.caseload(known.user, known.console.today())
    shared: dict[str, Any] = {"errors": {}, "given": {}}
    choice = {"rows": rows, "holders": _holders(rows), "colleagues": _colleagues(known)}
    return known.page("team.html", status, **(shared | choice | more))


def _holders(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["worker"] for row in rows if row["worker"]))


def _colleagues(known: Visitor) -> list[str]:
    people, user = known.console.people, known.user
    found = {who for role in user.roles for team in user.teams for who in people.colleagues(role, team)}
    return sorted(found, key=lambda who: (people.worker(who), who))
