"""For people of partners: what their organisation sent, whether its feed is on time, its agreements and its keys.

Nothing here says what the hub knows of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.console import agreements, feeds
from services.console.agreements import Agreement
from services.console.partners import LATEST_MAX
from services.console.visit import NotFound, Visitor, visitor
from spine.clock import local_date

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
FAULTS_MAX = 10
#: Accepted events that are shown before one asks for all that are kept.
LATEST_FEW = 20
IN_FORCE = ("in_force", "ends_soon", "review_due")


@router.get("/sent")
def sent(known: Known, latest: str = "") -> Response:
    parties = sorted(known.console.people.parties_of(known.user))
    if not parties:
        raise NotFound
    found, today = known.console.reader.sent, known.console.today()
    speakers = known.console.speakers.read()
    return known.page(
        "sent.html",
        parties=[_party(known, party, today) for party in parties],
        several=len(parties) > 1,
        days=found.days(parties, today),
        latest=found.latest(parties, today, LATEST_MAX if latest == "all" else LATEST_FEW),
        latest_all=latest == "all",
        refused=[_told(row) for row in found.refused(parties)],
        speakers=None if speakers is None else [(s, s.state(today)) for s in speakers if s.party in parties],
    )


def _party(known: Visitor, party: str, today: date) -> dict[str, Any]:
    found = known.console.reader.sent
    theirs = [one for one in agreements.load(known.console.contracts) if party in one.providers]
    extracts, heard = found.extracts(party), found.heard([party]).get(party)
    last = extracts[0]["on"] if extracts else None if heard is None else local_date(heard)
    current = [one for one in theirs if one.state(today) in IN_FORCE]
    agreed = feeds.rhythm(feeds.load(known.console.contracts).get(party), [one.frequency for one in current])
    pauses = [(row["on"], row["until"]) for row in found.pauses(party)]
    counts = found.counts([party], today)
    return {
        "id": party,
        "heard": heard,
        "extracts": extracts,
        "feed": feeds.judge(last, agreed, pauses, today, known.console.working),
        "frequencies": list(dict.fromkeys(one.frequency for one in current)),
        "agreements": [(one, one.state(today), _volumes(one, counts)) for one in theirs],
    }


def _volumes(one: Agreement, counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Kinds of event that came lately (how many, on which day last), the most first; and those that are not used."""
    found: list[tuple[str, int, date]] = []
    for kind in one.kinds:
        rows = [row for row in counts if row["type"] == kind]
        if rows:
            found.append((kind, sum(row["count"] for row in rows), max(row["on"] for row in rows)))
    unused = sorted(set(one.kinds) - {kind for kind, _, _ in found})
    return {"sent": sorted(found, key=lambda row: (-row[1], row[0])), "unused": unused}


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    faults: Sequence[Mapping[str, str]] = row["faults"]
    words = [f"{f['pointer'].strip('/').replace('/', ', ')}: {f['code']}" for f in faults[:FAULTS_MAX]]
    return {**row, "words": words, "waiting": _waiting(row)}


def _waiting(row: Mapping[str, Any]) -> str:
    """``mended``: accepted since. ``judged_again``: refused again since. ``tried``: the gate's answer is to come.
    ``kept``: the original waits for another try. Else ``gone``."""
    held = ("mended", "judged_again", "tried")
    return next((word for word in held if row[word]), "kept" if row["kept"] else "gone")
