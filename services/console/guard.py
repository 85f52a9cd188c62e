"""Headers on every answer and a bound on every body, as plain ASGI middleware."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 65_536
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class TooLong(Exception):
    """The body went over the bound while it was read."""


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = over = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if over:
                    # The framework answers 400 when a body breaks off; the cause is its length.
                    message["status"] = 413
                self._dress(MutableHeaders(scope=message), scope["path"])
            await send(message)

        read = 0

        async def receiving() -> Message:
            nonlocal read, over
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_BYTES_MAX:
                over = True
                raise TooLong
            return message

        stated = Headers(scope=scope).get("content-length", "0")
        try:
            if not stated.isdigit() or int(stated) > BODY_BYTES_MAX:
                raise TooLong
            await self._app(scope, receiving, sending)
        except TooLong:
            if not begun:
                await PlainTextResponse("Too long.", 413)(scope, receive, sending)

    def _dress(self, headers: MutableHeaders, path: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._secure:
            headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
        if path.startswith("/static/"):
            headers["cache-control"] = "public, max-age=3600"
        else:
            # What a worker saw must not be found on a shared computer.
            headers.setdefault("cache-control", "no-store")
