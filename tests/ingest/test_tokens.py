"""Tokens of client credentials: whose they are, and every way in which they are nobody's. All look alike outside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from hub.issuer.local import LocalIssuer
from services.ingest.gate import Gate
from spine.schema import Catalogue
from spine.who.hearing import Hearing
from spine.who.issuer_keys import PAUSE_SECONDS, IssuerKeys
from spine.who.keys import KeyRing
from spine.who.principal import Nobody, Principal
from spine.who.speakers import Speakers
from spine.who.tokens import LIFE_SECONDS_MAX, Tokens, thumbprint
from spine.who.webhooks import Heard
from tests.ingest.conftest import RECEIVED, DoorOnMemory, door_on_memory

URL = "https://issuer.example/keys"
NOW = int(RECEIVED.timestamp())
CLIENTS = {
    "college-app": {"party": "northvale-college", "mode": "live"},
    "college-tests": {"party": "northvale-college", "mode": "test"},
    "college-bound": {"party": "northvale-college", "mode": "live", "certificate_bound": True},
    "college-reader": {"party": "northvale-college", "mode": "live", "scopes": ["receipts:read"]},
}


@dataclass(slots=True)
class World:
    """An issuer, the door that believes it, and how often its keys were fetched."""

    issuer: LocalIssuer
    seconds: list[float] = field(default_factory=lambda: [0.0])
    fetched: list[str] = field(default_factory=list)
    away: bool = False
    door: DoorOnMemory = field(init=False)
    tokens: Tokens = field(init=False)

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.away:
            raise OSError("no way there")
        return json.dumps(self.issuer.key_set()).encode()

    def ask(self, token: str, path: str = "/v1/me", **headers: str) -> Any:
        return self.door.client.get(path, headers={"Authorization": f"Bearer {token}", **headers})

    def claims(self, client: str = "college-app", **more: Any) -> dict[str, Any]:
        return {**self.issuer.claims(client), **more}

    def token(self, client: str = "college-app", **more: Any) -> str:
        return self.issuer.signed(self.claims(client, **more))


@pytest.fixture(scope="session")
def local() -> LocalIssuer:
    """Making RSA keys takes a while: one issuer serves all who do not change its keys."""
    return LocalIssuer("https://issuer.example", {name: f"{name}-secret" for name in CLIENTS}, clock=lambda: NOW)


@pytest.fixture
def world(local: LocalIssuer, catalogue: Catalogue, gate: Gate, compiled: Any, tmp_path: Path) -> Iterator[World]:
    made = World(LocalIssuer(local.issuer, local.clients, clock=local.clock, keys=list(local.keys)))
    made.issuer.keys[:] = local.keys
    stated = {
        "id": "example",
        "issuer": made.issuer.issuer,
        "audience": made.issuer.audience,
        "jwks_url": URL,
        "algorithms": ["RS256", "PS256", "ES256"],
        "clients": CLIENTS,
        "pinned": {"tid": "our-tenant"},
    }
    speakers = Speakers.model_validate({"issuers": [stated]})
    made.tokens = Tokens(lambda: speakers, IssuerKeys(lambda: made.seconds[0], made.fetch))
    hearing = Hearing(lambda: KeyRing([]), Heard(lambda: 0.0), made.tokens)
    with door_on_memory(catalogue, gate, tmp_path, compiled, hearing) as made.door:
        yield made


OURS = {"tid": "our-tenant"}


def test_a_client_s_token_speaks_for_its_party_with_the_scopes_that_both_allow(world: World) -> None:
    answer = world.ask(world.token(**OURS))
    assert answer.status_code == 200 and answer.headers["hub-mode"] == "live"
    said = answer.json()
    assert (said["party"], said["principal"]) == ("northvale-college", "client:example/college-app")
    assert said["scopes"] == ["events:write", "receipts:read"]
    assert world.ask(world.token(**OURS, scope="receipts:read other")).json()["scopes"] == ["receipts:read"]
    assert world.ask(world.token("college-reader", **OURS)).json()["scopes"] == ["receipts:read"]
    assert world.ask(world.token("college-tests", **OURS)).headers["hub-mode"] == "test"


def test_events_sent_with_a_token_reach_the_log_under_the_client_s_name(world: World, withdrawal: Any) -> None:
    headers = {"Authorization": f"Bearer {world.token(**OURS)}"}
    assert world.door.client.post("/v1/events", json=withdrawal, headers=headers).status_code == 202
    (submission,) = world.door.facts("submissions")
    assert submission.fields["principal"] == "client:example/college-app" and not submission.fields["test"]


def test_a_token_without_the_scope_is_forbidden_and_not_unknown(world: World, withdrawal: Any) -> None:
    headers = {"Authorization": f"Bearer {world.token(**OURS, scope='')}"}
    assert world.door.client.post("/v1/events", json=withdrawal, headers=headers).status_code == 403


def test_the_other_algorithms_hold_too(world: World) -> None:
    assert world.ask(world.issuer.signed(world.claims(**OURS), alg="PS256")).status_code == 200
    world.issuer.rotate("EC")
    world.seconds[0] += PAUSE_SECONDS
    assert world.ask(world.token(**OURS)).status_code == 200


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(world: World) -> str:
    return f"{part({'alg': 'none', 'kid': world.issuer.keys[-1].kid})}.{part(world.claims(**OURS))}."


def signed_with_the_public_key(world: World) -> str:
    """The old trick: the public key as the secret of an HMAC."""
    key = world.issuer.keys[-1]
    content = f"{part({'alg': 'HS256', 'kid': key.kid})}.{part(world.claims(**OURS))}"
    digest = hmac.new(key.as_pem(private=False), content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def of_another_key_under_our_name(world: World) -> str:
    other = LocalIssuer(world.issuer.issuer, {})
    return other.signed(world.claims(**OURS), kid=world.issuer.keys[-1].kid)


def with_its_own_key_in_the_header(world: World) -> str:
    other = LocalIssuer(world.issuer.issuer, {})
    other.rotate("EC")
    kid = world.issuer.keys[-1].kid
    made = other.signed(world.claims(**OURS), kid=kid, jwk=other.keys[-1].as_dict(private=False))
    world.issuer.keys[:] = [ECKey.generate_key("P-256", {"kid": kid})]
    return made


def with_claims_changed(world: World) -> str:
    head, _, signature = world.token(**OURS).split(".")
    return f"{head}.{part(world.claims('college-reader', **OURS))}.{signature}"


def rs_as_es(world: World) -> str:
    _, claims, signature = world.token(**OURS).split(".")
    return f"{part({'alg': 'ES256', 'kid': world.issuer.keys[-1].kid})}.{claims}.{signature}"


BAD: dict[str, tuple[str, Callable[[World], str]]] = {
    "unsigned": ("algorithm", unsigned),
    "signed with the public key": ("algorithm", signed_with_the_public_key),
    "signature": ("signature", of_another_key_under_our_name),
    "key in header": ("signature", with_its_own_key_in_the_header),
    "claims changed": ("signature", with_claims_changed),
    "key type": ("algorithm", rs_as_es),
    "critical header": ("header", lambda w: w.issuer.signed(w.claims(**OURS), b64=True, crit=["b64"])),
    "unknown kid": ("kid", lambda w: w.issuer.signed(w.claims(**OURS), kid="nobody")),
    "audience": ("claim_aud", lambda w: w.token(**OURS, aud="api://other")),
    "no audience": ("claim_missing", lambda w: w.token(**OURS, aud=None)),
    "audience in pieces": ("claim_aud", lambda w: w.token(**OURS, aud=["api://other", "api://eet-hub/"])),
    "issuer": ("issuer", lambda w: w.token(**OURS, iss="https://issuer.example/")),
    "issuer is a list": ("issuer", lambda w: w.token(**OURS, iss=["https://issuer.example"])),
    "tenant": ("pinned", lambda w: w.token(tid="another-tenant")),
    "no tenant": ("pinned", lambda w: w.token()),
    "expired": ("expired", lambda w: w.token(**OURS, exp=NOW - 31)),
    "never expires": ("claim_missing", lambda w: w.token(**OURS, exp=None)),
    "expires at NaN": ("claim_exp", lambda w: w.token(**OURS, exp=float("nan"))),
    "not yet": ("claim_nbf", lambda w: w.token(**OURS, nbf=NOW + 31)),
    "issued tomorrow": ("claim_iat", lambda w: w.token(**OURS, iat=NOW + 86_400, exp=NOW + 86_500)),
    "lives too long": ("life", lambda w: w.token(**OURS, exp=NOW + LIFE_SECONDS_MAX + 1)),
    "client without a party": ("client", lambda w: w.token("somebody", **OURS)),
    "no client": ("client", lambda w: w.token(**OURS, azp=None)),
    "client is a list": ("client", lambda w: w.token(**OURS, azp=["college-app"])),
    "bound without a certificate": ("binding", lambda w: w.token(**OURS, cnf={"x5t#S256": "A" * 43})),
    "bound in another way": ("binding", lambda w: w.token(**OURS, cnf={"jkt": "A" * 43})),
    "binding is no object": ("binding", lambda w: w.token(**OURS, cnf="A" * 43)),
    "must be bound": ("unbound", lambda w: w.token("college-bound", **OURS)),
    "two parts": ("malformed", lambda w: "eyJhbGciOiJSUzI1NiJ9.e30"),
    "no JSON": ("malformed", lambda w: "eyJ.eyJ.eyJ"),
    "deep": ("malformed", lambda w: f"eyJ{'A' * 20}.{base64.urlsafe_b64encode(b'[' * 3_000).decode()}.AAAA"),
    "huge": ("too_long", lambda w: f"eyJ{'A' * 9_000}.AAAA.AAAA"),
    "five parts": ("malformed", lambda w: "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is_not_whole_and_ours_is_nobody_s_and_the_answer_is_the_same(world: World, what: str) -> None:
    reason, make = BAD[what]
    token = make(world)
    answer, plain = world.ask(token), world.door.client.get("/v1/me")
    for_the_log = world.tokens.holder(token, RECEIVED, None)
    assert isinstance(for_the_log, Nobody) and for_the_log.reason == reason
    assert answer.status_code == 401, what
    assert (answer.content, dict(answer.headers)) == (plain.content, dict(plain.headers))
    assert all(url == URL for url in world.fetched), "nothing is fetched from where a token says"


@pytest.mark.parametrize("more", [{"jkt": "A" * 43}, {}])
def test_a_binding_that_can_t_be_proved_is_not_passed_over_where_a_certificate_is_shown(
    world: World, more: dict[str, str]
) -> None:
    shown = b"the certificate of the connection"
    right = world.token(**OURS, cnf={"x5t#S256": thumbprint(shown)})
    assert isinstance(world.tokens.holder(right, RECEIVED, shown), Principal)
    for binding in ({"x5t#S256": thumbprint(shown), "kid": "another"}, more):
        found = world.tokens.holder(world.token(**OURS, cnf=binding), RECEIVED, shown)
        assert isinstance(found, Nobody) and found.reason == "binding"


def test_a_little_difference_between_clocks_is_allowed(world: World) -> None:
    assert world.ask(world.token(**OURS, exp=NOW - 29, iat=NOW - 600)).status_code == 200
    assert world.ask(world.token(**OURS, nbf=NOW + 29, iat=NOW + 29)).status_code == 200


def test_a_new_key_is_found_and_a_withdrawn_one_stops_to_count(world: World) -> None:
    old = world.token(**OURS)
    assert world.ask(old).status_code == 200
    world.issuer.rotate("EC")
    world.seconds[0] += PAUSE_SECONDS
    assert world.ask(world.token(**OURS)).status_code == world.ask(old).status_code == 200
    world.issuer.withdraw()
    world.seconds[0] += 601
    assert world.ask(world.token(**OURS)).status_code == 200
    assert world.ask(old).status_code == 401


def test_tokens_with_unknown_keys_can_t_be_used_to_hammer_the_issuer(world: World) -> None:
    assert world.ask(world.token(**OURS)).status_code == 200
    for number in range(50):
        assert world.ask(world.issuer.signed(world.claims(**OURS), kid=f"made-up-{number}")).status_code == 401
    assert len(world.fetched) == 1
    world.seconds[0] += PAUSE_SECONDS
    for number in range(50):
        world.ask(world.issuer.signed(world.claims(**OURS), kid=f"made-up-{number}"))
    assert len(world.fetched) == 2


def test_while_the_issuer_is_away_its_known_keys_count_for_some_hours(world: World) -> None:
    assert world.ask(world.token(**OURS)).status_code == 200
    world.away = True
    world.seconds[0] += 5 * 3600
    assert world.ask(world.token(**OURS)).status_code == 200
    world.seconds[0] += 2 * 3600
    answer = world.ask(world.token(**OURS))
    assert answer.status_code == 503 and answer.headers["retry-after"] == "30"


def test_an_issuer_that_never_answered_is_asked_seldom_and_the_token_may_come_again(world: World) -> None:
    world.away = True
    assert [world.ask(world.token(**OURS)).status_code for _ in range(5)] == [503] * 5
    assert len(world.fetched) == 1
    world.away, world.seconds[0] = False, PAUSE_SECONDS
    assert world.ask(world.token(**OURS)).status_code == 200


def test_who_has_usable_keys_does_not_wait_for_the_one_that_fetches_new_ones(world: World, local: LocalIssuer) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(url: str) -> bytes:
        begun.set()
        assert go.wait(20)
        return world.fetch(url)

    (issuer,) = world.tokens.speakers().issuers
    keys, kid = IssuerKeys(lambda: world.seconds[0], slow), str(local.keys[-1].kid)
    go.set()
    assert keys.find(issuer, kid) is not None
    go.clear()
    begun.clear()
    world.seconds[0] += 601
    thread = threading.Thread(target=keys.find, args=(issuer, kid), daemon=True)
    thread.start()
    assert begun.wait(20)
    assert keys.find(issuer, kid) is not None, "while the other one still fetches"
    assert keys.find(issuer, "unknown") is None and len(world.fetched) == 1
    go.set()
    thread.join(20)
    assert len(world.fetched) == 2
