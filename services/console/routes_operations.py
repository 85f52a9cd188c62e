"""For who keeps the hub going: how far each service is, deliveries, agreements."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from ruamel.yaml import YAML
from starlette.responses import FileResponse, Response

from services.console import agreements
from services.console.people import GOVERNANCE
from services.console.visit import NotFound, Visitor, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]


@router.get("/operations")
def operations(known: Known) -> Response:
    _watching(known)
    reader = known.console.reader
    orders, head, proofs = reader.registers()
    return known.page(
        "operations.html",
        orders=orders,
        head=head,
        proofs=proofs,
        policy_version=_policy_version(known.console.contracts),
        journals=reader.journals(),
        deliveries=reader.deliveries_by_state(),
        refusals=reader.refusals(),
        redrives=known.console.redrives.last(known.console.moment()),
        reports=known.console.reports.latest(),
        under_way=known.console.reports.under_way(),
        # Signs of life are by the machine's clock, in a demonstration too.
        now=known.console.clock(),
    )


@router.get("/operations/reports/{name}")
def report(known: Known, name: str) -> Response:
    """It tells ids of facts and what differs: for those who watch over the hub, not for all who see its name."""
    if not GOVERNANCE & set(known.user.roles):
        raise known.refused("/operations/reports")
    path = known.console.reports.find(name)
    if path is None:
        raise NotFound
    known.console.doings.saw(known.user, "report", "", name, known.console.clock())
    return FileResponse(path, media_type="application/octet-stream", filename=name)


@router.get("/agreements")
def in_force(known: Known) -> Response:
    _watching(known)
    today = known.console.today()
    rows = [{"agreement": one, "state": one.state(today)} for one in agreements.load(known.console.contracts)]
    return known.page("agreements.html", rows=rows, states=Counter(row["state"] for row in rows))


@lru_cache(maxsize=4)
def _policy_version(contracts: Path) -> str:
    return str(YAML(typ="safe", pure=False).load(contracts / "policy" / "policy.yaml")["policy_version"])


def _watching(known: Visitor) -> None:
    if not (known.user.keeps or GOVERNANCE & set(known.user.roles)):
        raise known.refused(known.request.url.path)
