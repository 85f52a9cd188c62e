"""Client certificates on a real TLS connection, tokens bound to them, and a proxy that forwards them."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.applications import Starlette

from hub.issuer.local import LocalIssuer
from services.ingest.gate import Gate
from spine.schema import Catalogue
from spine.who.certificates import Certificates, authorities_of, of_connection, of_header
from spine.who.hearing import Hearing
from spine.who.issuer_keys import IssuerKeys
from spine.who.keys import KeyRing
from spine.who.principal import Nobody, Principal
from spine.who.speakers import Certificate, Speakers
from spine.who.tls import Tls, serving
from spine.who.tokens import Tokens, thumbprint
from spine.who.webhooks import Heard
from tests.ingest.authorities import DAY, Authority, Held
from tests.ingest.conftest import RECEIVED, door_on_memory

COLLEGE = x509.UniformResourceIdentifier("urn:eet-hub:party:northvale-college")
STATED: list[dict[str, Any]] = [
    {"id": "by-uri", "party": "northvale-college", "mode": "live", "san_uri": COLLEGE.value},
    {"id": "by-dns", "party": "southmere-college", "mode": "test", "san_dns": "mis.southmere.example"},
    {"id": "by-subject", "party": "jobcentre-plus", "mode": "live", "subject": "CN=jcp", "scopes": ["receipts:read"]},
]


@dataclass(slots=True)
class Place:
    """Two authorities, of which the hub trusts the first, and what its file of speakers says."""

    ours: Authority
    other: Authority
    stated: list[dict[str, Any]] = field(default_factory=lambda: [dict(one) for one in STATED])
    proxy: dict[str, Any] | None = None

    def speakers(self) -> Speakers:
        return Speakers.model_validate({"certificates": self.stated, "proxy": self.proxy})

    def certificates(self, *more: Authority) -> Certificates:
        trusted = [one for held in (self.ours, *more) for one in authorities_of(held.own.pem)]
        return Certificates(self.speakers, tuple(trusted))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Authority(tmp_path, "ours"), Authority(tmp_path, "other"))


@dataclass(slots=True)
class TlsDoor:
    """The door on a real socket."""

    url: str
    trust: Path

    def ask(self, shown: Held | None = None, path: str = "/v1/me", **headers: str) -> httpx2.Response:
        context = ssl.create_default_context(cafile=str(self.trust))
        if shown is not None:
            context.load_cert_chain(shown.pem, shown.key)
        with httpx2.Client(verify=context, timeout=10) as client:
            return client.get(f"{self.url}{path}", headers=headers)


@contextmanager
def served(app: Any, tls: Tls, trust: Path) -> Iterator[TlsDoor]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **serving(tls)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield TlsDoor(f"https://127.0.0.1:{listener.getsockname()[1]}", trust)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@dataclass(slots=True)
class Whole:
    place: Place
    door: TlsDoor
    issuer: LocalIssuer


@pytest.fixture
def whole(place: Place, catalogue: Catalogue, gate: Gate, compiled: Any, tmp_path: Path) -> Iterator[Whole]:
    at = int(RECEIVED.timestamp())
    issuer = LocalIssuer("https://issuer.example", {"app": "s"}, clock=lambda: at)
    stated = {"id": "example", "issuer": issuer.issuer, "audience": issuer.audience, "jwks_url": "https://x.example"}
    clients = {"app": {"party": "northvale-college", "mode": "test", "certificate_bound": True}}
    believed = Speakers.model_validate({"issuers": [{**stated, "clients": clients}]})
    keys = IssuerKeys(time.monotonic, lambda url: json.dumps(issuer.key_set()).encode())
    hearing = Hearing(
        lambda: KeyRing([]), Heard(time.monotonic), Tokens(lambda: believed, keys), place.certificates(), place.speakers
    )
    held = place.ours.server()
    with door_on_memory(catalogue, gate, tmp_path, compiled, hearing, now=lambda: datetime.now(UTC)) as door:
        tls = Tls(held.pem, held.key, place.ours.own.pem)
        with served(door.client.app, tls, place.ours.own.pem) as socketed:
            issuer.clock = time.time
            yield Whole(place, socketed, issuer)


def test_the_right_certificate_speaks_for_its_party(whole: Whole) -> None:
    ours = whole.place.ours
    answer = whole.door.ask(ours.issue("x", COLLEGE))
    assert answer.status_code == 200 and answer.headers["hub-mode"] == "live"
    assert answer.json()["party"] == "northvale-college" and answer.json()["principal"] == "certificate:by-uri"
    by_name = whole.door.ask(ours.issue("y", x509.DNSName("mis.southmere.example")))
    assert by_name.json()["party"] == "southmere-college" and by_name.headers["hub-mode"] == "test"
    assert whole.door.ask(ours.issue("jcp")).json()["scopes"] == ["receipts:read"]


def test_a_certificate_of_nobody_and_none_at_all_get_the_same_answer_as_a_wrong_key(whole: Whole) -> None:
    nobody = whole.door.ask(whole.place.ours.issue("nobody", x509.DNSName("nobody.example")))
    none, key = whole.door.ask(), whole.door.ask(Authorization="Bearer wrong")
    assert [answer.status_code for answer in (nobody, none, key)] == [401] * 3
    assert nobody.content == none.content == key.content
    assert whole.door.ask(path="/health").status_code == 200


@pytest.mark.parametrize("what", ["other authority", "expired", "not yet", "for servers"])
def test_a_certificate_that_does_not_hold_ends_the_connection(whole: Whole, what: str) -> None:
    ours, other = whole.place.ours, whole.place.other
    shown = {
        "other authority": lambda: other.issue("x", COLLEGE),
        "expired": lambda: ours.issue("x", COLLEGE, begins=-3 * DAY, ends=-DAY),
        "not yet": lambda: ours.issue("x", COLLEGE, begins=DAY),
        "for servers": lambda: ours.issue("x", COLLEGE, use=ExtendedKeyUsageOID.SERVER_AUTH),
    }[what]()
    with pytest.raises((httpx2.TransportError, ssl.SSLError)):
        whole.door.ask(shown)


def test_a_wrong_key_is_not_passed_over_for_the_certificate_of_the_connection(whole: Whole) -> None:
    shown = whole.place.ours.issue("x", COLLEGE)
    assert whole.door.ask(shown, Authorization="Bearer wrong").status_code == 401
    assert whole.door.ask(shown, **{"X-API-Key": "wrong"}).status_code == 401


def test_a_token_bound_to_a_certificate_counts_on_its_connection_only(whole: Whole) -> None:
    mine, another = whole.place.ours.issue("mine"), whole.place.ours.issue("another", COLLEGE)
    bound = {**whole.issuer.claims("app"), "cnf": {"x5t#S256": thumbprint(mine.der)}}
    authorization = f"Bearer {whole.issuer.signed(bound)}"
    answer = whole.door.ask(mine, Authorization=authorization)
    assert answer.status_code == 200 and answer.json()["principal"] == "client:example/app"
    assert whole.door.ask(another, Authorization=authorization).status_code == 401
    assert whole.door.ask(Authorization=authorization).status_code == 401
    plain = f"Bearer {whole.issuer.signed(whole.issuer.claims('app'))}"
    assert whole.door.ask(mine, Authorization=plain).status_code == 401, "this client's tokens must be bound"


def test_a_certificate_taken_out_of_the_file_stops_to_count_on_an_open_connection(whole: Whole) -> None:
    shown = whole.place.ours.issue("x", COLLEGE)
    context = ssl.create_default_context(cafile=str(whole.door.trust))
    context.load_cert_chain(shown.pem, shown.key)
    with httpx2.Client(verify=context, base_url=whole.door.url) as client:
        assert client.get("/v1/me").status_code == 200
        whole.place.stated[:] = whole.place.stated[1:]
        assert client.get("/v1/me").status_code == 401


def test_nobody_can_say_that_it_comes_from_the_proxy(whole: Whole) -> None:
    whole.place.proxy = {"addresses": ["10.1.0.0/16"]}
    held = whole.place.ours.issue("x", COLLEGE)
    forwarded = {"Client-Cert": encoded(held), "X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}
    assert whole.door.ask(**forwarded).status_code == 401
    whole.place.proxy = {"addresses": ["127.0.0.0/8"]}
    assert whole.door.ask(**forwarded).json()["party"] == "northvale-college"


def test_where_a_certificate_is_required_nobody_else_gets_a_connection(place: Place) -> None:
    held = place.ours.server()
    tls = Tls(held.pem, held.key, place.ours.own.pem, required=True)
    with served(Starlette(), tls, place.ours.own.pem) as door:
        assert door.ask(place.ours.issue("x")).status_code == 404
        with pytest.raises((httpx2.TransportError, ssl.SSLError)):
            door.ask()


NOW = datetime.now(UTC)


def test_by_fingerprint_one_certificate_counts_and_its_successor_does_not(place: Place) -> None:
    first, second = place.ours.issue("x"), place.ours.issue("x")
    place.stated.append({"id": "print", "party": "p", "mode": "live", "sha256": first.sha256.upper()})
    assert isinstance(place.certificates().holder(first.der, NOW), Principal)
    assert place.certificates().holder(second.der, NOW) == Nobody("certificate", "unknown")


def test_an_entry_ends_on_its_day_and_a_certificate_with_its_own(place: Place) -> None:
    held = place.ours.issue("x", COLLEGE)
    assert isinstance(place.certificates().holder(held.der, NOW), Principal)
    late = place.certificates().holder(held.der, NOW + 31 * DAY)
    assert late == Nobody("certificate", "expired", "certificate:by-uri", "northvale-college")
    place.stated[0]["expires_on"] = date(2020, 1, 1)
    assert place.certificates().holder(held.der, NOW) == late


def test_a_server_s_certificate_that_a_proxy_lets_through_speaks_for_nobody(place: Place) -> None:
    held = place.ours.issue("x", COLLEGE, use=ExtendedKeyUsageOID.SERVER_AUTH)
    found = place.certificates().holder(held.der, NOW)
    assert isinstance(found, Nobody) and found.reason == "purpose"
    assert isinstance(place.certificates().holder(place.ours.issue("y", COLLEGE, use=None).der, NOW), Principal)


def test_a_certificate_that_two_entries_name_is_nobody_s(place: Place) -> None:
    held = place.ours.issue("jcp", COLLEGE)
    assert place.certificates().holder(held.der, NOW) == Nobody("certificate", "ambiguous")


def test_of_several_authorities_one_can_t_issue_the_name_of_another_s_party(place: Place) -> None:
    ours, others = place.ours.issue("x", COLLEGE), place.other.issue("x", COLLEGE)

    def heard(held: Held) -> str:
        found = place.certificates(place.other).holder(held.der, NOW)
        return found.reason if isinstance(found, Nobody) else found.party

    assert heard(ours) == heard(others) == "authority_open", "a name alone says nothing where two may give it"
    place.stated[0]["issued_by"] = place.ours.own.pem
    assert heard(ours) == "northvale-college" and heard(others) == "authority"
    place.stated[0]["issued_by"] = place.ours.own.pem.with_name("gone.pem")
    assert heard(ours) == "authority"


def behind(place: Place, catalogue: Catalogue, gate: Gate, compiled: Any, folder: Path, address: str) -> Any:
    hearing = Hearing(lambda: KeyRing([]), Heard(lambda: 0.0), None, place.certificates(), place.speakers)
    return door_on_memory(catalogue, gate, folder, compiled, hearing, client=(address, 1), now=lambda: NOW)


def encoded(held: Held) -> str:
    return f":{base64.b64encode(held.der).decode()}:"


def escaped(held: Held) -> str:
    return quote(held.pem.read_text())


@pytest.mark.parametrize("form", [encoded, escaped])
def test_a_trusted_proxy_s_header_is_believed_and_nobody_else_s(
    place: Place, catalogue: Catalogue, gate: Gate, compiled: Any, tmp_path: Path, form: Callable[[Held], str]
) -> None:
    held, stranger = place.ours.issue("x", COLLEGE), place.other.issue("x", COLLEGE)
    with behind(place, catalogue, gate, compiled, tmp_path / "1", "10.1.2.3") as door:
        assert door.client.get("/v1/me", headers={"Client-Cert": form(held)}).status_code == 401, "off by default"
    place.proxy = {"header": "Client-Cert", "addresses": ["10.1.0.0/16"]}
    with behind(place, catalogue, gate, compiled, tmp_path / "2", "10.1.2.3") as door:
        assert door.client.get("/v1/me", headers={"Client-Cert": form(held)}).json()["party"] == "northvale-college"
        assert door.client.get("/v1/me").status_code == 401
        # Also a proxy that lets everything through gives no name to a certificate of an authority we do not know.
        assert door.client.get("/v1/me", headers={"Client-Cert": form(stranger)}).status_code == 401
        twice = [("Client-Cert", form(held)), ("Client-Cert", form(held))]
        assert door.client.get("/v1/me", headers=twice).status_code == 401
    with behind(place, catalogue, gate, compiled, tmp_path / "3", "10.2.2.3") as door:
        assert door.client.get("/v1/me", headers={"Client-Cert": form(held)}).status_code == 401
        forwarded = {"Client-Cert": form(held), "X-Forwarded-For": "10.1.2.3"}
        assert door.client.get("/v1/me", headers=forwarded).status_code == 401


@pytest.mark.parametrize("value", ["", ":", "::", ":not base64:", "-----BEGIN CERTIFICATE-----", "x" * 60_000, "%00"])
def test_a_header_that_holds_no_certificate_is_none(value: str) -> None:
    assert of_header([value]) is None
    assert of_connection([]) is None


def test_bytes_that_are_no_certificate_are_nobody_s(place: Place) -> None:
    for der in (b"", b"\x30", b"x" * 20_000):
        assert place.certificates().holder(der, NOW) == Nobody("certificate", "malformed")


def test_an_entry_says_exactly_one_name() -> None:
    plain = {"id": "x", "party": "p", "mode": "live"}
    for more in ({}, {"san_dns": "a", "subject": "CN=a"}, {"sha256": "12"}):
        with pytest.raises(ValueError, match=r"needed"):
            Certificate.model_validate({**plain, **more})
