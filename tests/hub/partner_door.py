"""A real HTTP door on loopback, with ingest behind it, for everything that a partner runs on the other side."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn

from hub.sharing import SharingPolicy, compile_policy
from services.ingest.agent import processor
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.journal import MemoryJournal, Position
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Fact
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Limits, SetAside, step
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import SCOPES, Mode
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard
from tests.ingest.conftest import RECEIVED, TOPICS, _write_head, facts_of

KINDS: tuple[tuple[str, Mode], ...] = (("-key", "live"), ("-test-key", "test"))
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class RealDoor:
    """``requests``: (method, path, bytes) of everything that came. ``answers_first``: statuses given instead of the
    door's own, once each, in order, before the door sees anything (0: the door's own). Party P has the keys P-key and
    P-test-key."""

    url: str
    port: int
    log: MemoryLog
    journal: MemoryJournal
    catalogue: Catalogue
    run: Any
    requests: list[tuple[str, str]] = field(default_factory=list)
    answers_first: list[int] = field(default_factory=list)

    def answers_after(self, requests: int, statuses: list[int]) -> None:
        """As ``answers_first``, once that many requests have come through."""
        self.answers_first[:] = [0] * requests + statuses

    def facts(self, topic: str) -> list[Fact]:
        return facts_of(self.log, self.catalogue, topic)


@contextmanager
def real_door(folder: Path, *, port: int = 0, now: datetime = RECEIVED, live: bool = False) -> Iterator[RealDoor]:
    """``live``: ingest reads what came on its own, as in a running hub; otherwise ``run()`` makes it."""
    compiled, catalogue = _compiled(), _catalogue()
    sealer, contracts = Sealer(bytes(range(32))), folder / "contracts"
    _write_head(contracts, compiled)
    log, journal = MemoryLog(TOPICS, catalogue.frame), MemoryJournal()
    ingest, aside = processor(catalogue, contracts, sealer, 1), SetAside(Limits())
    policy = parse_policy(compiled.content, compiled.policy_hash)
    gate = Gate(policy, type_specs(catalogue.sources))
    lock = threading.Lock()

    def run() -> None:
        with lock:
            held = journal.positions("submissions")
            positions = {("submissions", n): held.get(("submissions", n), Position(0)).next for n in range(2)}
            step(log.read(positions, 100_000), ingest, journal, catalogue, aside)
            publish(journal, log)

    keys = KeyRing(
        ApiKey(party, f"{party}{word}", hashlib.sha256(f"{party}{word}".encode()).digest(), mode, None, SCOPES)
        for party in sorted(policy.kinds)
        for word, mode in KINDS
    )
    hearing = Hearing(lambda: keys, Heard(time.monotonic))
    appender = Appender(log)
    desk = Desk(Door(sealer, catalogue), gate, appender, JournalReceipts(journal), Recent())
    app: Any = create_app(Api(desk, hearing, Rate(PartyLimits(100_000, 100_000), time.monotonic), lambda: now))
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    door = RealDoor(f"http://127.0.0.1:{port}", port, log, journal, catalogue, run)
    server = uvicorn.Server(uvicorn.Config(_watched(app, door, live), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        appender.close()


@cache
def _compiled() -> SharingPolicy:
    return compile_policy(ROOT / "contracts")


@cache
def _catalogue() -> Catalogue:
    return Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())


def _watched(app: Any, door: RealDoor, live: bool) -> Any:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        door.requests.append((scope["method"], scope["path"]))
        status = door.answers_first.pop(0) if door.answers_first else 0
        if status:
            await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"7")]})
            await send({"type": "http.response.body", "body": b"not now"})
            return
        if live and scope["method"] == "GET":
            door.run()
        await app(scope, receive, send)

    return asgi
