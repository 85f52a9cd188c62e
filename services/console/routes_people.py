"""One young person, as far as the visitor may see. No person's id stands in a path."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.console.routes_alerts import row_of, with_due
from services.console.timeline import picture, stretches
from services.console.visit import Visitor, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]


@router.get("/alerts/{ref}/person")
def person(known: Known, ref: str) -> Response:
    """What this user's views of one person say together. No person's id stands in a path."""
    row = row_of(known, ref)
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
        standing=[with_due(known, r) for r in sorted(rows, key=lambda r: r["due_on"]) if r["open"]],
        closed=[r for r in rows if not r["open"]],
    )
