"""Sign-in and sign-out. The demo lets a visitor choose a named user; production signs in elsewhere (OIDC)."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.console.people import role_name
from services.console.sessions import COOKIE, SIGN_IN_WINDOW, same
from services.console.visit import BadForm, console_of, elsewhere, local, render, visitor
from spine.telemetry import log

router = APIRouter()
FORM_COOKIE = "hub_form"


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
    answer = render(console, request, "sign_in.html", status, **values)
    answer.set_cookie(FORM_COOKIE, number, httponly=True, secure=console.secure, samesite="lax", path="/sign-in")
    return answer
