"""``python -m services.alerts.answers run``: the read API, and the references that it looks people up by.

HUB_ANSWERS_HOST and HUB_ANSWERS_PORT (8083): where it listens. Who may ask, limits and TLS: spine/who/settings.py. It
needs the key-encryption key, to read the references that parties give.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from ruamel.yaml import YAML

from services.alerts.answers import people
from services.alerts.answers.agent import SERVICE, processor
from services.alerts.answers.door import Api, codes_of, create_app, team_calling
from services.alerts.answers.overreach import Tried, Tries, untold
from services.alerts.answers.people import Asked
from services.alerts.answers.store import PostgresHeld
from services.alerts.delivery import agent as delivery
from services.alerts.delivery import directory, feed, policy
from spine.clock import now
from spine.host import Running
from spine.migrate import migrate
from spine.postgres import engine_for
from spine.service import FAILED, serve
from spine.settings import Settings
from spine.telemetry import log
from spine.who.settings import hearing_of, rate_of, tls_of
from spine.who.tls import serving

STOP_SECONDS = 3


def asking(contracts: Path) -> dict[str, Asked]:
    """As whom each party asks (contracts/teams.yaml): as the roles that ``asks_as`` names, or else as those of the
    outside team that is its own."""
    read = YAML(typ="safe", pure=False).load(contracts / "teams.yaml")
    own = {
        str(t.get("party", name)): Asked(str(name), tuple(map(str, t["roles"]))) for name, t in read["teams"].items()
    }
    return own | {str(party): Asked("", tuple(map(str, roles))) for party, roles in read.get("asks_as", {}).items()}


def application(held: PostgresHeld, url: str, contracts: Path, tried: Tried = untold) -> FastAPI:
    """The door with everything that is mounted in it."""
    # Each of the two may start first; the feed's tables are delivery's, the states those of alerts.
    for service in (delivery.SERVICE, "alerts"):
        migrate(url, service)
    calling = team_calling(directory.load(contracts), policy.load(contracts).feed_services)
    mounted = (
        feed.router(engine_for(url, delivery.SERVICE), calling),
        people.router(held, asking(contracts).get, now, tried),
    )
    hearing, rate = hearing_of(os.environ, time.monotonic), rate_of(os.environ, contracts, time.monotonic)
    return create_app(Api(hearing, rate, now, codes_of(contracts), mounted, tried))


@dataclass(slots=True)
class Door:
    """The door beside the processor, in a thread of its own."""

    server: uvicorn.Server
    thread: threading.Thread
    held: PostgresHeld

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=STOP_SECONDS + 5)
        self.held.close()


def beside(running: Running) -> Door:
    settings = Settings()
    url = settings.postgres.get_secret_value()
    held = PostgresHeld(url, settings.contracts, running.catalogue.keys)
    host, port = os.environ.get("HUB_ANSWERS_HOST", "127.0.0.1"), int(os.environ.get("HUB_ANSWERS_PORT", "8083"))
    tried = Tries(running.journal, running.catalogue, now)
    made = application(held, url, settings.contracts, tried)
    tls = serving(tls_of(os.environ))
    config = uvicorn.Config(made, host=host, port=port, **{**tls, "timeout_graceful_shutdown": STOP_SECONDS})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_serving, args=(server, running.stop), name="door", daemon=True)
    thread.start()
    return Door(server, thread, held)


def _serving(server: uvicorn.Server, stop: threading.Event) -> None:
    """A door that ends unasked (the port is taken, say) ends the process, so that somebody sees it."""
    error = ""
    try:
        server.run()
    except (Exception, SystemExit) as ended:
        error = type(ended).__name__
    if not stop.is_set() and not server.should_exit:
        log().critical("failed", error=error or "door ended", at="door")
        os._exit(FAILED)


if __name__ == "__main__":
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.alerts.answers run\n")
        raise SystemExit(2)
    serve(SERVICE, processor, before=beside)
