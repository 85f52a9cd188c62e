"""The HTTP door: CloudEvents JSON in, receipts and problems out. Everything is bounded before it is parsed."""

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
from services.ingest.channels.keys import READ, WRITE, ApiKey, KeyRing
from services.ingest.channels.openapi import EVENTS, EXTRACT, RECEIPT, REFUSALS, TERMS, VALIDATE
from services.ingest.channels.rate import Rate
from services.ingest.door import PAYLOAD_BYTES_MAX
from services.ingest.fields import Bad, read_moment
from services.ingest.parse import ID
from spine.clock import local_date
from spine.errors import Retry
from spine.telemetry import log, where

BATCH_EVENTS_MAX = 500
BATCH_BYTES_MAX = 8 * 1024 * 1024
RETRY_SECONDS = 5
REFUSALS_SHOWN_MAX = 200
SIMULATED = "Hub-Simulated-Time"


@dataclass(frozen=True, slots=True)
class Api:
    """What the door needs of its surroundings. ``simulated``: believe the header that names a time (demo only)."""

    desk: Desk
    keys: KeyRing
    rate: Rate
    clock: Callable[[], datetime]
    simulated: bool = False


class _Stop(Exception):
    """The request ends here with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


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

    @app.exception_handler(_Stop)
    async def stop(request: Request, error: _Stop) -> Response:
        del request
        return _problem(error.problem)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        del request
        return _problem(Problem("method" if error.status_code == 405 else "no_such_path"))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        del request
        log().critical("failed", error=type(error).__name__, at=where(error))
        return _problem(Problem("failed"))

    @app.post("/v1/events", **EVENTS)
    async def events(request: Request) -> Response:
        key, received_at = _principal(api, request, WRITE)
        body = await _body(request)
        return await run_in_threadpool(_guarded, _take, api, key, body, received_at)

    @app.post("/v1/events:validate", **VALIDATE)
    async def validate(request: Request) -> Response:
        key, received_at = _principal(api, request, WRITE)
        body = await _body(request)
        return await run_in_threadpool(_guarded, _validate, api, key, body, received_at)

    @app.get("/v1/receipts/{message_id:path}", **RECEIPT)
    async def receipt(request: Request, message_id: str) -> Response:
        key, _ = _principal(api, request, READ)
        return await run_in_threadpool(_guarded, _receipt, api, key, message_id)

    @app.get("/v1/refusals", **REFUSALS)
    async def refusals(request: Request) -> Response:
        key, _ = _principal(api, request, READ)
        return await run_in_threadpool(_guarded, _refusals, api, key, request.query_params.get("limit", ""))

    @app.get("/v1/terms", **TERMS)
    async def terms(request: Request) -> Response:
        key, received_at = _principal(api, request, READ)
        return await run_in_threadpool(_guarded, _terms, api, key, received_at)

    @app.post("/v1/extracts", **EXTRACT)
    async def extracts(request: Request) -> Response:
        key, received_at = _principal(api, request, WRITE)
        body = await _body(request)
        return await run_in_threadpool(_guarded, _extract, api, key, body, received_at)

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        return _json({"status": "up", "policy": api.desk.gate.policy_hash})

    return app


def _principal(api: Api, request: Request, scope: str) -> tuple[ApiKey, datetime]:
    """Who speaks, and when by the hub's clock. Ends the request with 401, 403 or 400."""
    now = api.clock()
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    text = key.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
    # The key's own expiry is judged by the real clock, whatever time the demo plays.
    held = api.keys.holder(text, local_date(now)) if text else None
    if held is None:
        raise _Stop(Problem("unauthorised"))
    if scope not in held.scopes:
        raise _Stop(Problem("forbidden"))
    if api.simulated and SIMULATED in request.headers:
        read = read_moment(request.headers[SIMULATED])
        if isinstance(read, Bad):
            raise _Stop(Problem("malformed"))
        now = read
    return held, now.replace(microsecond=now.microsecond // 1000 * 1000)


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise _Stop(Problem("media_type"))
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > BATCH_BYTES_MAX:
        raise _Stop(Problem("too_large"))
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > BATCH_BYTES_MAX:
            raise _Stop(Problem("too_large"))
    return bytes(held)


def _guarded(work: Callable[..., Response], api: Api, *rest: Any) -> Response:
    try:
        return work(api, *rest)
    except _Stop as stopped:
        return _problem(stopped.problem)
    except Busy:
        return _problem(Problem("too_fast", retry_after_seconds=RETRY_SECONDS))
    except Retry:
        return _problem(Problem("unavailable", retry_after_seconds=RETRY_SECONDS))


def _events(api: Api, key: ApiKey, body: bytes) -> tuple[list[object], bool]:
    """The events of a body, and whether they came as a list. ValueError if it is no JSON."""
    single = body.lstrip()[:1] != b"["
    if single and len(body) > PAYLOAD_BYTES_MAX:
        raise _Stop(Problem("too_large"))
    read = orjson.loads(body)
    events = read if isinstance(read, list) else [read]
    if len(events) > BATCH_EVENTS_MAX:
        raise _Stop(Problem("too_many"))
    wait = api.rate.take(key.key_id, max(1, len(events)))
    if wait:
        raise _Stop(Problem("too_fast", retry_after_seconds=wait))
    return events, single


def _take(api: Api, key: ApiKey, body: bytes, received_at: datetime) -> Response:
    try:
        events, single = _events(api, key, body)
    except orjson.JSONDecodeError:
        if len(body) > PAYLOAD_BYTES_MAX:
            return _problem(Problem("unreadable"))
        wait = api.rate.take(key.key_id, 1)
        if wait:
            return _problem(Problem("too_fast", retry_after_seconds=wait))
        return _problem(api.desk.refuse_unreadable(key, body, received_at))
    answers = api.desk.take(key, events, received_at)
    if single:
        (answer,) = answers
        return _problem(answer) if isinstance(answer, Problem) else _json(answer, 202)
    items = [answer.body() if isinstance(answer, Problem) else answer for answer in answers]
    mixed = any(isinstance(answer, Problem) for answer in answers)
    return _json({"items": items}, 207 if mixed else 202)


def _validate(api: Api, key: ApiKey, body: bytes, received_at: datetime) -> Response:
    try:
        events, single = _events(api, key, body)
    except orjson.JSONDecodeError:
        return _problem(Problem("unreadable"))
    results = api.desk.validate(key, events, received_at)
    return _json(results[0] if single else {"items": results})


def _receipt(api: Api, key: ApiKey, message_id: str) -> Response:
    if not ID.match(message_id):
        return _problem(Problem("not_found"))
    found = api.desk.receipt(key, message_id)
    return _problem(found) if isinstance(found, Problem) else _json(found)


def _refusals(api: Api, key: ApiKey, limit: str) -> Response:
    number = len(limit) <= 3 and limit.isascii() and limit.isdigit()
    if limit and not (number and 1 <= int(limit) <= REFUSALS_SHOWN_MAX):
        return _problem(Problem("malformed"))
    return _json({"items": api.desk.refusals(key, int(limit or REFUSALS_SHOWN_MAX))})


def _terms(api: Api, key: ApiKey, at: datetime) -> Response:
    return _json({"items": api.desk.terms(key, at)})


def _extract(api: Api, key: ApiKey, body: bytes, received_at: datetime) -> Response:
    wait = api.rate.take(key.key_id, 1)
    if wait:
        return _problem(Problem("too_fast", retry_after_seconds=wait))
    if len(body) > PAYLOAD_BYTES_MAX:
        return _problem(Problem("too_large"))
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _problem(Problem("unreadable"))
    answer = api.desk.extract(key, told, received_at)
    return _problem(answer) if isinstance(answer, Problem) else _json(answer, 202)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _problem(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), problem.status, problem.headers(), media_type=PROBLEM)
