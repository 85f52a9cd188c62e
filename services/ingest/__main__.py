"""``python -m services.ingest run | http | kafka | files | sftp``: the gate, and the doors. ``replay``: the child of
``hub replay``.

``door`` is another name of ``http``. Settings of the HTTP door: HUB_HTTP_HOST, HUB_HTTP_PORT, HUB_RATE_EVENTS (events a
second for each party without limits of its own), HUB_SIMULATED_CLOCK=1 (demo: believe the header Hub-Simulated-Time);
who may speak, and TLS: spine/who/settings.py. Files door: services/ingest/channels/files/run.py.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import uvicorn

from services.ingest.agent import (
    Gates,
    Opener,
    build_name,
    gate_of,
    processor,
    root_of_environment,
    sealer_of_environment,
)
from services.ingest.channels.appender import Appender
from services.ingest.channels.day_keys import PostgresDays, Rounds, readable_days
from services.ingest.channels.desk import Desk
from services.ingest.channels.files.run import files, sftp
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.kafka_door import SERVICE, PartnerCatalogue, PartnerDoor, partner_topics
from services.ingest.channels.live import LiveGate
from services.ingest.channels.quarantine import Quarantine
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.channels.redriving import Redriving, alone_max
from services.ingest.days import ROOT_REF, DailySealer, ReadDays
from services.ingest.door import Door
from spine import traces
from spine.clock import now
from spine.health import HealthServer
from spine.host import Running
from spine.ledger.settings import watch_of
from spine.ledger.watch import WatchedLog
from spine.progress import Progress
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.service import prepare, serve
from spine.settings import Settings
from spine.step import Processor
from spine.telemetry import log, setup
from spine.who.settings import hearing_of, rate_of, tls_of
from spine.who.tls import serving


def http() -> None:
    """The HTTP door, until SIGTERM; requests that have begun are answered."""
    setup(SERVICE)
    traces.begin("door")
    prepared = prepare("ingest", ("submissions",))
    gates = Gates(prepared.catalogue, prepared.settings.contracts)
    gate = LiveGate(prepared.journal, gates, time.monotonic)
    progress = Progress(state="running")
    appender = Appender(WatchedLog(prepared.log, watch_of(prepared.settings)), progress.alive)
    sealer, receipts = sealer_of_environment(), JournalReceipts(prepared.journal)
    desk = Desk(Door(sealer, prepared.catalogue), gate, appender, receipts, Recent())
    redriving = Redriving(
        Quarantine(prepared.log, prepared.catalogue, receipts),
        Opener(sealer, prepared.catalogue),
        prepared.catalogue,
        gate,
        appender,
        alone_max(prepared.settings.contracts),
    )
    hearing = hearing_of(os.environ, time.monotonic)
    rate = rate_of(os.environ, prepared.settings.contracts, time.monotonic)
    api = Api(desk, hearing, rate, now, os.environ.get("HUB_SIMULATED_CLOCK") == "1", redriving)
    health = HealthServer(progress, prepared.settings.health_port, prepared.settings.health_host)
    health.start()
    host, port = os.environ.get("HUB_HTTP_HOST", "127.0.0.1"), int(os.environ.get("HUB_HTTP_PORT", "8080"))
    log().info("started", host="http", topics=["submissions"], port=port)
    # uvicorn raises the signal again when it has stopped in order; without this the process would die of it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.run(create_app(api), host=host, port=port, **serving(tls_of(os.environ)))
    finally:
        appender.close()
        health.stop()
        prepared.close()
        traces.end()
        log().info("stopped", code=0)


def kafka() -> None:
    """The Kafka door: a processor over the topics of all partners."""

    def factory(catalogue: Catalogue, contracts: Path) -> Processor:
        gate = gate_of(catalogue, contracts)
        parties = [name for name, kind in gate.policy.kinds.items() if kind != "hub"] if gate.policy else []
        if not parties:
            raise RuntimeError("no sharing policy is compiled: run `hub contracts build`")
        door = Door(sealer_of_environment(), catalogue)
        topics, admit = partner_topics(parties), watch_of(Settings()).check
        return PartnerDoor(door, now, build_name(), gate.policy_hash, topics, admit=admit)

    def before(running: Running) -> None:
        running.catalogue = PartnerCatalogue(running.catalogue)

    serve(SERVICE, factory, before=before)


def run() -> None:
    """The gate; beside it, keys of days are made ahead and destroyed in time."""
    settings = Settings()

    def before(running: Running) -> Rounds:
        days = PostgresDays(settings.postgres.get_secret_value(), root_of_environment())
        return Rounds(days, readable_days(settings.contracts))

    serve("ingest", processor, before=before)


def replay() -> None:
    """The gate on recorded submissions. Keys of days are handed to it, for it has no database."""
    # Imported only where it is used: a service that runs has nothing to do with it.
    from spine.replay import PipedKeys
    from spine.replay import serve as serve_replay

    def factory(catalogue: Catalogue, contracts: Path) -> Processor:
        keys = catalogue.keys
        assert isinstance(keys, PipedKeys)
        root = keys.handed([ROOT_REF])[ROOT_REF]
        assert root is not None
        return processor(catalogue, contracts, DailySealer(Sealer(root), ReadDays(keys.handed)))

    sys.exit(serve_replay(factory))


COMMANDS = {
    "run": run,
    "replay": replay,
    "http": http,
    "door": http,
    "kafka": kafka,
    "files": files,
    "sftp": sftp,
}


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.stderr.write("usage: python -m services.ingest run | http | kafka | files | sftp | replay\n")
        return 2
    COMMANDS[sys.argv[1]]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
