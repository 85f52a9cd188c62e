"""Match reviews for data stewards: two records side by side, and what the steward decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from services.console import steward
from services.console.people import STEWARD
from services.console.project import COMPARED
from services.console.steward import GROUNDS, UNSURE, NotTaken
from services.console.visit import NotFound, Visitor, elsewhere, visitor
from spine.clock import local_date

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
NOT_TAKEN = {
    "away": "The hub did not answer. Nothing was decided. Try again in a few minutes.",
    "not_set_up": "Deciding reviews is not set up on this console. Ask whoever runs the hub.",
    "429": "The hub is busy. Nothing was decided. Try again in a minute.",
}


@router.get("/reviews")
def reviews(known: Known, closed: str = "") -> Response:
    if STEWARD not in known.user.roles:
        raise known.refused("/reviews")
    rows, today = known.console.reader.reviews(known.user, closed=closed == "1"), known.console.today()
    rows = [{**row, "days": (today - local_date(row["opened_at"])).days} for row in rows]
    return known.page("reviews.html", rows=rows, closed=closed, backlog=known.console.reader.backlog(known.user))


@router.get("/reviews/quality")
def quality(known: Known) -> Response:
    """How the reviews of a reason were decided, and how often a decision was undone."""
    if STEWARD not in known.user.roles:
        raise known.refused("/reviews")
    return known.page("quality.html", rows=known.console.reader.review_quality())


@router.get("/reviews/{review_id}")
def review(known: Known, review_id: str) -> Response:
    return _page(known, _review(known, review_id))


@router.post("/reviews/{review_id}")
def decide(
    known: Known,
    review_id: str,
    csrf: str = Form(""),
    choice: str = Form(""),
    grounds: Annotated[list[str] | None, Form()] = None,
) -> Response:
    known.check(csrf)
    row, console = _review(known, review_id), known.console
    sent = [one["choice"] for one in console.reader.decisions_sent(review_id)]
    chosen = [g for g in grounds or () if g in GROUNDS]
    errors = _errors(_options(row, sent), choice, chosen)
    if errors:
        return _page(known, row, 422, errors=errors, choice=choice, chosen=chosen)
    if choice == UNSURE:
        steward.remember(console.doings.engine, review_id, known.user, choice, console.clock())
        known.say("unsure")
        return elsewhere("/reviews")
    turn = steward.turns(sent, choice)
    made = steward.events(row, choice, chosen, console.today(), known.user, turn)
    if made is None:
        text = "A record has no reference of its own, so this cannot be decided here. Ask the sender to correct it."
        return _page(known, row, 422, errors={"choice": text}, choice=choice, chosen=chosen)
    answer = console.door.send(made, console.moment())
    if isinstance(answer, NotTaken):
        text = NOT_TAKEN.get(answer.reason, "The hub did not take the decision. Nothing was decided.")
        return _page(known, row, 503, errors={"choice": text}, choice=choice, chosen=chosen)
    steward.remember(console.doings.engine, review_id, known.user, choice, console.clock())
    known.say("undone" if row["state"] != "open" else "decided")
    return elsewhere(f"/reviews/{review_id}")


@router.get("/refusals")
def refusals(known: Known) -> Response:
    if not known.user.keeps:
        raise known.refused("/refusals")
    return known.page("refusals.html", rows=known.console.reader.refusals())


def _options(row: Mapping[str, Any], sent: Sequence[str]) -> list[str]:
    """What a steward may say now. A decided review offers what undoes the decision that was made here."""
    links = [f"link:{n}" for n in range(len(row["candidates"]))]
    if row["state"] == "open":
        return [*links, "apart", UNSURE]
    decided = steward.standing(sent)
    if decided.startswith("link:"):
        return [f"undo:{decided}"]
    return links if decided == "apart" or (sent and not decided) else []


def _errors(options: Sequence[str], choice: str, grounds: Sequence[str]) -> dict[str, str]:
    if not options:
        raise NotFound
    if choice not in options:
        return {"choice": "Select whether this is the same person"}
    if choice.startswith("link:") and not grounds:
        return {"grounds": "Select how you know that they are the same person"}
    return {}


def _review(known: Visitor, review_id: str) -> Mapping[str, Any]:
    if STEWARD not in known.user.roles:
        raise known.refused("/reviews")
    row = known.console.reader.review(known.user, review_id) if review_id.isprintable() else None
    if row is None:
        raise NotFound
    return row


def _page(known: Visitor, row: Mapping[str, Any], status: int = 200, **values: Any) -> Response:
    clock = known.console.clock()
    for person_id in sorted({c["person_id"] for c in row["candidates"]}):
        known.console.doings.saw(known.user, "review", person_id, row["review_id"], clock)
    held = row["subject"]
    fields = [f for f in COMPARED if held.get(f) or any(c["subject"].get(f) for c in row["candidates"])]
    sent = known.console.reader.decisions_sent(row["review_id"])
    shared: dict[str, Any] = {"errors": {}, "choice": "", "chosen": []}
    shared["options"] = _options(row, [one["choice"] for one in sent])
    return known.page("review.html", status, **(shared | values), row=row, fields=fields, sent=sent)
