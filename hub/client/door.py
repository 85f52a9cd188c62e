"""The client: events in, answers out. One instance speaks for one party with one key, to one door."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx2

from hub.client.batches import EVENT_BYTES_MAX, Packed, batches, joined, pack
from hub.client.event import Event
from hub.client.faults import (
    NOT_SENT,
    REFUSED,
    TAKEN,
    Answer,
    Fault,
    Misused,
    NotAllowed,
    Receipt,
    Refused,
    Report,
    Terms,
    Unavailable,
    Verdict,
)
from hub.client.schema import EventSchemas
from hub.client.sending import RETRYABLE, Patience, Wire, json_of

Check = Literal["none", "local", "door"]
POLL_SECONDS = 0.5


class Client:
    """Sends events to the hub's HTTP door.

    Promises: an event that is answered ``taken`` is on the hub's log, durably. Sending again is always safe, by this
    instance or another, because the ids are the partner's: nothing is taken twice. Events go in the order given.
    Not promised: that the hub accepts what it took; ask ``receipt`` for that. Not safe to share between threads.
    """

    def __init__(
        self,
        door: str,
        key: str,
        source: str,
        *,
        schemas: EventSchemas | None = None,
        patience: Patience | None = None,
        timeout_seconds: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``source`` is the party the key speaks for. Raises Misused, also for a key over plain HTTP to elsewhere."""
        address = urlsplit(door)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise Misused("the door is an address like https://hub.example")
        if address.scheme == "http" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise Misused("a key and personal data go over https only; http is for 127.0.0.1")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise Misused("the key is empty, or has characters that no key has")
        self.source = source
        self._schemas = schemas
        self._sleep = sleep
        self._wire = Wire(
            door,
            key,
            patience=patience or Patience(),
            timeout_seconds=timeout_seconds,
            transport=transport,
            sleep=sleep,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    def publish(self, events: Iterable[Event | Mapping[str, Any]], *, check: Check = "local") -> Report:
        """Send all events; the answers in order. What is found wrong before sending is ``not_sent``, the rest goes.

        ``check``: ``local`` against the published schema; ``door`` also asks the gate before anything is sent, and
        sends nothing at all if it would refuse something; ``none`` leaves it to the door. Raises NotAllowed, and
        Unavailable with the answers so far.
        """
        if check == "door":
            held = list(events)
            wrong = {verdict.index: verdict for verdict in self.validate(held) if not verdict.valid}
            if wrong:
                return Report(tuple(_withheld(n, self._object(event), wrong.get(n)) for n, event in enumerate(held)))
            events = held
        answers: list[Answer] = []
        try:
            # One by one: what is answered stays here when the door is lost on the way.
            for answer in self.stream(events, check="local" if check == "local" else "none"):
                answers.append(answer)
        except (Unavailable, NotAllowed) as ended:
            raise type(ended)(str(ended), Report(tuple(answers))) from None
        return Report(tuple(answers))

    def stream(
        self, events: Iterable[Event | Mapping[str, Any]], *, check: Literal["none", "local"] = "local"
    ) -> Iterator[Answer]:
        """As ``publish``, an answer at a time, in bounded memory however many events there are.

        What was answered, or found wrong here, is given also where something ends it: then it is raised after that.
        """
        wrong: list[Answer] = []

        def sound() -> Iterator[Packed]:
            for index, event in enumerate(events):
                packed = self._prepared(index, event, check)
                if isinstance(packed, Packed):
                    yield packed
                else:
                    wrong.append(packed)

        try:
            for batch in batches(sound()):
                answers = self._send(batch)
                # Faults found while the batch filled, up to its own last event, keep the order.
                last = batch[-1].index
                due = sorted([*answers, *(a for a in wrong if a.index <= last)], key=_place)
                wrong[:] = [a for a in wrong if a.index > last]
                yield from due
        except (Unavailable, NotAllowed) as ended:
            yield from sorted([*ended.report.answers, *wrong], key=_place)
            raise type(ended)(str(ended)) from None
        except Exception:
            # What gives the events has failed.
            yield from wrong
            raise
        yield from wrong

    def validate(self, events: Iterable[Event | Mapping[str, Any]]) -> list[Verdict]:
        """What the gate would say of each; nothing is kept. Local faults count first: such events do not travel.

        Raises NotAllowed, and Unavailable where the gate can not judge now: that is no fault of an event.
        """
        verdicts: list[Verdict] = []
        sound: list[Packed] = []
        for index, event in enumerate(events):
            packed = self._prepared(index, event, "local")
            if isinstance(packed, Packed):
                sound.append(packed)
            else:
                verdicts.append(Verdict(index, packed.id, False, reason=packed.reason, faults=packed.faults))
        for batch in batches(sound):
            verdicts += self._ask(batch)
        return sorted(verdicts, key=lambda verdict: verdict.index)

    def knock(self) -> None:
        """Whether the door is there and the key may write: an empty list to look at. Raises NotAllowed, Unavailable."""
        if self._wire.ask("POST", "/v1/events:validate", b"[]").status_code != 200:
            raise Unavailable("this address answers as no door does")

    def terms(self) -> dict[str, Terms]:
        """Event type -> what the agreement in force lets this party send today; a type without one is not there."""
        answer = self._wire.ask("GET", "/v1/terms")
        read = json_of(answer)
        if answer.status_code != 200 or not isinstance(read, dict) or not isinstance(read.get("items"), list):
            raise Unavailable(f"status {answer.status_code} for the terms")
        return {str(item["type"]): Terms.of_item(item) for item in read["items"]}

    def extract(self, name: str, shape: str, rows: int, leaver_rows: int, on: date) -> None:
        """Say that a batch came which was sent event by event. ``name`` is yours: the same again has no second effect.

        Raises Refused if the door takes no such batch.
        """
        body = {"id": name, "shape": shape, "rows": rows, "leaver_rows": leaver_rows, "on": on.isoformat()}
        answer = self._wire.ask("POST", "/v1/extracts", json.dumps(body).encode())
        read = json_of(answer)
        if answer.status_code != 202:
            if not isinstance(read, dict) or "reason" not in read:
                raise Unavailable(f"status {answer.status_code} for an extract")
            reason = str(read["reason"])
            raise Refused(Report((Answer(0, name, REFUSED, answer.status_code, "", reason, _told(read)),)))

    def mode(self) -> str:
        """What the key is: ``live``, ``test`` or ``sandbox``. Raises NotAllowed, Unavailable."""
        answer = self._wire.ask("GET", "/v1/me")
        if answer.status_code != 200:
            raise Unavailable(f"status {answer.status_code} where the door should say who one is")
        return str(json_of(answer).get("mode", ""))

    def receipt(self, message_id: str) -> Receipt | None:
        """What became of one of this party's messages; None if no message of it has this id."""
        answer = self._wire.ask("GET", f"/v1/receipts/{quote(message_id, safe='')}")
        read = json_of(answer)
        if answer.status_code == 404 and read.get("reason") == "not_found":
            return None
        if answer.status_code != 200:
            raise Unavailable(f"status {answer.status_code} for a receipt")
        return Receipt(
            id=str(read["id"]),
            state=str(read["state"]),
            receipt=str(read["receipt"]),
            agreement=str(read.get("agreement", "")),
            reason=str(read.get("reason", "")),
            faults=_told(read),
        )

    def wait(self, message_ids: Sequence[str], *, seconds: float = 30.0) -> dict[str, Receipt]:
        """The receipts of these messages, once decided or when the time is over; unknown ids are left out."""
        held: dict[str, Receipt] = {}
        deadline = time.monotonic() + seconds
        while True:
            for message_id in message_ids:
                known = held.get(message_id)
                if known is None or not known.decided:
                    found = self.receipt(message_id)
                    held |= {message_id: found} if found is not None else {}
            if all(m in held and held[m].decided for m in message_ids) or time.monotonic() >= deadline:
                return held
            self._sleep(POLL_SECONDS)

    def _object(self, event: Event | Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(event, Event):
            return event.cloud_event(self.source)
        return dict(event) if isinstance(event, Mapping) else {}

    def _prepared(self, index: int, event: Event | Mapping[str, Any], check: str) -> Packed | Answer:
        written = self._object(event)
        if check == "local":
            self._schemas = self._schemas or EventSchemas.of_file()
            faults = self._schemas.faults(written)
            if not faults and written["source"] != self.source:
                faults = (Fault("/source", "wrong_principal", "The source is not the party that this key speaks for"),)
            if faults:
                return _not_sent(index, written, "invalid", faults)
        try:
            packed = pack(index, written)
        except ValueError:
            return _not_sent(index, written, "malformed", (Fault("", "unreadable", "This can not be written as JSON"),))
        if len(packed.body) > EVENT_BYTES_MAX:
            too_large = Fault("", "too_large", "The message is too large", f"at most {EVENT_BYTES_MAX} bytes")
            return _not_sent(index, written, "too_large", (too_large,))
        return packed

    def _send(self, batch: list[Packed]) -> list[Answer]:
        """The answers of one batch. One that the door finds too long is halved; events that it could not take just
        now (no policy in force) are sent again."""
        answer = self._wire.ask("POST", "/v1/events", joined(batch))
        if answer.status_code == 413 and len(batch) > 1:
            half = len(batch) // 2
            first = self._send(batch[:half])
            try:
                return first + self._send(batch[half:])
            except (Unavailable, NotAllowed) as ended:
                raise type(ended)(str(ended), Report((*first, *ended.report.answers))) from None
        answers = [_answer(packed, item) for packed, item in zip(batch, _items(answer, batch), strict=True)]
        waiting = {a.index for a in answers if a.status in RETRYABLE}
        if not waiting:
            return answers
        settled = tuple(a for a in answers if a.index not in waiting)
        return sorted([*settled, *self._again([p for p in batch if p.index in waiting], settled)], key=_place)

    def _ask(self, batch: list[Packed], *, once_more: bool = True) -> list[Verdict]:
        """The verdicts on one batch, as ``_send`` has its answers."""
        answer = self._wire.ask("POST", "/v1/events:validate", joined(batch))
        if answer.status_code == 413 and len(batch) > 1:
            half = len(batch) // 2
            return self._ask(batch[:half]) + self._ask(batch[half:])
        items = _items(answer, batch)
        if any(item.get("status") in RETRYABLE for item in items):
            if not once_more:
                raise Unavailable("the hub can not judge events now; ask the same again later")
            self._sleep(POLL_SECONDS)
            return self._ask(batch, once_more=False)
        return [_verdict(packed, item) for packed, item in zip(batch, items, strict=True)]

    def _again(self, waiting: list[Packed], settled: tuple[Answer, ...]) -> list[Answer]:
        """Event by event trouble of the hub itself: once more after a while, then it is the caller's."""
        self._sleep(POLL_SECONDS)
        try:
            answer = self._wire.ask("POST", "/v1/events", joined(waiting))
        except (Unavailable, NotAllowed) as ended:
            raise type(ended)(str(ended), Report(settled)) from None
        answers = [_answer(packed, item) for packed, item in zip(waiting, _items(answer, waiting), strict=True)]
        if any(a.status in RETRYABLE for a in answers):
            done = (*settled, *(a for a in answers if a.status not in RETRYABLE))
            raise Unavailable("the hub can not judge events now; send the same again later", Report(done))
        return answers


def _place(answer: Answer) -> int:
    return answer.index


def _items(answer: httpx2.Response, batch: Sequence[Packed]) -> list[Mapping[str, Any]]:
    """An item for each event of a batch. A problem that speaks of the whole request is each event's own."""
    read = json_of(answer)
    if isinstance(read, dict) and isinstance(read.get("items"), list) and len(read["items"]) == len(batch):
        return [item if isinstance(item, dict) else {} for item in read["items"]]
    if isinstance(read, dict) and answer.status_code >= 400 and "reason" in read:
        return [read] * len(batch)
    raise Unavailable(f"status {answer.status_code} with an answer that no door gives")


def _told(item: Mapping[str, Any]) -> tuple[Fault, ...]:
    return tuple(Fault.of_problem(entry) for entry in item.get("errors", ()))


def _answer(packed: Packed, item: Mapping[str, Any]) -> Answer:
    status = int(item.get("status", 0))
    outcome = TAKEN if 200 <= status < 300 else REFUSED
    receipt, reason = str(item.get("receipt", "")), str(item.get("reason", ""))
    faults = _told(item)
    return Answer(packed.index, _safe_id(packed.id, faults), outcome, status, receipt, reason, faults)


def _verdict(packed: Packed, item: Mapping[str, Any]) -> Verdict:
    faults = _told(item)
    return Verdict(
        packed.index,
        _safe_id(packed.id, faults),
        bool(item.get("valid", False)),
        agreement=str(item.get("agreement", "")),
        dropped=tuple(item.get("dropped", ())),
        reason=str(item.get("reason", "")),
        faults=faults,
    )


def _safe_id(event_id: str, faults: Iterable[Fault]) -> str:
    """The id, unless it is at fault or nobody could look at it: it may be a name or a number of the person then."""
    return "" if any(fault.pointer == "/id" or fault.code == "unreadable" for fault in faults) else event_id


def _not_sent(index: int, event: Mapping[str, Any], reason: str, faults: tuple[Fault, ...]) -> Answer:
    return Answer(index, _safe_id(str(event.get("id", "")), faults), NOT_SENT, reason=reason, faults=faults)


def _withheld(index: int, event: Mapping[str, Any], verdict: Verdict | None) -> Answer:
    """Nothing is sent: this event is wrong, or another one of the same call is."""
    if verdict is None:
        return _not_sent(index, event, "others_refused", ())
    return _not_sent(index, event, verdict.reason, verdict.faults)
