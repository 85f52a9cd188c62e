"""The issuer to try tokens with, over HTTP, and the file of speakers under which a door believes one."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hub.__main__ import app
from hub.issuer.local import LocalIssuer, create_app, speakers_of
from spine.who.issuer_keys import IssuerKeys, fetch_url, read_key_set
from spine.who.principal import Principal
from spine.who.speakers import Speakers, read_speakers
from spine.who.tokens import Tokens
from spine.who.webhooks import Secrets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    listener = socket.create_server(("127.0.0.1", 0))
    local = LocalIssuer(f"http://127.0.0.1:{listener.getsockname()[1]}", {"app": "the-secret"})
    server = uvicorn.Server(uvicorn.Config(create_app(local), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield local
    server.should_exit = True
    thread.join(10)
    listener.close()


def ask(issuer: LocalIssuer, **form: str) -> httpx2.Response:
    return httpx2.post(f"{issuer.issuer}/token", data={"grant_type": "client_credentials", **form}, timeout=10)


def test_a_client_gets_a_token_that_a_door_believes_after_fetching_the_keys(issuer: LocalIssuer) -> None:
    speakers = Speakers.model_validate(speakers_of(issuer, {"app": "northvale-college"}))
    tokens = Tokens(lambda: speakers, IssuerKeys(time.monotonic))
    token = ask(issuer, client_id="app", client_secret="the-secret").json()["access_token"]
    found = tokens.holder(token, datetime.now(UTC), None)
    assert isinstance(found, Principal) and (found.party, found.mode) == ("northvale-college", "test")


def test_without_the_secret_there_is_no_token(issuer: LocalIssuer) -> None:
    assert ask(issuer, client_id="app", client_secret="wrong").status_code == 401
    assert ask(issuer, client_id="nobody", client_secret="").status_code == 401
    assert ask(issuer, client_id="app", client_secret="the-secret", grant_type="password").status_code == 400
    basic = httpx2.post(
        f"{issuer.issuer}/token", data={"grant_type": "client_credentials"}, auth=("app", "the-secret"), timeout=10
    )
    assert basic.status_code == 200


def test_keys_are_taken_from_a_plain_answer_only(issuer: LocalIssuer) -> None:
    assert read_key_set(fetch_url(f"{issuer.issuer}/keys"))
    for url in (f"{issuer.issuer}/keys/", f"{issuer.issuer}/token"):
        with pytest.raises(ValueError, match="no key set"):
            fetch_url(url)


def test_keys_may_lie_in_a_file_beside_the_file_of_speakers(tmp_path: Path) -> None:
    at = int(time.time())
    local = LocalIssuer("https://issuer.example", {"app": "s"}, clock=lambda: at)
    stated = speakers_of(local, {"app": "northvale-college"})
    del stated["issuers"][0]["jwks_url"]
    stated["issuers"][0]["jwks_file"] = "keys.json"
    (tmp_path / "speakers.yaml").write_text(json.dumps(stated))
    (tmp_path / "keys.json").write_text(json.dumps(local.key_set()))
    speakers, seconds = read_speakers(tmp_path / "speakers.yaml"), [0.0]
    tokens = Tokens(lambda: speakers, IssuerKeys(lambda: seconds[0]))
    old = local.token("app", "s") or ""
    assert isinstance(tokens.holder(old, datetime.now(UTC), None), Principal)
    local.rotate("EC")
    local.withdraw()
    (tmp_path / "keys.json").write_text(json.dumps(local.key_set()))
    seconds[0] += 3
    assert isinstance(tokens.holder(local.token("app", "s") or "", datetime.now(UTC), None), Principal)
    assert not isinstance(tokens.holder(old, datetime.now(UTC), None), Principal)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"keys": {}}', b"x" * 300_000, b'{"keys":' + b"[" * 200_000])
def test_what_is_no_key_set_is_said(raw: bytes) -> None:
    with pytest.raises(ValueError):
        read_key_set(raw)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_only_public_signing_keys_of_good_size_are_used() -> None:
    from joserfc.jwk import ECKey, OctKey, RSAKey

    good = RSAKey.generate_key(2048, {"kid": "good"})
    entries: list[Any] = [
        good.as_dict(private=False),
        RSAKey.generate_key(2048, {"kid": "private"}).as_dict(private=True),
        RSAKey.generate_key(1024, {"kid": "small"}).as_dict(private=False),
        RSAKey.generate_key(2048, {"kid": "for encryption", "use": "enc"}).as_dict(private=False),
        ECKey.generate_key("P-521", {"kid": "another curve"}).as_dict(private=False),
        OctKey.generate_key(256, {"kid": "shared"}).as_dict(private=True),
        {**good.as_dict(private=False), "kid": None},
        {"kty": "RSA", "kid": "torn", "n": "AQAB"},
        "no key",
    ]
    assert set(read_key_set(json.dumps({"keys": entries}).encode())) == {"good"}


def test_the_command_shows_secrets_once_and_writes_a_file_of_speakers(tmp_path: Path) -> None:
    path = tmp_path / "speakers.yaml"
    words = ["issuer", "--client", "app=northvale-college", "--speakers", str(path), "--seconds", "0.2", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    said = json.loads(result.output)
    assert set(said["clients"]) == {"app"} and said["clients"]["app"] not in path.read_text()
    (stated,) = read_speakers(path).issuers
    assert stated.issuer == said["issuer"] and stated.clients["app"].mode == "test"
    assert CliRunner().invoke(app, ["issuer", "--client", "app=nobody", "--json"]).exit_code == 2


def examples() -> dict[str, Any]:
    """The YAML of docs/partner-door.md, by its first word."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "partner-door.md").read_text(), re.DOTALL)
    return {text.partition(":")[0]: text for text in blocks}


