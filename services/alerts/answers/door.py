"""The read API's door: who asks, how often, and that no answer is kept on its way. What is answered is mounted in it.

``mounted`` takes routers of others (the polling feed): they depend on ``caller`` to know who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from ruamel.yaml import YAML
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint

from services.alerts.answers.overreach import Tried, untold
from services.alerts.delivery.directory import Directory
from spine.errors import Retry
from spine.telemetry import log, where
from spine.who.hearing import Hearing
from spine.who.principal import ANSWERS, Nobody, Principal
from spine.who.rate import Rate
from spine.who.refused import forbidden, refused

PROBLEM = "application/problem+json"
RETRY_SECONDS = 5
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "unauthorised": (401, "A valid key, token or certificate is needed"),
    "forbidden": (403, "What you signed in with does not allow this"),
    "not_found": (404, "There is nothing here for you"),
    "method": (405, "This address takes another method"),
    "malformed": (422, "The question is not written as /v1/openapi.json has it"),
    "too_fast": (429, "Too many questions in this time"),
    "failed": (500, "The hub made a mistake; it has been told"),
    "unavailable": (503, "The hub cannot answer now"),
}


class Stop(Exception):
    """The request ends here with one of ``PROBLEMS``."""

    def __init__(self, reason: str, retry_after_seconds: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_seconds = reason, retry_after_seconds


@dataclass(frozen=True, slots=True)
class Api:
    """What the door needs of its surroundings. ``codes``: rows of code, meaning and group."""

    hearing: Hearing
    rate: Rate
    clock: Callable[[], datetime]
    codes: Sequence[Mapping[str, str]]
    mounted: Sequence[APIRouter] = ()
    tried: Tried = untold


def codes_of(contracts: Path) -> Sequence[Mapping[str, str]]:
    """The activity codes of the catalogue."""
    listed = YAML(typ="safe").load(contracts / "catalogue.yaml")["codes"]
    rows = sorted((str(code), str(row["means"]), str(row["group"])) for code, row in listed.items())
    return [{"code": code, "means": means, "group": group} for code, means, group in rows]


def caller(request: Request) -> Principal:
    """Who asks: a dependency of every route. Ends the request with 401, 403 or 429."""
    api = request.app.state.api
    assert isinstance(api, Api)
    who = api.hearing.who(request, api.clock())
    if isinstance(who, Nobody):
        refused(who)
        raise Stop("unavailable", who.again_seconds) if who.again_seconds else Stop("unauthorised")
    if ANSWERS not in who.scopes:
        forbidden(who)
        api.tried(who, "scope", request.url.path)
        raise Stop("forbidden")
    wait = api.rate.take(who, 1)
    if wait:
        raise Stop("too_fast", wait)
    return who


def team_calling(directory: Directory, services: frozenset[str]) -> Callable[..., str]:
    """Dependency of the feed: the outside team of the party that asks. 404 for one that has none, and for test keys:
    what is told of real people is nothing for them."""

    def calling(who: Annotated[Principal, Depends(caller)]) -> str:
        team = directory.team_of_party.get(who.party, "")
        if who.test or directory.services.get(team) not in services:
            raise Stop("not_found")
        return team

    return calling


def create_app(api: Api) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(
        title="EET Hub: read API",
        version="1",
        description="Ask what your agreements let you read. Needs a credential with the scope answers:read.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.api = api
    _on_errors(app)

    @app.middleware("http")
    async def unkept(request: Request, following: RequestResponseEndpoint) -> Response:
        answer: Response = await following(request)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/v1/codes", summary="What the activity codes mean")
    def codes(request: Request) -> Response:
        caller(request)
        return tagged(request, {"items": api.codes})

    for router in api.mounted:
        app.include_router(router)
    return app


def tagged(request: Request, content: Any) -> Response:
    """The content with its ETag; 304 without it for somebody who names that tag."""
    body = orjson.dumps(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    named = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in named or "*" in named:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def problem(reason: str, retry_after_seconds: int = 0, faults: Sequence[Mapping[str, str]] = ()) -> Response:
    """An RFC 9457 problem. By its reason, and faults by their place: no value that was sent is in it."""
    status, title = PROBLEMS[reason]
    body: dict[str, Any] = {
        "type": f"urn:eet-hub:problem:{reason}",
        "title": title,
        "status": status,
        "reason": reason,
        **({"faults": list(faults)} if faults else {}),
    }
    headers = {"Retry-After": str(retry_after_seconds)} if retry_after_seconds else {}
    headers |= {"WWW-Authenticate": 'Bearer realm="eet-hub"'} if status == 401 else {}
    return Response(orjson.dumps(body), status, headers, media_type=PROBLEM)


def _on_errors(app: FastAPI) -> None:
    @app.exception_handler(Stop)
    async def stop(request: Request, error: Stop) -> Response:
        del request
        return problem(error.reason, error.retry_after_seconds)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        del request
        # The library's own answer repeats what was sent.
        faults = [{"at": ".".join(map(str, one["loc"])), "fault": str(one["type"])} for one in error.errors()]
        return problem("malformed", faults=faults)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        del request
        return problem("method" if error.status_code == 405 else "not_found")

    @app.exception_handler(Retry)
    async def away(request: Request, error: Retry) -> Response:
        del request, error
        return problem("unavailable", RETRY_SECONDS)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        del request
        log().critical("failed", error=type(error).__name__, at=where(error))
        answer = problem("failed")
        answer.headers["Cache-Control"] = "no-store"
        return answer
