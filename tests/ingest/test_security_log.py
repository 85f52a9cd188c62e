"""The security log: every 401, 403 and replay with its class of reason, and nothing that was shown or sent."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from spine.telemetry import metrics, setup
from spine.who.keys import KeyRing
from spine.who.watched import LOOK_SECONDS, Watched
from tests.ingest.conftest import DoorOnMemory
from tests.ingest.test_webhooks import COLLEGE, Hook
from tests.ingest.test_webhooks import hook as hook


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    setup("ingest-door", out=out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def told(lines: io.StringIO) -> list[dict[str, Any]]:
    fixed = ("service", "timestamp", "level", "build")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [{k: v for k, v in line.items() if k not in fixed and v != ""} for line in found]


def counted(way: str, reason: str) -> float:
    name = f'hub_door_refused_total{{reason="{reason}",way="{way}"}} '
    found = [line for line in metrics().text().decode().splitlines() if line.startswith(name)]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def refused(status: int, way: str, reason: str, **more: str) -> dict[str, Any]:
    return {"event": "door_refused", "status": status, "way": way, "reason": reason, **more}


def test_an_unknown_and_an_expired_key_differ_in_the_log_alone(
    http: DoorOnMemory, withdrawal: Any, lines: io.StringIO
) -> None:
    before = counted("key", "expired")
    answers = [
        http.client.post("/v1/events", json=withdrawal, headers={"Authorization": f"Bearer {key}"})
        for key in ("CANARY-unknown", "college-old-key")
    ]
    assert answers[0].content == answers[1].content and answers[0].headers == answers[1].headers
    assert told(lines) == [
        refused(401, "key", "unknown"),
        refused(401, "key", "expired", principal="key:expired-1", party="northvale-college"),
    ]
    assert counted("key", "expired") == before + 1
    for word in ("CANARY", "college-old-key", "Khan"):
        assert word not in lines.getvalue() and word not in metrics().text().decode()


def test_a_key_that_may_not_do_this_is_a_line_of_its_own(
    http: DoorOnMemory, withdrawal: Any, lines: io.StringIO
) -> None:
    assert http.post(withdrawal, "reader").status_code == 403
    assert told(lines) == [refused(403, "key", "scope", principal="key:reader-1", party="northvale-college")]


def test_nothing_shown_and_a_token_of_nobody_are_told_without_the_token(http: DoorOnMemory, lines: io.StringIO) -> None:
    claims = base64.urlsafe_b64encode(b'{"iss":"CANARY"}').rstrip(b"=").decode()
    token = f"eyJhbGciOiJSUzI1NiJ9.{claims}.AAAA"
    http.client.get("/v1/me")
    http.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    http.client.get("/v1/me", headers={"Authorization": "Basic CANARY"})
    assert told(lines) == [
        refused(401, "none", "missing"),
        refused(401, "token", "issuer"),
        refused(401, "none", "malformed"),
    ]
    assert "CANARY" not in lines.getvalue() and token not in lines.getvalue()


def test_a_replay_is_told(hook: Hook, withdrawal: Any, lines: io.StringIO) -> None:
    body = json.dumps(withdrawal)
    headers = hook.headers(body, identity="msg_CANARY")
    assert [hook.post(body, headers).status_code for _ in range(2)] == [202, 409]
    hook.post(body, headers, "CANARY-party")
    assert told(lines) == [
        refused(409, "webhook", "replay", principal="webhook:new", party=COLLEGE),
        refused(401, "webhook", "unknown"),
    ]
    assert "CANARY" not in lines.getvalue()


def test_a_file_that_is_broken_is_told_with_its_faults_and_without_what_it_holds(
    tmp_path: Path, lines: io.StringIO
) -> None:
    path, seconds = tmp_path / "ring.yaml", [0.0]
    path.write_text("keys: []")
    ring = Watched(path, KeyRing.of_file, lambda: seconds[0])
    path.write_text("keys: [{party: p, key_id: CANARY x, sha256: CANARY, mode: CANARY}]")
    for _ in range(3):
        seconds[0] += LOOK_SECONDS
        ring()
    (line,) = told(lines)
    assert (line["event"], line["file"]) == ("door_file_broken", "ring.yaml")
    assert all(word in line["reason"] for word in ("key_id", "sha256", "mode")) and "CANARY" not in lines.getvalue()
    assert 'hub_door_file_broken{file="ring.yaml"} 1.0' in metrics().text().decode()
    path.write_text("keys: []")
    seconds[0] += LOOK_SECONDS
    ring()
    assert told(lines)[-1] == {"event": "door_file_read", "file": "ring.yaml"}
    assert 'hub_door_file_broken{file="ring.yaml"} 0.0' in metrics().text().decode()
