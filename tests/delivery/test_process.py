"""Delivery and console as processes: an alert on Kafka becomes a mail, a row in the inbox and an action back."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.machine.ports import free_ports
from hub.topics import ensure_topics
from hub.topics.contract import parties_of
from spine.kafka import KafkaLog
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate_keystore
from spine.record import Effect
from spine.schema import Catalogue
from spine.step import encode_effects

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
KEK = bytes(range(32))
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
WORKER = {"role": "inclusion-team", "team": "inclusion-south", "worker": "w-4401"}


def port() -> int:
    (number,) = free_ports(1)
    return number


def until(what: Callable[[], Any], seconds: int = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def catalogue(fresh_database: str) -> Iterator[Catalogue]:
    """The services' schemas and keys."""
    migrate_keystore(fresh_database)
    with closing(PostgresKeys(fresh_database, LocalKek(KEK))) as keys:
        yield Catalogue([ROOT / "schemas" / "avro"], keys)


@pytest.fixture
def processes(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    ensure_topics(kafka_bootstrap, ROOT / "contracts" / "topics.yaml", parties_of(ROOT / "contracts"))
    smtp, pages, group = port(), port(), uuid.uuid4().hex[:8]
    settings = {
        **os.environ,
        "HUB_KAFKA": kafka_bootstrap,
        "HUB_POSTGRES": fresh_database,
        "HUB_REGISTRY": "",
        "HUB_SMTP": f"127.0.0.1:{smtp}",
        "HUB_CONSOLE_PORT": str(pages),
        "HUB_DEMO_SIGN_IN": "1",
        "HUB_KEK": base64.b64encode(KEK).decode(),
    }
    commands = [
        ("services.alerts.delivery", "sink", str(tmp_path / "mail"), str(smtp)),
        ("services.alerts.delivery", "run"),
        ("services.console", "run"),
    ]
    with ExitStack() as stack:
        for n, (module, *rest) in enumerate(commands):
            log = stack.enter_context((tmp_path / f"{n}.log").open("w"))
            more = {"HUB_GROUP": f"{module}-{group}"}
            child = subprocess.Popen([sys.executable, "-m", module, *rest], env=settings | more, stderr=log, cwd=ROOT)
            stack.callback(child.wait, timeout=60)
            stack.callback(child.send_signal, signal.SIGTERM)
        yield pages, tmp_path


def test_an_alert_becomes_a_mail_a_row_and_an_action(
    processes: tuple[int, Path], kafka_bootstrap: str, catalogue: Catalogue
) -> None:
    pages, folder = processes
    mark = uuid.uuid4().hex[:10]
    log = KafkaLog(kafka_bootstrap, catalogue.frame, source="test")
    view = {
        "headline": f"Somebody {mark} left", "lines": [], "why": [], "todo": [], "timeline": [], "withheld": [],
        "agreements": [], "policy": "",
    }  # fmt: skip
    alert = {
        "alert_id": f"a-{mark}", "rule": "A01", "person_id": f"p-{mark}", "act": "raised", "on": AT.date(), "at": AT,
        "raised_on": AT.date(), "due_on": date(2026, 11, 5), "severity": "P1", "open": True, "caused_by": "o",
        "recipients": [{**WORKER, "view": view}],
    }  # fmt: skip
    delivery = {
        **WORKER, "delivery_id": f"d-{mark}", "alert_id": f"a-{mark}", "rule": "A01", "act": "raised",
        "due_on": date(2026, 11, 5), "severity": "P1", "channel": "email", "state": "created", "attempt": 0, "at": AT,
    }  # fmt: skip
    effects = [
        Effect("alerts", f"p-{mark}", "alert.v1", alert),
        Effect("deliveries", f"a-{mark}", "delivery.v1", delivery),
    ]
    catalogue.keys.make(catalogue.needed(effects))
    log.append(encode_effects("alerts", mark, effects, catalogue))
    mails = until(lambda: [p for p in (folder / "mail").glob("*.eml") if f"d-{mark}" in p.read_text()])
    assert "You have 1 new alert" in mails[0].read_text()
    assert mark not in mails[0].read_text().replace(f"d-{mark}", "")
    with httpx2.Client(base_url=f"http://127.0.0.1:{pages}", follow_redirects=True, trust_env=False) as client:
        until(lambda: _answers(client))
        form = {"user": "inclusion-team", "csrf": _token(client.get("/sign-in").text)}
        client.post("/sign-in", data=form)
        page = until(lambda: (lambda text: text if mark in text else "")(client.get("/").text))
        ref = re.findall(r'href="/alerts/([0-9a-f]{20})">Somebody ' + mark, page)[0]
        until(lambda: "Delivered" in client.get(f"/alerts/{ref}").text)
        client.post(f"/alerts/{ref}/acknowledge", data={"csrf": _token(page)})
    act = until(lambda: _found(log, f"p-{mark}", catalogue))
    assert (act["verb"], act["alert_id"], act["worker"]) == ("acknowledge", f"a-{mark}", "w-4401")
    log.close()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx2.HTTPError:
        return False


def _token(text: str) -> str:
    return text.split('name="csrf" value="', 1)[1].split('"', 1)[0]


def _found(log: KafkaLog, person: str, catalogue: Catalogue) -> dict[str, Any] | None:
    places = {("statuses", n): log.start(("statuses", n)) for n in range(log.partitions("statuses"))}
    for record in log.read(places, 10_000, 500):
        if record.key == person and catalogue.unframe(record.value) is not None:
            return dict(catalogue.fact(record).fields)
    return None