def test_the_files_that_the_guide_shows_can_be_read(tmp_path: Path) -> None:
    shown = examples()
    (tmp_path / "speakers.yaml").write_text(shown["issuers"].replace("# proxy:", "proxy:").replace("#   ", "  "))
    speakers = read_speakers(tmp_path / "speakers.yaml")
    assert speakers.issuers and speakers.certificates and speakers.proxy is not None
    parties = set(YAML(typ="safe").load(ROOT / "contracts" / "parties.yaml")["parties"])
    assert {client.party for client in speakers.issuers[0].clients.values()} <= parties
    (tmp_path / "secrets.yaml").write_text(shown["secrets"])
    Secrets.of_file(tmp_path / "secrets.yaml")


def test_a_token_as_entra_makes_them_speaks_with_its_roles_for_the_client_in_the_guide_s_file(tmp_path: Path) -> None:
    path = tmp_path / "speakers.yaml"
    path.write_text(examples()["issuers"])
    (entra,) = read_speakers(path).issuers
    local = LocalIssuer(entra.issuer, {}, audience=entra.audience)
    keys = IssuerKeys(time.monotonic, lambda url: json.dumps(local.key_set()).encode())
    tokens = Tokens(lambda: read_speakers(path), keys)

    def heard(**more: Any) -> Any:
        client = next(iter(entra.clients))
        app = {"azp": client, "oid": "a", "roles": ["Events.Write", "Other"], "ver": "2.0", **entra.pinned}
        plain = {name: local.claims(client)[name] for name in ("iss", "aud", "iat", "nbf", "exp")}
        return tokens.holder(local.signed({**plain, **app, **more}), datetime.now(UTC), None)

    found = heard()
    assert isinstance(found, Principal) and (found.party, found.scopes) == ("northvale-college", {"events:write"})
    assert heard(roles=[]).scopes == heard(roles=None).scopes == frozenset()
    assert heard(roles="Events.Write Receipts.Read").scopes == {"events:write", "receipts:read"}
    assert heard(roles=[["Events.Write"]]).scopes == frozenset()
    for more in ({"tid": "another"}, {"azp": "another"}, {"azp": None, "appid": next(iter(entra.clients))}):
        assert not isinstance(heard(**more), Principal)


ISSUER = {"id": "i", "issuer": "https://i.example", "audience": "a", "jwks_url": "https://i.example/k", "clients": {}}


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"issuers": [{**ISSUER, "algorithms": ["HS256"]}]}, ["algorithms"]),
        ({"issuers": [{**ISSUER, "algorithms": ["none"]}]}, ["algorithms"]),
        ({"issuers": [{**ISSUER, "jwks_url": "http://i.example/k"}]}, ["https"]),
        ({"issuers": [{**ISSUER, "jwks_file": "keys.json"}]}, ["jwks_url or jwks_file"]),
        ({"issuers": [{**ISSUER, "issuer": "https://login.microsoftonline.com/t/v2.0"}]}, ["tid"]),
        ({"issuers": [{**ISSUER, "issuer": "https://sts.windows.net/t/"}]}, ["tid"]),
        ({"issuers": [ISSUER, {**ISSUER, "audience": "b"}]}, ["issuer id i", "twice"]),
        ({"issuers": [{**ISSUER, "audiance": "a"}], "certs": []}, ["audiance", "certs"]),
        (
            {"issuers": [{**ISSUER, "clients": {"c": {"party": "p", "mode": "prod", "scopes": ["all"]}}}]},
            ["mode", "scopes"],
        ),
        ({"certificates": [{"id": "c", "party": "p", "mode": "live", "san_dns": "a", "sha256": "00"}]}, ["sha256"]),
        ({"certificates": [{"id": n, "party": "p", "mode": "live", "san_dns": "a"} for n in "cd"]}, ["twice"]),
        ({"proxy": {"addresses": ["somewhere"]}}, ["proxy.addresses"]),
        ({"proxy": {"addresses": []}}, ["proxy.addresses"]),
        ([], ["at"]),
    ],
)
def test_a_file_of_speakers_with_faults_names_them_all(tmp_path: Path, stated: Any, words: list[str]) -> None:
    path = tmp_path / "speakers.yaml"
    path.write_text(json.dumps(stated))
    with pytest.raises(ValueError) as fault:
        read_speakers(path)
    assert all(word in str(fault.value) for word in words), str(fault.value)
