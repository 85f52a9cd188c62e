"""Sign-in and sign-out. The demo lets a visitor choose a named user; production signs in elsewhere (OIDC)."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.console.oidc import FLOW_SECONDS_MAX, Refused
from services.console.pages import query
from services.console.people import role_name
from services.console.sessions import COOKIE, SIGN_IN_WINDOW, same
from services.console.visit import BadForm, NotFound, console_of, elsewhere, local, render, visitor
from spine.telemetry import log

router = APIRouter()
FORM_COOKIE, FLOW_COOKIE = "hub_form", "hub_flow"
_HIDDEN: dict[str, Any] = {"httponly": True, "samesite": "lax", "path": "/sign-in"}


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    return _page(request, local(next))


@router.post("/sign-in")
def sign_in(request: Request, user: str = Form(""), next: str = Form("/"), csrf: str = Form("")) -> Response:
    console = console_of(request)
    expected = console.sessions.form_token(request.cookies.get(FORM_COOKIE, ""))
    if FORM_COOKIE not in request.cookies or not same(csrf, expected):
        raise BadForm
    if not console.sessions.may_try(request.client.host if request.client else ""):
        answer = _page(request, local(next), "Too many sign-ins from here. Wait five minutes and try again.", 429)
        answer.headers["retry-after"] = str(int(SIGN_IN_WINDOW.total_seconds()))
        return answer
    if not console.demo:
        return _page(request, local(next), "Signing in is not set up.", 403)
    if user not in console.people.users:
        return _page(request, local(next), "Select who you are", 422)
    answer = elsewhere(local(next))
    # A session of somebody who sat here before does not live on.
    console.sessions.end(request.cookies.get(COOKIE))
    cookie = console.sessions.begin(user)
    answer.set_cookie(COOKIE, cookie, httponly=True, secure=console.secure, samesite="lax", path="/")
    answer.delete_cookie(FORM_COOKIE, path="/sign-in")
    log().info("signed_in", roles=list(console.people.users[user].roles))
    return answer


@router.get("/sign-in/start")
def start(request: Request, next: str = "/") -> Response:
    """Off to the organisation's own sign-in."""
    console = console_of(request)
    if console.provider is None:
        raise NotFound
    address, flow = console.provider.begin(console.sessions.flows, local(next))
    answer = elsewhere(address)
    # Lax: the provider sends the browser back by a link.
    answer.set_cookie(FLOW_COOKIE, flow, max_age=FLOW_SECONDS_MAX, secure=console.secure, **_HIDDEN)
    return answer


@router.get("/sign-in/back")
def back(request: Request, code: str = "", state: str = "") -> Response:
    """Back from the organisation's sign-in, with a code or without."""
    console = console_of(request)
    if console.provider is None:
        raise NotFound
    if not console.sessions.may_try(request.client.host if request.client else ""):
        return _page(request, "/", "Too many sign-ins from here. Wait five minutes and try again.", 429)
    cookie = request.cookies.get(FLOW_COOKIE, "")
    found = console.provider.finish(console.sessions.flows, cookie, state, code, console.people, console.clock())
    if isinstance(found, Refused):
        log().warning("sign_in_refused", reason=found.reason)
        text = "You could not be signed in. Try again, and if it stays so, ask whoever runs the hub for a role."
        answer = _page(request, "/", text, 403)
    else:
        answer = elsewhere(local(found.following))
        console.sessions.end(request.cookies.get(COOKIE))
        made = console.sessions.begin(found.user.id, found.roles)
        answer.set_cookie(COOKIE, made, httponly=True, secure=console.secure, samesite="lax", path="/")
        log().info("signed_in", roles=list(found.roles))
    answer.delete_cookie(FLOW_COOKIE, path="/sign-in")
    return answer


@router.post("/sign-out")
def sign_out(request: Request, csrf: str = Form("")) -> Response:
    visitor(request).check(csrf)
    console_of(request).sessions.end(request.cookies.get(COOKIE))
    answer = elsewhere("/sign-in")
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _page(request: Request, following: str, error: str = "", status: int = 200) -> Response:
    console = console_of(request)
    number = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    items = [
        {"value": user.id, "text": user.name, "hint": {"text": ", ".join(map(role_name, user.roles))}}
        for user in console.people.users.values()
    ]
    token = console.sessions.form_token(number)
    values = {"items": items, "csrf": token, "following": following, "error": error, "demo": console.demo}
    values["start"] = "/sign-in/start" + query(next=following) if console.provider else ""
    answer = render(console, request, "sign_in.html", status, **values)
    answer.set_cookie(FORM_COOKIE, number, httponly=True, secure=console.secure, samesite="lax", path="/sign-in")
    return answer
