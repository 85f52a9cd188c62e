"""The HTTP door: CloudEvents JSON in, receipts and problems out. Everything is bounded before it is parsed.

Who speaks is found out in ``who``; what is done with events at the desk. Here is only the HTTP between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from services.ingest.channels.answers import PROBLEM, Problem
from services.ingest.channels.appender import Busy
from services.ingest.channels.desk import Desk
from services.ingest.channels.openapi import (
    EVENTS,
    EXTRACT,
    ME,
    RECEIPT,
    REDRIVES,
    REFUSALS,
    TERMS,
    VALIDATE,
    WEBHOOKS,
    described,
)
from services.ingest.channels.redriving import Redriving
from services.ingest.door import PAYLOAD_BYTES_MAX
from services.ingest.fields import Bad, read_moment
from services.ingest.parse import ID
from spine.carried import TRACE
from spine.errors import Retry
from spine.ledger.watch import NoCheckpoint
from spine.telemetry import log, where
from spine.who.hearing import Hearing
from spine.who.principal import READ, REDRIVE, WRITE, Nobody, Principal, Scope
from spine.who.rate import Rate
from spine.who.refused import forbidden, refused, replayed
from spine.who.webhooks import Signed

BATCH_EVENTS_MAX = 500
RETRY_SECONDS = 5
LEDGER_RETRY_SECONDS = 60
REFUSALS_SHOWN_MAX = 200
SIMULATED = "Hub-Simulated-Time"
#: Says on every answer to somebody known whether what they signed in with is live, test or sandbox.
MODE = "Hub-Mode"


@dataclass(frozen=True, slots=True)
class Api:
    """What the door needs of its surroundings. ``simulated``: believe the header that names a time (demo only).

    Without ``redriving`` nothing is redriven at this door.
    """

    desk: Desk
    hearing: Hearing
    rate: Rate
    clock: Callable[[], datetime]
    simulated: bool = False
    redriving: Redriving | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """A request of somebody known: what it needs to be answered."""

    api: Api
    who: Principal
    received_at: datetime
    body: bytes = b""
    word: str = ""
    trace: str = ""


class _Stop(Exception):
    """The request ends here with this problem; ``who`` if it is known who speaks."""

    def __init__(self, problem: Problem, who: Principal | None = None) -> None:
        super().__init__(problem.reason)
        self.problem, self.who = problem, who


def create_app(api: Api) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(
        title="EET Hub: partner door",
        version="1",
        description="Send events about young people's education, employment and training, under an agreement.",
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
    )
    _on_errors(app)

    @app.post("/v1/events", **EVENTS)
    async def events(request: Request) -> Response:
        return await _answered(_take, await _call(api, request, WRITE, body=True))

    @app.post("/v1/events:validate", **VALIDATE)
    async def validate(request: Request) -> Response:
        return await _answered(_validate, await _call(api, request, WRITE, body=True))

    @app.post("/v1/webhooks/{party}", **WEBHOOKS)
    async def webhooks(request: Request, party: str) -> Response:
        return await _webhook(api, request, party)

    @app.get("/v1/receipts/{message_id:path}", **RECEIPT)
    async def receipt(request: Request, message_id: str) -> Response:
        return await _answered(_receipt, await _call(api, request, READ, word=message_id))

    @app.get("/v1/refusals", **REFUSALS)
    async def refusals(request: Request) -> Response:
        return await _answered(_refusals, await _call(api, request, READ, word=request.query_params.get("limit", "")))

    @app.post("/v1/refusals:redrive", **REDRIVES)
    async def redrive(request: Request) -> Response:
        return await _answered(_redrive, await _call(api, request, REDRIVE, body=True))

    @app.get("/v1/terms", **TERMS)
    async def terms(request: Request) -> Response:
        return await _answered(_terms, await _call(api, request, READ))

    @app.post("/v1/extracts", **EXTRACT)
    async def extracts(request: Request) -> Response:
        return await _answered(_extract, await _call(api, request, WRITE, body=True))

    @app.get("/v1/me", **ME)
    async def me(request: Request) -> Response:
        return await _answered(_me, await _call(api, request, None))

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        # What was last seen, not looked up: a database that hangs must not hold the event loop.
        return _json({"status": "up", "policy": api.desk.gate.known.policy_hash})

    app.openapi = described(app, api.hearing.token_url)  # type: ignore[method-assign]
    return app


def _on_errors(app: FastAPI) -> None:
    @app.exception_handler(_Stop)
    async def stop(request: Request, error: _Stop) -> Response:
        del request
        return _marked(_problem(error.problem), error.who)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        del request
        return _problem(Problem("method" if error.status_code == 405 else "no_such_path"))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        del request
        log().critical("failed", error=type(error).__name__, at=where(error))
        return _problem(Problem("failed"))


async def _call(api: Api, request: Request, scope: Scope | None, *, body: bool = False, word: str = "") -> _Call:
    """Who speaks, and when by the hub's clock. Ends the request with 401, 403 or what is wrong with it."""
    now = api.clock()
    who = await run_in_threadpool(api.hearing.who, request, now)
    if isinstance(who, Nobody):
        raise _unheard(who)
    if scope is not None and scope not in who.scopes:
        forbidden(who)
        raise _Stop(Problem("forbidden"), who)
    at = _moment(api, request, now, who)
    said = await _body(api, request, who.party, who) if body else b""
    return _Call(api, who, at, said, word, request.headers.get(TRACE, ""))


