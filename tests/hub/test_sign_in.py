"""The demo's sign-in: a code is good once, for its own beginning, and nothing starts it outside a demo."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from hub.issuer import __main__ as process
from hub.issuer.local import LocalIssuer
from hub.issuer.sign_in import CODE_SECONDS, LocalSignIn, Somebody, create_app

BACK, VERIFIER = "http://127.0.0.1:8090/sign-in/back", "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {"client_id": "console", "redirect_uri": BACK, "response_type": "code", "state": "s", "nonce": "n"}
ASKED |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
ISSUER = LocalIssuer("http://127.0.0.1:1", {})


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made() -> LocalSignIn:
    users = {"beth": Somebody("Beth <Novak>", "oid-1", ("inclusion-team",))}
    return LocalSignIn(ISSUER, "console", "secret", BACK, users, clock=Clock())


def form(made: LocalSignIn, **other: str) -> dict[str, str]:
    back = made.choose(ASKED, "beth")
    assert back is not None
    given = {"grant_type": "authorization_code", "redirect_uri": BACK, "client_id": "console"}
    given |= {"client_secret": "secret", "code_verifier": VERIFIER, "code": parse_qs(urlsplit(back).query)["code"][0]}
    return given | other


def test_a_code_becomes_claims_once(made: LocalSignIn) -> None:
    given = form(made)
    claims = made.redeem(given)
    assert claims is not None
    assert (claims["oid"], claims["nonce"], claims["roles"]) == ("oid-1", "n", ["inclusion-team"])
    assert made.redeem(given) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code_verifier", "another"),
        ("client_secret", "guess"),
        ("client_id", "another"),
        ("redirect_uri", "https://evil.example/"),
        ("grant_type", "password"),
        ("code", "guess"),
    ],
)
def test_a_code_is_nothing_where_anything_does_not_agree(made: LocalSignIn, name: str, value: str) -> None:
    assert made.redeem(form(made, **{name: value})) is None


def test_a_code_lives_a_minute(made: LocalSignIn) -> None:
    given = form(made)
    Clock.now += CODE_SECONDS
    assert made.redeem(given) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redirect_uri", "https://evil.example/"),
        ("client_id", "another"),
        ("response_type", "token"),
        ("code_challenge_method", "plain"),
        ("code_challenge", ""),
        ("state", ""),
        ("nonce", "n" * 513),
    ],
)
def test_with_a_fault_nobody_is_sent_anywhere(made: LocalSignIn, name: str, value: str) -> None:
    client = TestClient(create_app(made), follow_redirects=False)
    assert client.get("/authorize", params=ASKED | {name: value}).status_code == 400
    assert client.post("/authorize", data=ASKED | {name: value, "user": "beth"}).status_code == 400


def test_the_page_lists_users_and_sends_back_who_was_chosen(made: LocalSignIn) -> None:
    client = TestClient(create_app(made), follow_redirects=False)
    assert "Beth &lt;Novak&gt;" in client.get("/authorize", params=ASKED).text
    assert client.post("/authorize", data=ASKED | {"user": "nobody"}).status_code == 422
    answer = client.post("/authorize", data=ASKED | {"user": "beth"})
    assert answer.status_code == 303 and answer.headers["location"].startswith(f"{BACK}?code=")


def test_it_starts_in_a_demo_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HUB_SIMULATED_CLOCK", raising=False)
    assert process.main() == 2
    assert "hub demo" in capsys.readouterr().err
    monkeypatch.setenv("HUB_SIMULATED_CLOCK", "1")
    assert process.refusal() == ""
