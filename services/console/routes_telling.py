"""My notifications: how a worker wants to be told of what is not urgent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.console import telling
from services.console.acting import Wrong
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]


@router.get("/notifications")
def notifications(known: Known) -> Response:
    _worker(known)
    held = telling.of(known.console.doings.engine, known.user.worker)
    return _page(known, held.how, held.digest)


@router.post("/notifications")
async def choose(known: Known, request: Request) -> Response:
    """What is offered is the council's file, so the names of the fields are read from the form itself."""
    _worker(known)
    form = {name: str(value) for name, value in (await request.form()).items()}
    known.check(form.get("csrf", ""))
    choices = telling.load(known.console.contracts)
    given, digest = {severity: form.get(severity, "") for severity in choices.ways}, form.get("digest", "")
    chosen = telling.choose(given, digest, choices)
    if isinstance(chosen, Wrong):
        return _page(known, given, digest, 422, {chosen.field: chosen.text})
    known.console.doings.choose(known.user, chosen, known.console.clock())
    known.say("telling")
    return elsewhere("/notifications")


def _worker(known: Visitor) -> None:
    if not known.user.worker:
        raise NotFound


def _page(
    known: Visitor, how: Mapping[str, str], digest: str, status: int = 200, errors: Mapping[str, str] | None = None
) -> Response:
    values: dict[str, Any] = {"errors": errors or {}, "choices": telling.load(known.console.contracts)}
    return known.page("notifications.html", status, how=how, digest=digest, **values)
