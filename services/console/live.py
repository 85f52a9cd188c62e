"""The live count: a named event with a number and nothing else. The page reads anew with the worker's own rights."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from services.console.sessions import COOKIE
from services.console.visit import Visitor, visitor

router = APIRouter()
STREAMS_PER_USER_MAX = 6
STREAM_SECONDS_MAX = 600
RETRY_MS = 5_000
_open: Counter[str] = Counter()


@router.get("/live")
async def live(request: Request, known: Annotated[Visitor, Depends(visitor)], since: str = "0") -> Response:
    if not since.isdigit() or len(since) > 18:
        return Response(status_code=422)
    if _open[known.user.id] >= STREAMS_PER_USER_MAX:
        return Response(status_code=429, headers={"retry-after": "60"})
    return StreamingResponse(_events(request, known, int(since)), media_type="text/event-stream")


async def _events(request: Request, known: Visitor, since: int) -> AsyncIterator[str]:
    console, told, pause = known.console, -1, known.console.live_seconds
    _open[known.user.id] += 1
    try:
        yield f"retry: {RETRY_MS}\n\n"
        for _ in range(int(STREAM_SECONDS_MAX / pause)):
            # Not touched: a page left open is no sign of life.
            cookie = request.cookies.get(COOKIE)
            session = await run_in_threadpool(console.sessions.find, cookie, touch=False)
            if session is None:
                return
            count = await run_in_threadpool(console.reader.news, known.user, since)
            yield f"event: news\ndata: {count}\n\n" if count != told else ": still here\n\n"
            told = count
            await asyncio.sleep(pause)
    finally:
        _open[known.user.id] -= 1
