"""For who keeps the hub going: how far each service is, deliveries, agreements."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

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


def _watching(known: Visitor) -> None:
    if not (known.user.keeps or GOVERNANCE & set(known.user.roles)):
        raise NotFound
