"""Keys are given, changed and taken back by command, and a running door knows it within seconds."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub import key_commands
from hub.__main__ import app
from spine.clock import local_date, now
from spine.who.keys import KeyRing
from spine.who.principal import Nobody, Principal
from spine.who.watched import LOOK_SECONDS, Watched

MOMENT = now()
TODAY = local_date(MOMENT)
PARTY = "northvale-college"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "api_keys.yaml"
    monkeypatch.setenv("HUB_API_KEYS", str(path))
    # A run may begin before midnight and get here after it.
    monkeypatch.setattr(key_commands, "now", lambda: MOMENT)
    return path


def keys(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["keys", *words, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.output)


def holder(file: Path, key: str, on: date = TODAY) -> Principal | Nobody:
    return KeyRing.of_file(file).holder(key, on)


def test_a_key_is_shown_once_and_the_file_holds_its_hash_for_the_owner_s_eyes(file: Path) -> None:
    made = keys("add", "--party", PARTY)
    assert holder(file, made["api_key"]) == Principal(
        PARTY, f"key:{PARTY}-1", "live", frozenset({"events:write", "receipts:read"})
    )
    assert made["api_key"] not in file.read_text() and file.stat().st_mode & 0o077 == 0
    (shown,) = keys("list")
    assert shown["key_id"] == f"{PARTY}-1" and shown["state"] == "counts" and "api_key" not in shown


def test_the_mode_and_the_scopes_are_the_key_s_and_a_sandbox_key_always_ends(file: Path) -> None:
    made = keys("add", "--party", PARTY, "--mode", "sandbox", "--scope", "receipts:read")
    found = holder(file, made["api_key"])
    assert isinstance(found, Principal) and found.test and found.mode == "sandbox" and found.scopes == {"receipts:read"}
    assert made["until"] == str(TODAY + timedelta(days=30))
    assert isinstance(holder(file, made["api_key"], TODAY + timedelta(days=31)), Nobody)


def test_after_a_rotation_both_count_until_the_day_and_then_only_the_new_one(file: Path) -> None:
    old = keys("add", "--party", PARTY)["api_key"]
    day = TODAY + timedelta(days=3)
    made = keys("rotate", f"{PARTY}-1", "--keep-until", str(day))
    assert (made["replaces"], made["old_counts_until"]) == (f"{PARTY}-1", str(day))
    assert isinstance(holder(file, old, day), Principal) and isinstance(holder(file, made["api_key"], day), Principal)
    later = day + timedelta(days=1)
    assert holder(file, old, later) == Nobody("key", "expired", f"key:{PARTY}-1", PARTY)
    assert isinstance(holder(file, made["api_key"], later), Principal)


def test_a_rotation_never_lets_the_old_key_count_longer_than_it_did(file: Path) -> None:
    ends = str(TODAY + timedelta(days=2))
    keys("add", "--party", PARTY, "--until", ends)
    keys("rotate", f"{PARTY}-1", "--keep-until", str(TODAY + timedelta(days=9)))
    assert keys("list")[0]["until"] == ends


def test_a_revoked_key_counts_no_longer_its_name_stays_taken_and_it_can_t_be_rotated(file: Path) -> None:
    gone = keys("add", "--party", PARTY)["api_key"]
    assert keys("revoke", f"{PARTY}-1")["state"] == "revoked"
    assert holder(file, gone) == Nobody("key", "revoked", f"key:{PARTY}-1", PARTY)
    assert keys("add", "--party", PARTY)["key_id"] == f"{PARTY}-2"
    assert "no longer counts" in keys("rotate", f"{PARTY}-1", code=1)["error"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "--party", "nobody"), 2),
        (("add", "--party", PARTY, "--mode", "prod"), 2),
        (("add", "--party", PARTY, "--scope", "everything"), 2),
        (("add", "--party", PARTY, "--until", "2020-01-01"), 2),
        (("rotate", "no-such-key"), 1),
        (("rotate", "no-such-key", "--keep-until", "2020-01-01"), 2),
        (("revoke", "no-such-key"), 1),
    ],
)
def test_what_can_t_be_done_is_said_and_changes_nothing(file: Path, words: tuple[str, ...], code: int) -> None:
    keys("add", "--party", PARTY)
    before = file.read_bytes()
    assert keys(*words, code=code)["error"]
    assert file.read_bytes() == before


def test_a_file_with_faults_is_not_written_over(file: Path) -> None:
    file.write_text("keys: [{party: p, key_id: k, sha256: zz, mode: prod}]")
    said = keys("add", "--party", PARTY, code=1)["error"]
    assert "sha256" in said and "mode" in said, "every fault at once"
    assert file.read_text().startswith("keys: [{party: p")


def test_two_who_write_at_once_lose_no_key(file: Path) -> None:
    from hub import key_file

    scopes = frozenset({"events:write"})
    threads = [
        threading.Thread(target=key_file.add, args=(file, party, "live", scopes, None))
        for party in ("a", "b", "c", "a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(entry.key_id for entry in key_file.read(file)) == ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2"]


def test_a_running_door_reads_the_ring_again_and_a_broken_file_leaves_the_old_one(file: Path) -> None:
    first = keys("add", "--party", PARTY)["api_key"]
    seconds = [0.0]
    ring = Watched(file, KeyRing.of_file, lambda: seconds[0])
    second = keys("add", "--party", PARTY)["api_key"]
    assert isinstance(ring().holder(second, TODAY), Nobody), "not looked at yet"
    seconds[0] += LOOK_SECONDS
    assert isinstance(ring().holder(second, TODAY), Principal)
    keys("revoke", f"{PARTY}-1")
    seconds[0] += LOOK_SECONDS
    assert isinstance(ring().holder(first, TODAY), Nobody)
    file.write_text("keys: [oh no")
    seconds[0] += LOOK_SECONDS
    assert isinstance(ring().holder(second, TODAY), Principal)
    file.unlink()
    seconds[0] += LOOK_SECONDS
    assert isinstance(ring().holder(second, TODAY), Principal)
