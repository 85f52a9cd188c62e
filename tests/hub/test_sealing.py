"""``hub sealing``: wrapping keys change while services run, and what is sealed stays readable."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from spine.errors import Halt
from spine.keystore import Erased, rotation
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate_keystore

pytestmark = pytest.mark.postgres
OLD, NEW = bytes(range(32)), bytes(range(1, 33))
REFS = [f"college/{n}" for n in range(30)]
NONCE = bytes(11)


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture
def url(fresh_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    migrate_keystore(fresh_database)
    monkeypatch.setenv("HUB_POSTGRES", fresh_database)
    monkeypatch.setenv("HUB_KEK", text(OLD))
    monkeypatch.setenv("HUB_HOME", str(tmp_path))
    return fresh_database


@pytest.fixture
def service(url: str) -> Iterator[PostgresKeys]:
    """A running service, with keys of two agencies made."""
    held = PostgresKeys(url, LocalKek(OLD))
    held.make([*REFS, "housing/a"])
    yield held
    held.close()


def hub(*words: str, code: int = 0) -> dict[str, Any]:
    ran = CliRunner().invoke(app, ["sealing", *words, "--json"])
    assert ran.exit_code == code, ran.output
    read = json.loads(ran.stdout)
    assert isinstance(read, dict)
    return read


def sealed(keys: PostgresKeys, ref: str = REFS[0]) -> bytes:
    return keys.key(ref).seal(NONCE, 0, b"Khan-Reid", b"e1")


def test_status_counts_the_keys_of_each_agency(service: PostgresKeys) -> None:
    service.destroy(REFS[:4])
    said = hub("status")
    assert [(a["agency"], a["keys"], a["destroyed"]) for a in said["agencies"]] == [
        ("college", 26, 4),
        ("housing", 1, 0),
    ]
    assert said["foreign"] == []


def test_an_agency_s_key_is_rotated_while_a_service_runs(service: PostgresKeys, url: str) -> None:
    before = sealed(service)
    service.destroy([REFS[1]])
    assert hub("rotate", "college") == {"agency": "college", "moved": 29}
    later = PostgresKeys(url, LocalKek(OLD))
    assert sealed(later) == before == sealed(service)
    service.make(["college/new"])
    assert sealed(later, "college/new") == sealed(service, "college/new")
    with pytest.raises(Erased):
        later.key(REFS[1])
    with psycopg.connect(url) as connection:
        numbers = connection.execute("SELECT number FROM keystore.agency_key WHERE agency = 'college'").fetchall()
    assert numbers == [(2,)]
    later.close()


def test_a_rotation_that_was_stopped_is_taken_up(
    service: PostgresKeys, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [sealed(service, ref) for ref in REFS]
    monkeypatch.setattr(rotation, "PIECE", 7)

    def stop(count: int) -> None:
        if count == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(url, LocalKek(OLD), "college", stop)
    half = PostgresKeys(url, LocalKek(OLD))
    assert [sealed(half, ref) for ref in REFS] == before
    assert hub("rotate", "college")["moved"] == 16
    after = PostgresKeys(url, LocalKek(OLD))
    assert [sealed(after, ref) for ref in REFS] == before
    assert [one.number for one in rotation.stands(url)] == [2, 1]
    half.close()
    after.close()


def test_the_key_encryption_key_is_exchanged_and_the_old_one_opens_nothing_any_more(
    service: PostgresKeys, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sealed(service)
    monkeypatch.setenv("HUB_KEK", text(NEW))
    assert hub("status", code=1)["foreign"] == [LocalKek(OLD).name]
    monkeypatch.setenv("HUB_KEK_OLD", text(OLD))
    assert hub("rewrap")["rewrapped"] == 2
    assert hub("rewrap")["rewrapped"] == 0
    assert hub("status")["foreign"] == []
    later, stale = PostgresKeys(url, LocalKek(NEW)), PostgresKeys(url, LocalKek(OLD))
    assert sealed(later) == before == sealed(service)
    with pytest.raises(Halt, match="key-encryption key"):
        stale.key(REFS[0])
    later.close()
    stale.close()


def test_a_wrong_old_key_changes_nothing(service: PostgresKeys, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEK", text(NEW))
    monkeypatch.setenv("HUB_KEK_OLD", text(bytes(32)))
    assert "nothing was changed" in hub("rewrap", code=1)["error"]
    assert [one.keks for one in rotation.stands(url)] == [(LocalKek(OLD).name,)] * 2


def test_what_is_missing_is_said_with_its_mending(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hub sealing status" in hub("rotate", "nobody", code=1)["error"]
    assert "HUB_KEK_OLD_FILE" in hub("rewrap", code=2)["error"]
    monkeypatch.delenv("HUB_KEK")
    assert "HUB_KEK_FILE" in hub("status", code=2)["error"]
