"""Signing in at an organisation's provider: what is pinned, and what must agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson
import pytest
from fastapi.testclient import TestClient

from hub.issuer.local import LocalIssuer
from hub.issuer.sign_in import LocalSignIn, Somebody
from services.console import oidc, people
from services.console.web import create_app
from spine.who.issuer_keys import IssuerKeys
from tests.console.conftest import CONTRACTS, Desk

TENANT, CLIENT, OID = "11111111-2222-4333-8444-555555555555", "console-client", "aaaaaaaa-0000-4000-8000-000000000001"
FILE = f"""
issuer: https://login.example/{TENANT}/v2.0
tenant: {TENANT}
client: {CLIENT}
authorize_url: https://login.example/{TENANT}/authorize
token_url: https://login.example/{TENANT}/token
jwks_url: https://login.example/{TENANT}/keys
"""


@dataclass
class Login:
    """A provider with one user, and a console that trusts it. ``say`` changes what its next token says."""

    client: TestClient
    provider: LocalSignIn
    desk: Desk
    say: dict[str, Any] = field(default_factory=dict)
    signer: LocalIssuer | None = None

    def token(self, request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        claims = self.provider.redeem(form)
        if claims is None:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        signed = (self.signer or self.provider.issuer).signed(claims | self.say)
        return httpx2.Response(200, json={"id_token": signed})

    def go(self, following: str = "/", code: str = "", state: str = "") -> httpx2.Response:
        sent = self.client.get(f"/sign-in/start?next={following}", follow_redirects=False)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
        assert self.provider.fault(asked) == ""
        back = urlsplit(self.provider.choose(asked, "beth") or "")
        given = {name: values[0] for name, values in parse_qs(back.query).items()}
        path = f"/sign-in/back?code={code or given['code']}&state={state or given['state']}"
        return self.client.get(path, follow_redirects=False)


@pytest.fixture
def login(desk: Desk, tmp_path: Path) -> Iterator[Login]:
    file = tmp_path / "oidc.yaml"
    file.write_text(FILE)
    issuer = LocalIssuer(f"https://login.example/{TENANT}/v2.0", {})
    # Her token names a role that the council's file does not give her.
    users = {"beth": Somebody("Beth Novak", OID, ("inclusion-team", "dpo"))}
    back, at = "https://hub.example/sign-in/back", desk.clock.timestamp
    made = LocalSignIn(issuer, CLIENT, "secret", back, users, {"tid": TENANT}, clock=at)
    keys = IssuerKeys(time.monotonic, lambda url: orjson.dumps(issuer.key_set()))
    holder: list[Login] = []
    transport = httpx2.MockTransport(lambda request: holder[0].token(request))
    provider = replace(oidc.load(file, "secret", "https://hub.example", keys), transport=transport)
    known = people.load(CONTRACTS)
    listed = {**known.users, "inclusion-team": replace(known.users["inclusion-team"], oid=OID)}
    console = desk.console(provider=provider, people=replace(known, users=listed), demo=False)
    with TestClient(create_app(console)) as client:
        holder.append(Login(client, made, desk))
        yield holder[0]


@pytest.mark.postgres
def test_a_worker_signs_in_at_their_organisation_and_lands_where_they_wanted(login: Login) -> None:
    ref = login.desk.alert("a1")
    assert "Sign in with your work account" in login.client.get("/sign-in").text
    answer = login.go(f"/alerts/{ref}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/alerts/{ref}")
    page = login.client.get("/").text
    assert "Beth Novak" in page and "Aisha Verity" in page
    # The token names a role that the council's file does not give her: it does not count.
    assert login.client.get("/oversight").status_code == 404


CASES: dict[str, Callable[[Login], None]] = {
    "another tenant": lambda it: it.say.update(tid="99999999-2222-4333-8444-555555555555"),
    "another issuer": lambda it: it.say.update(iss="https://login.example/common/v2.0"),
    "another audience": lambda it: it.say.update(aud="another-client"),
    "another sign-in's nonce": lambda it: it.say.update(nonce="old"),
    "an old token": lambda it: it.say.update(exp=1_700_000_000),
    "nobody who is listed": lambda it: it.say.update(oid="bbbbbbbb-0000-4000-8000-000000000002"),
    "no object id": lambda it: it.say.update(oid=None),
    "no role": lambda it: it.say.update(roles=[]),
    "roles that are no list": lambda it: it.say.update(roles="inclusion-team"),
}


@pytest.mark.postgres
@pytest.mark.parametrize("case", CASES)
def test_a_token_that_is_not_for_this_sign_in_opens_nothing(login: Login, case: str) -> None:
    CASES[case](login)
    answer = login.go()
    assert answer.status_code == 403 and "could not be signed in" in answer.text
    assert login.client.get("/", follow_redirects=False).status_code == 303


@pytest.mark.postgres
def test_a_token_under_a_key_that_the_issuer_does_not_publish_opens_nothing(login: Login) -> None:
    login.signer = LocalIssuer(login.provider.issuer.issuer, {})
    assert login.go().status_code == 403


@pytest.mark.postgres
def test_a_code_without_its_own_beginning_opens_nothing(login: Login) -> None:
    assert login.client.get("/sign-in/back?code=good&state=x", follow_redirects=False).status_code == 403
    assert login.go(state="forged").status_code == 403
    assert login.go(code="bad").status_code == 403
    assert login.go("//evil.example/").headers["location"] == "/"


@pytest.mark.postgres
def test_without_a_provider_there_is_no_such_address(visit: Any) -> None:
    assert visit.get("/sign-in/start").status_code == visit.get("/sign-in/back").status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://login.microsoftonline.com/common/v2.0"),
        ("token_url", "http://login.example/token"),
        ("jwks_url", "http://login.example/keys"),
    ],
)
def test_a_provider_must_be_pinned_and_reached_safely(tmp_path: Path, name: str, value: str) -> None:
    lines = [line for line in FILE.splitlines() if not line.startswith((f"{name}:", "tenant:"))]
    (tmp_path / "oidc.yaml").write_text("\n".join([*lines, f"{name}: {value}"]))
    with pytest.raises(ValueError):
        oidc.load(tmp_path / "oidc.yaml", "secret", "https://hub.example", IssuerKeys(time.monotonic))