def _unheard(nobody: Nobody) -> _Stop:
    refused(nobody)
    if nobody.again_seconds:
        return _Stop(Problem("unavailable", retry_after_seconds=nobody.again_seconds))
    return _Stop(Problem("unauthorised"))


def _moment(api: Api, request: Request, now: datetime, who: Principal) -> datetime:
    if api.simulated and SIMULATED in request.headers:
        read = read_moment(request.headers[SIMULATED])
        if isinstance(read, Bad):
            raise _Stop(Problem("malformed"), who)
        now = read
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


async def _body(api: Api, request: Request, party: str, who: Principal | None) -> bytes:
    """The body, read no further than the party's limit."""
    limits = api.rate.limits(party)
    too_large = _Stop(Problem("too_large", limit={"request_bytes": limits.request_bytes} if who else {}), who)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise _Stop(Problem("media_type"), who)
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limits.request_bytes:
        raise too_large
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > limits.request_bytes:
            raise too_large
    return bytes(held)


async def _webhook(api: Api, request: Request, party: str) -> Response:
    """The signature is over the body, so that the body is read first, and only where the headers can be a signature."""
    now = api.clock()
    words = (request.headers.get(f"webhook-{word}", "") for word in ("id", "timestamp", "signature"))
    signed = Signed.of_headers(*words)
    if signed is None:
        raise _unheard(Nobody("webhook", "malformed"))
    body = await _body(api, request, "", None)
    who = await run_in_threadpool(api.hearing.signer, party, signed, body, now)
    if isinstance(who, Nobody):
        raise _unheard(who)
    call = _Call(api, who, _moment(api, request, now, who), body)
    if WRITE not in who.scopes:
        forbidden(who)
        raise _Stop(Problem("forbidden"), who)
    if len(body) > api.rate.limits(who.party).request_bytes:
        raise _Stop(Problem("too_large", limit={"request_bytes": api.rate.limits(who.party).request_bytes}), who)
    if api.hearing.heard.begin(who, signed, body) == "replay":
        replayed(who)
        raise _Stop(Problem("replayed"), who)
    answer = await _answered(_take, call)
    if answer.status_code in (413, 429, 500, 503):
        # Nothing came of it, and the sender will try again.
        api.hearing.heard.forget(who, signed)
    return answer


async def _answered(work: Callable[[_Call], Response], call: _Call) -> Response:
    return _marked(await run_in_threadpool(_guarded, work, call), call.who)


def _guarded(work: Callable[[_Call], Response], call: _Call) -> Response:
    try:
        return work(call)
    except _Stop as stopped:
        return _problem(stopped.problem)
    except Busy:
        return _problem(Problem("too_fast", retry_after_seconds=RETRY_SECONDS))
    except NoCheckpoint as why:
        return _problem(Problem("no_checkpoint", retry_after_seconds=LEDGER_RETRY_SECONDS, detail=str(why)))
    except Retry:
        return _problem(Problem("unavailable", retry_after_seconds=RETRY_SECONDS))


