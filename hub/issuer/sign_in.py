"""A provider of sign-ins for demos and tests: OpenID Connect's code flow with PKCE, where one chooses who to be.

It speaks as an organisation's provider does, so that the console signs people in as in real use; nobody proves who they
are, so it is for invented people only. A code is good once, for a minute, for one client, one address and one verifier.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.issuer.local import TOKEN_SECONDS, LocalIssuer

CODE_SECONDS, CODES_MAX = 60, 1_000
CHALLENGE_CHARACTERS, TEXT_CHARACTERS_MAX = 43, 512
_ASKED = ("client_id", "redirect_uri", "response_type", "state", "nonce", "code_challenge", "code_challenge_method")


@dataclass(frozen=True, slots=True)
class Somebody:
    """An invented user as the provider knows them."""

    name: str
    oid: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    who: str
    nonce: str
    challenge: str
    until: float


@dataclass(slots=True)
class LocalSignIn:
    """Gives codes for ``users`` (by id) and redeems them. ``pinned``: further claims of every token."""

    issuer: LocalIssuer
    client: str
    secret: str
    back_url: str
    users: Mapping[str, Somebody]
    pinned: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    _codes: dict[str, _Given] = field(default_factory=dict)

    def fault(self, asked: Mapping[str, str]) -> str:
        """Why what the browser brings is not answered, in words; empty where it is.

        With a fault nobody is sent anywhere: an address that is not registered might be anybody's.
        """
        missing = [name for name in _ASKED if not 0 < len(asked.get(name, "")) <= TEXT_CHARACTERS_MAX]
        if missing:
            return f"missing or too long: {', '.join(missing)}"
        if (asked["client_id"], asked["redirect_uri"]) != (self.client, self.back_url):
            return "this client or address is not registered here"
        if asked["response_type"] != "code":
            return "only response_type=code is spoken here"
        if asked["code_challenge_method"] != "S256" or len(asked["code_challenge"]) != CHALLENGE_CHARACTERS:
            return "a code_challenge by S256 is needed"
        return ""

    def choose(self, asked: Mapping[str, str], user: str) -> str | None:
        """The address to send the browser back to, with a code; None for an unknown user. ``asked`` has no fault."""
        if user not in self.users:
            return None
        now = self.clock()
        live = [(code, one) for code, one in self._codes.items() if one.until > now][-CODES_MAX + 1 :]
        code = secrets.token_urlsafe(32)
        given = _Given(user, asked["nonce"], asked["code_challenge"], now + CODE_SECONDS)
        self._codes = {**dict(live), code: given}
        return f"{self.back_url}?{urlencode({'code': code, 'state': asked['state']})}"

    def redeem(self, form: Mapping[str, str]) -> dict[str, Any] | None:
        """The claims that a code stands for; None where anything does not agree. A code that was tried is gone."""
        given = self._codes.pop(form.get("code", ""), None)
        known = hmac.compare_digest(form.get("client_secret", "").encode(), self.secret.encode())
        agreed = ("authorization_code", self.client, self.back_url)
        said = tuple(form.get(name, "") for name in ("grant_type", "client_id", "redirect_uri"))
        if given is None or not known or said != agreed or given.until <= self.clock():
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not hmac.compare_digest(challenge, given.challenge):
            return None
        return self._claims(given)

    def _claims(self, given: _Given) -> dict[str, Any]:
        who, at = self.users[given.who], int(self.clock())
        about = {"iss": self.issuer.issuer, "aud": self.client, "sub": who.oid, "oid": who.oid, "nonce": given.nonce}
        times = {"iat": at, "nbf": at, "exp": at + TOKEN_SECONDS}
        return {**about, **self.pinned, **times, "name": who.name, "roles": list(who.roles)}


def create_app(made: LocalSignIn) -> Starlette:
    """The provider over HTTP."""
    parts = urlsplit(made.back_url)
    # The answer to the form leads to the console: without its origin a browser would stop there.
    allowed = f"form-action 'self' {parts.scheme}://{parts.netloc}"
    policy = f"default-src 'none'; style-src 'self'; {allowed}; frame-ancestors 'none'; base-uri 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer"}

    async def authorize(request: Request) -> Response:
        form = dict(request.query_params)
        if request.method == "POST":
            form = {name: str(value) for name, value in (await request.form(max_files=0, max_fields=20)).items()}
        if fault := made.fault(form):
            return HTMLResponse(_page("Sign-in cannot begin", f"<p>{escape(fault)}</p>"), 400, headers)
        if request.method == "GET":
            return HTMLResponse(_choice(made, form), headers=headers)
        back = made.choose(form, form.get("user", ""))
        if back is None:
            return HTMLResponse(_choice(made, form, "Select who you are"), 422, headers)
        return RedirectResponse(back, 303, headers)

    async def token(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form(max_files=0, max_fields=20)).items()}
        claims = made.redeem(form)
        if claims is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        signed = made.issuer.signed(claims)
        return JSONResponse({"id_token": signed, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}, headers=headers)

    async def keys(request: Request) -> Response:
        del request
        return JSONResponse(made.issuer.key_set())

    async def style(request: Request) -> Response:
        del request
        return Response(_STYLE, media_type="text/css")

    return Starlette(
        routes=[
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/token", token, methods=["POST"]),
            Route("/keys", keys),
            Route("/style.css", style),
        ]
    )


def _choice(made: LocalSignIn, asked: Mapping[str, str], error: str = "") -> str:
    kept = "".join(f'<input type="hidden" name="{name}" value="{escape(asked[name])}">' for name in _ASKED)
    users = "".join(
        f'<div><input type="radio" name="user" id="u{n}" value="{escape(user)}"><label for="u{n}">{escape(who.name)}'
        f"<span>{escape(', '.join(who.roles).replace('-', ' '))}</span></label></div>"
        for n, (user, who) in enumerate(made.users.items())
    )
    wrong = f'<p class="error" role="alert">Error: {escape(error)}</p>' if error else ""
    form = (
        f'{wrong}<form method="post" action="/authorize">{kept}'
        f"<fieldset><legend>Who are you?</legend>{users}</fieldset>"
        '<button type="submit">Continue</button></form>'
    )
    text = "<p>This stands in for your organisation’s sign-in, in a demonstration with invented people.</p>"
    return _page("Choose who you are", text + form, error=bool(error))


def _page(title: str, body: str, *, error: bool = False) -> str:
    head = f"{'Error: ' if error else ''}{title} – Demo sign-in"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{head}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/style.css"></head><body><main><h1>{title}</h1>{body}</main></body></html>'
    )


_STYLE = """
body{font:19px/1.35 arial,sans-serif;color:#0b0c0c;background:#f3f6f9;margin:0}
main{max-width:900px;margin:30px auto;background:#fff;padding:20px 30px 30px;border-top:6px solid #12436d}
h1{font-size:32px;margin:0 0 12px}
fieldset{border:0;margin:0;padding:0}
legend{font-weight:700;font-size:24px;margin-bottom:10px}
fieldset div{display:flex;align-items:flex-start;gap:10px;padding:6px 0;break-inside:avoid}
input{width:24px;height:24px;margin:0;flex:none}
label span{display:block;color:#484949;font-size:16px}
button{font:inherit;background:#12436d;color:#fff;border:0;padding:10px 18px;margin-top:16px;cursor:pointer}
.error{color:#ca3535;font-weight:700}
:focus-visible{outline:3px solid #fd0;outline-offset:2px}
@media (min-width:641px){fieldset{columns:2;column-gap:30px}legend{column-span:all}}
@media (max-width:640px){main{margin:0;padding:15px}}
"""
