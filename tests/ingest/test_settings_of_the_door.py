"""Which ways in the environment opens; half a setting stops the door, and says what is missing."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from spine.who.settings import hearing_of, rate_of, tls_of
from spine.who.tls import Tls, serving
from tests.ingest.authorities import Authority
from tests.ingest.conftest import CONTRACTS


def clock() -> float:
    return 0.0


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "keys.yaml").write_text("keys: []")
    stated = {"certificates": [{"id": "c", "party": "p", "mode": "live", "san_dns": "a.example"}]}
    (tmp_path / "speakers.yaml").write_text(json.dumps(stated))
    ours = Authority(tmp_path, "ours")
    server = ours.server()
    return {
        "HUB_API_KEYS": str(tmp_path / "keys.yaml"),
        "HUB_SPEAKERS": str(tmp_path / "speakers.yaml"),
        "HUB_TLS_CERT": str(server.pem),
        "HUB_TLS_KEY": str(server.key),
        "HUB_TLS_CLIENT_CA": str(ours.own.pem),
    }


def without(files: dict[str, str], *names: str, **more: str) -> dict[str, str]:
    return {name: value for name, value in {**files, **more}.items() if name not in names}


def test_with_keys_alone_there_are_no_certificates_and_no_tls(files: dict[str, str]) -> None:
    only = {"HUB_API_KEYS": files["HUB_API_KEYS"]}
    hearing = hearing_of(only, clock)
    assert hearing.certificates is None and not hearing.speakers().issuers and tls_of(only) is None
    assert rate_of({"HUB_RATE_EVENTS": "7"}, CONTRACTS, clock).limits("northvale-college").burst == 28


def test_with_everything_the_door_ends_tls_and_knows_who_signs(files: dict[str, str]) -> None:
    hearing, tls = hearing_of(files, clock), tls_of(files)
    assert hearing.certificates is not None and len(hearing.certificates.authorities) == 1
    assert isinstance(tls, Tls) and tls.client_ca is not None and not tls.required
    assert tls_of({**files, "HUB_TLS_CLIENT": "required"}) == Tls(tls.certificate, tls.key, tls.client_ca, True)


def test_what_the_server_is_given_it_understands(files: dict[str, str]) -> None:
    known = set(inspect.signature(uvicorn.run).parameters)
    assert set(serving(tls_of(files))) <= known and set(serving(None)) <= known


@pytest.mark.parametrize(
    ("left_out", "more", "words"),
    [
        (["HUB_TLS_CLIENT_CA"], {}, "HUB_TLS_CLIENT_CA"),
        (["HUB_TLS_KEY"], {}, "belong together"),
        (["HUB_TLS_CERT", "HUB_TLS_KEY"], {"HUB_TLS_CLIENT": "required"}, "needs"),
        ([], {"HUB_TLS_CLIENT": "always"}, "optional or required"),
    ],
)
def test_half_a_setting_stops_the_door(
    files: dict[str, str], left_out: list[str], more: dict[str, Any], words: str
) -> None:
    environment = without(files, *left_out, **more)
    with pytest.raises(ValueError, match=words):
        hearing_of(environment, clock)
        tls_of(environment)


def test_a_file_that_is_not_there_stops_the_door(files: dict[str, str]) -> None:
    for name in ("HUB_API_KEYS", "HUB_SPEAKERS"):
        with pytest.raises(OSError):
            hearing_of({**files, name: "/nowhere/at/all.yaml"}, clock)
    with pytest.raises(OSError):
        hearing_of({**files, "HUB_WEBHOOK_SECRETS": "/nowhere/at/all.yaml"}, clock)