def _events(call: _Call) -> tuple[list[object], bool]:
    """The events of a body, and whether they came as a list. ValueError if it is no JSON."""
    single = call.body.lstrip()[:1] != b"["
    if single and len(call.body) > PAYLOAD_BYTES_MAX:
        raise _Stop(Problem("too_large", limit={"event_bytes": PAYLOAD_BYTES_MAX}))
    read = orjson.loads(call.body)
    events = read if isinstance(read, list) else [read]
    limits = call.api.rate.limits(call.who.party)
    most = min(BATCH_EVENTS_MAX, limits.burst)
    if len(events) > most:
        raise _Stop(Problem("too_many", limit={"request_events": most}))
    _paced(call, max(1, len(events)))
    return events, single


def _paced(call: _Call, events: int) -> None:
    wait = call.api.rate.take(call.who, events)
    if wait:
        limits = call.api.rate.limits(call.who.party)
        limit = {"events_per_second": limits.events_per_second, "burst": limits.burst}
        raise _Stop(Problem("too_fast", retry_after_seconds=wait, limit=limit))


def _take(call: _Call) -> Response:
    try:
        events, single = _events(call)
    except orjson.JSONDecodeError:
        if len(call.body) > PAYLOAD_BYTES_MAX:
            return _problem(Problem("unreadable"))
        _paced(call, 1)
        return _problem(call.api.desk.refuse_unreadable(call.who, call.body, call.received_at))
    answers = call.api.desk.take(call.who, events, call.received_at, call.trace)
    if single:
        (answer,) = answers
        return _problem(answer) if isinstance(answer, Problem) else _json(answer, 202)
    items = [answer.body() if isinstance(answer, Problem) else answer for answer in answers]
    mixed = any(isinstance(answer, Problem) for answer in answers)
    return _json({"items": items}, 207 if mixed else 202)


def _validate(call: _Call) -> Response:
    try:
        events, single = _events(call)
    except orjson.JSONDecodeError:
        return _problem(Problem("unreadable"))
    results = call.api.desk.validate(call.who, events, call.received_at)
    return _json(results[0] if single else {"items": results})


def _receipt(call: _Call) -> Response:
    if not ID.match(call.word):
        return _problem(Problem("not_found"))
    found = call.api.desk.receipt(call.who, call.word)
    return _problem(found) if isinstance(found, Problem) else _json(found)


def _refusals(call: _Call) -> Response:
    limit = call.word
    number = len(limit) <= 3 and limit.isascii() and limit.isdigit()
    if limit and not (number and 1 <= int(limit) <= REFUSALS_SHOWN_MAX):
        return _problem(Problem("malformed"))
    return _json({"items": call.api.desk.refusals(call.who, int(limit or REFUSALS_SHOWN_MAX))})


def _terms(call: _Call) -> Response:
    return _json({"items": call.api.desk.terms(call.who, call.received_at)})


def _extract(call: _Call) -> Response:
    answer = call.api.desk.extract(call.who, _told(call), call.received_at)
    return _problem(answer) if isinstance(answer, Problem) else _json(answer, 202)


def _redrive(call: _Call) -> Response:
    told = _told(call)
    if call.api.redriving is None:
        return _problem(Problem("no_such_path"))
    answer = call.api.redriving.answer(call.who, told, call.received_at)
    return _problem(answer) if isinstance(answer, Problem) else _json(answer, answer["status"])


def _told(call: _Call) -> object:
    """The one thing that a body says."""
    _paced(call, 1)
    if len(call.body) > PAYLOAD_BYTES_MAX:
        raise _Stop(Problem("too_large", limit={"event_bytes": PAYLOAD_BYTES_MAX}))
    try:
        return orjson.loads(call.body)
    except orjson.JSONDecodeError:
        raise _Stop(Problem("unreadable")) from None


def _me(call: _Call) -> Response:
    limits = call.api.rate.limits(call.who.party).shown()
    who = {"party": call.who.party, "principal": call.who.name, "mode": call.who.mode}
    return _json({**who, "scopes": sorted(call.who.scopes), "limits": limits})


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _problem(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), problem.status, problem.headers(), media_type=PROBLEM)


def _marked(answer: Response, who: Principal | None) -> Response:
    if who is not None:
        answer.headers[MODE] = who.mode
    return answer
