"""A data steward's decision as an event at the ingest door, like any partner's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import httpx2
import sqlalchemy as sa

from services.console.doings import begun
from services.console.people import User
from services.console.tables import DECISION_SENT
from spine.telemetry import log

PARTY = "northshire-data-steward"
GROUNDS = ("worker", "identifier", "document", "young_person", "provider")
SECONDS_MAX = 20
TAKEN = (200, 202)


@dataclass(frozen=True, slots=True)
class Taken:
    """The door took every event of the decision."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """``reason``: away, not_set_up, or the status that the door gave. The form stays as it was filled in."""

    reason: str


#: Nothing is decided and nothing is sent: somebody else should look.
UNSURE = "unsure"


def standing(sent: Sequence[str]) -> str:
    """The decision that stands after ``sent``: ``link:<n>``, ``apart``, or empty: it was undone, or none was made."""
    last = next((choice for choice in reversed(sent) if choice != UNSURE), "")
    return "" if last.startswith("undo:") else last


def turns(sent: Sequence[str], choice: str) -> int:
    """How often stewards changed their mind before ``choice``. Said twice in a row, a choice is one."""
    said = [one for one in sent if one != UNSURE]
    while said and said[-1] == choice:
        said.pop()
    return sum(one != before for one, before in zip(said, ["", *said], strict=False))


def events(
    review: Mapping[str, Any], choice: str, grounds: Sequence[str], on: date, user: User, turn: int = 0
) -> list[dict[str, Any]] | None:
    """CloudEvents for ``link:<n>``, ``undo:link:<n>`` or ``apart`` (from all); None if a record cannot be named.

    Ids follow from review, choice, day and ``turn``: sending a decision twice says it once, and a decision that comes
    again after it was undone is another.
    """
    candidates = review["candidates"]
    chosen: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]
    if choice == "apart":
        chosen = [("identity.separated", candidate, {}) for candidate in candidates]
    elif choice.startswith("undo:link:"):
        number = choice.removeprefix("undo:link:")
        if not number.isdigit() or int(number) >= len(candidates):
            return None
        chosen = [("identity.separated", candidates[int(number)], {})]
    else:
        number = choice.removeprefix("link:")
        if not number.isdigit() or int(number) >= len(candidates):
            return None
        chosen = [("identity.linked", candidates[int(number)], {"confirmed_by": list(grounds)})]
    said = (on.isoformat(), user.key, *([str(turn)] if turn else []))
    made = [_event(review, kind, candidate, more, on, said) for kind, candidate, more in chosen]
    return None if not made or None in made else [event for event in made if event is not None]


def _event(
    review: Mapping[str, Any],
    kind: str,
    candidate: Mapping[str, Any],
    more: Mapping[str, Any],
    on: date,
    said: Sequence[str],
) -> dict[str, Any] | None:
    data: dict[str, Any] = {"record_source": review["source"], "person_source": candidate["source"]}
    data |= {"person_ref": candidate["source_ref"], **more}
    if review["source_ref"]:
        data["record_ref"] = review["source_ref"]
    elif review["message_id"] and kind == "identity.linked":
        data["held_event_id"] = review["message_id"]
    else:
        return None
    if not data["person_source"] or not data["person_ref"]:
        return None
    seed = "\x1f".join((review["review_id"], kind, candidate["person_id"], *said))
    return {
        "specversion": "1.0",
        "id": f"review-{hashlib.sha256(seed.encode()).hexdigest()[:24]}",
        "source": PARTY,
        "type": kind,
        "data": {"effective_on": on.isoformat(), "subject": {}, "data": data},
    }


@dataclass(frozen=True, slots=True)
class Door:
    """The ingest API as the steward sees it. Empty ``url`` or ``key``: decisions cannot be taken here."""

    url: str
    key: str
    simulated: bool = False
    transport: httpx2.BaseTransport | None = None

    def send(self, made: Sequence[Mapping[str, Any]], at: datetime) -> Taken | NotTaken:
        if not self._set_up:
            return NotTaken("not_set_up")
        # One trace for the whole decision: it begins with the click, and the door goes on with it.
        trace = {name: value.decode() for name, value in begun()}
        for event in made:
            answer = self._post("/v1/events", event, at, trace)
            if isinstance(answer, NotTaken):
                return answer
            if answer.status_code not in TAKEN:
                log().warning("steward_refused", status=answer.status_code, reason="status")
                return NotTaken(str(answer.status_code))
        return Taken()

    def redrive(self, asked: Mapping[str, Any], at: datetime) -> Mapping[str, Any] | NotTaken:
        """What the door says of refusals that wait (its ``/v1/refusals:redrive``); its own word for why not."""
        answer = self._post("/v1/refusals:redrive", asked, at) if self._set_up else NotTaken("not_set_up")
        if isinstance(answer, NotTaken):
            return answer
        if answer.status_code in TAKEN:
            told: Mapping[str, Any] = answer.json()
            return told
        reason = str(answer.json().get("reason", "")) if "json" in answer.headers.get("content-type", "") else ""
        log().warning("steward_refused", status=answer.status_code, reason="status")
        return NotTaken(reason or str(answer.status_code))

    @property
    def _set_up(self) -> bool:
        return bool(self.url and self.key)

    def _post(
        self, path: str, body: Mapping[str, Any], at: datetime, beside: Mapping[str, str] = MappingProxyType({})
    ) -> httpx2.Response | NotTaken:
        headers = {"authorization": f"Bearer {self.key}", **beside}
        if self.simulated:
            headers["Hub-Simulated-Time"] = at.isoformat()
        try:
            with httpx2.Client(transport=self.transport, timeout=SECONDS_MAX, trust_env=False) as client:
                return client.post(f"{self.url}{path}", json=body, headers=headers)
        except httpx2.HTTPError as error:
            log().warning("steward_refused", status=0, reason=type(error).__name__)
            return NotTaken("away")


def remember(engine: sa.Engine, review_id: str, user: User, choice: str, at: datetime) -> None:
    with engine.begin() as connection:
        row = {"review_id": review_id, "user_id": user.id, "choice": choice, "at": at}
        connection.execute(sa.insert(DECISION_SENT).values(row))
