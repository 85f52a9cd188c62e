"""For who keeps the hub going: how far each service is, deliveries, agreements; for partners their own refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.console import agreements
from services.console.people import GOVERNANCE
from services.console.visit import NotFound, Visitor, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]


@router.get("/operations")
def operations(known: Known) -> Response:
    _watching(known)
    reader = known.console.reader
    return known.page(
        "operations.html",
        journals=reader.journals(),
        deliveries=reader.deliveries_by_state(),
        refusals=reader.refusals(),
    )


@router.get("/agreements")
def in_force(known: Known) -> Response:
    _watching(known)
    today = known.console.today()
    rows = [{"agreement": one, "state": one.state(today)} for one in agreements.load(known.console.contracts)]
    return known.page("agreements.html", rows=rows, states=Counter(row["state"] for row in rows))


@router.get("/sent")
def sent(known: Known) -> Response:
    """What a partner's own events were refused for. Nothing here says what the hub knows of anybody."""
    parties = known.console.people.parties_of(known.user)
    if not parties:
        raise NotFound
    return known.page("sent.html", rows=[_told(row) for row in known.console.reader.refused_of(parties)])


def _watching(known: Visitor) -> None:
    if not (known.user.keeps or GOVERNANCE & set(known.user.roles)):
        raise NotFound


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    faults: Sequence[Mapping[str, str]] = row["faults"]
    return {**row, "words": [f"{f['pointer'].strip('/').replace('/', ', ')}: {f['code']}" for f in faults[:10]]}
