"""Whatever is shown at the door: it is somebody, or nobody, and never a fault of the hub."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from hub.issuer.local import LocalIssuer
from spine.who.certificates import of_header, read_certificate
from spine.who.issuer_keys import IssuerKeys, read_key_set
from spine.who.keys import KeyRing
from spine.who.principal import Nobody, Principal
from spine.who.speakers import Speakers
from spine.who.tokens import Tokens, is_token
from spine.who.webhooks import Secrets, Signed

AT = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)
NOW = int(AT.timestamp())
many = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "azp", "scope", "tid", "cnf", "sub", "jti", "validate", "options")
JWK = ("kty", "kid", "n", "e", "x", "y", "crv", "use", "alg")
HEADERS = ("alg", "kid", "typ", "jku", "x5u", "x5c", "jwk", "b64", "zip", "enc", "cty")


@cache
def world() -> tuple[LocalIssuer, Tokens]:
    key = ECKey.generate_key("P-256", {"kid": "one"})
    local = LocalIssuer("https://issuer.example", {}, clock=lambda: NOW)
    local.keys[:] = [key]
    stated = {"id": "i", "issuer": local.issuer, "audience": local.audience, "jwks_url": "https://issuer.example/keys"}
    clients = {"app": {"party": "northvale-college", "mode": "live"}}
    stated |= {"algorithms": ["ES256"], "clients": clients, "pinned": {"tid": "ours"}}
    speakers = Speakers.model_validate({"issuers": [stated]})
    return local, Tokens(lambda: speakers, IssuerKeys(lambda: 0.0, lambda url: json.dumps(local.key_set()).encode()))


@many
@given(st.dictionaries(st.sampled_from(CLAIMS), values, max_size=4))
@example({"cnf": {"x5t#S256": None}})
@example({"exp": 10**400})
@example({"iat": -(10**400)})
def test_claims_of_any_shape_under_a_good_signature_are_somebody_or_nobody(strange: dict[str, Any]) -> None:
    local, tokens = world()
    token = local.signed({**local.claims("app"), "tid": "ours", **strange})
    for certificate in (None, b"shown"):
        found = tokens.holder(token, AT, certificate)
        if not isinstance(found, Nobody):
            assert strange.get("tid", "ours") == "ours" and strange.get("azp", "app") == "app"
            assert strange.get("cnf") is None and strange.get("iss", local.issuer) == local.issuer


@many
@given(st.dictionaries(st.sampled_from(HEADERS), values, max_size=4), st.binary(max_size=80))
def test_a_header_of_any_shape_over_a_made_up_signature_is_nobody_s(strange: dict[str, Any], signature: bytes) -> None:
    local, tokens = world()
    parts = [{"alg": "ES256", "kid": "one", **strange}, {**local.claims("app"), "tid": "ours"}]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    encoded.append(base64.urlsafe_b64encode(signature).rstrip(b"=").decode())
    assert isinstance(tokens.holder(".".join(encoded), AT, None), Nobody)


@many
@given(st.text(max_size=200) | st.from_regex(r"eyJ[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_text_of_any_kind_is_no_key_and_no_token(text: str) -> None:
    _, tokens = world()
    assert isinstance(tokens.holder(text, AT, None), Nobody)
    assert is_token(text) in (True, False)
    assert isinstance(KeyRing([]).holder(text, AT.date()), Nobody)


@many
@given(st.binary(max_size=300), st.text(max_size=100))
@example(b"", ":" + base64.b64encode(b"\x30\x03\x02\x01\x01").decode() + ":")
def test_bytes_of_any_kind_are_no_certificate(der: bytes, header: str) -> None:
    assert read_certificate(der) is None
    found = of_header([header])
    assert found is None or read_certificate(found) is None


@many
@given(st.text(max_size=30), st.text(max_size=15), st.text(max_size=80), st.text(max_size=20), st.binary(max_size=50))
@example("msg_1", str(NOW), "v1,", "northvale-college", b"")
@example("msg_1", "9" * 12, "v1,AAAA v1,é", "northvale-college", b"")
def test_headers_of_any_kind_are_no_signature(identity: str, at: str, signature: str, party: str, body: bytes) -> None:
    signed = Signed.of_headers(identity, at, signature)
    if signed is not None:
        assert not isinstance(Secrets().holder(party, signed, body, AT), Principal)


@many
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["kty", "kid", "n", "e", "x", "y", "crv", "use", "alg"]), values), max_size=4
    )
)
@example([{"kty": "EC", "kid": "a", "crv": "P-256", "x": "AA", "y": "AA"}])
@example([{"kty": "RSA", "kid": "a", "n": "", "e": ""}])
def test_a_key_set_of_any_shape_gives_no_key_that_is_none(entries: list[dict[str, Any]]) -> None:
    assert read_key_set(json.dumps({"keys": entries}).encode()) == {}
