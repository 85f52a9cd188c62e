"""My notifications: how a worker wants to be told of what is not urgent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.console import telling
from services.console.acting import Wrong
from services.console.telling import Chosen
from services.console.visit import NotFound, Visitor, elsewhere, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]


@router.get("/notifications")
def notifications(known: Known) -> Response:
    _worker(known)
    held = telling.of(known.console.doings.engine, known.user.worker)
    return _page(known, held)


@router.post("/notifications")
async def choose(known: Known, request: Request) -> Response:
    """What is offered is the council's file, so the names of the fields are read from the form itself."""
    _worker(known)
    form = {name: str(value) for name, value in (await request.form()).items()}
    known.check(form.get("csrf", ""))
    choices = telling.load(known.console.contracts, known.user.worker)
    given = {severity: form.get(severity, "") for severity in choices.ways}
    digest, channel = form.get("digest", ""), form.get("channel", "")
    chosen = telling.choose(given, digest, choices, channel)
    if isinstance(chosen, Wrong):
        return _page(known, Chosen(given, digest, channel), 422, {chosen.field: chosen.text})
    known.console.doings.choose(known.user, chosen, known.console.clock())
    known.say("telling")
    return elsewhere("/notifications")


def _worker(known: Visitor) -> None:
    if not known.user.worker:
        raise NotFound


def _page(known: Visitor, held: Chosen, status: int = 200, errors: Mapping[str, str] | None = None) -> Response:
    choices = telling.load(known.console.contracts, known.user.worker)
    values: dict[str, Any] = {"errors": errors or {}, "choices": choices, "channel": held.channel}
    return known.page("notifications.html", status, how=held.how, digest=held.digest, **values)
