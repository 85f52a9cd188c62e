"""``python -m services.console run``: read models and pages in one process. ``web``: the pages alone.

HUB_CONSOLE_PORT (default 8080, on HUB_CONSOLE_HOST, default loopback); HUB_DEMO_SIGN_IN=1 lets a visitor choose a named
user; HUB_OIDC_FILE, HUB_OIDC_SECRET_FILE and HUB_CONSOLE_URL sign people in at their organisation; HUB_INGEST and
HUB_STEWARD_KEY(_FILE) send stewards' decisions; HUB_API_KEYS and HUB_SPEAKERS, the door's files, tell partners which of
their keys count; HUB_REPORTS, a folder, holds reports of replays and verifications; HUB_CONSOLE_SECURE=1 behind TLS.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from ruamel.yaml import YAML

from services.console import acting, brand, oidc, people, telling
from services.console.agent import SERVICE, processor
from services.console.counted import Looking
from services.console.doings import Doings
from services.console.reader import Reader
from services.console.redrives import Redrives
from services.console.reports import Reports
from services.console.sessions import Sessions, secret_of
from services.console.speakers import Files
from services.console.steward import Door
from services.console.visit import Console
from services.console.web import create_app
from spine import traces
from spine.clock import WorkingDays, now
from spine.host import Running
from spine.postgres import PostgresJournal
from spine.publisher import publish
from spine.schema import Catalogue
from spine.service import FAILED, on_signals, prepare, serve
from spine.settings import Settings
from spine.telemetry import log, setup
from spine.who.issuer_keys import IssuerKeys

SIGN_INS_MAX = 30
STOP_SECONDS = 3


def _truth(name: str) -> bool:
    return os.environ.get(name, "") == "1"


def _path(name: str) -> Path | None:
    return Path(given) if (given := os.environ.get(name, "")) else None


def _key() -> str:
    path = os.environ.get("HUB_STEWARD_KEY_FILE")
    return Path(path).read_text().strip() if path else os.environ.get("HUB_STEWARD_KEY", "")


def _provider() -> oidc.Provider | None:
    """Sign-in at the organisation's provider, where HUB_OIDC_FILE describes one."""
    path = os.environ.get("HUB_OIDC_FILE", "")
    if not path:
        return None
    secret = Path(os.environ["HUB_OIDC_SECRET_FILE"]).read_text().strip()
    return oidc.load(Path(path), secret, os.environ["HUB_CONSOLE_URL"], IssuerKeys(time.monotonic))


def console(journal: PostgresJournal, catalogue: Catalogue, contracts: Path) -> Console:
    """Everything the pages need, from the environment."""
    calendar = YAML(typ="safe", pure=False).load(contracts / "policy" / "policy.yaml")["calendar"]
    area, closed = calendar["holidays"], calendar["extra_non_working_days"]
    secret = os.environ.get("HUB_CONSOLE_SECRET", "").encode() or secret_of(journal.engine)
    return Console(
        reader=Reader(journal.engine),
        doings=Doings(journal, journal.engine, catalogue, telling.partitions(contracts)),
        sessions=Sessions(journal.engine, secret, now, int(os.environ.get("HUB_SIGN_INS_MAX", SIGN_INS_MAX))),
        people=people.load(contracts),
        brand=brand.load(contracts),
        door=Door(os.environ.get("HUB_INGEST", ""), _key(), _truth("HUB_SIMULATED_CLOCK")),
        redrives=Redrives(journal.engine),
        limits=acting.load(contracts),
        contracts=contracts,
        clock=now,
        working=WorkingDays.with_closures(area["country"], area["subdivision"], closed),
        speakers=Files(_path("HUB_API_KEYS"), _path("HUB_SPEAKERS")),
        reports=Reports(_path("HUB_REPORTS")),
        demo=_truth("HUB_DEMO_SIGN_IN"),
        provider=_provider(),
        simulated=_truth("HUB_SIMULATED_CLOCK"),
        secure=_truth("HUB_CONSOLE_SECURE"),
    )


def server(made: Console) -> uvicorn.Server:
    host, port = os.environ.get("HUB_CONSOLE_HOST", "127.0.0.1"), int(os.environ.get("HUB_CONSOLE_PORT", "8080"))
    proxied = _truth("HUB_CONSOLE_PROXIED")
    config = uvicorn.Config(
        create_app(made),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=proxied,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)


@dataclass(slots=True)
class Pages:
    """The pages beside the processor, in a thread of their own."""

    server: uvicorn.Server
    thread: threading.Thread
    looking: Looking | None = None

    def close(self) -> None:
        if self.looking is not None:
            self.looking.close()
        self.server.should_exit = True
        self.thread.join(timeout=STOP_SECONDS + 5)


def beside(running: Running) -> Pages:
    assert isinstance(running.journal, PostgresJournal)
    made = server(console(running.journal, running.catalogue, Settings().contracts))
    pages = _pages(made, running.stop)
    pages.looking = Looking(running.journal.engine)
    return pages


def _pages(made: uvicorn.Server, stop: threading.Event) -> Pages:
    """Signals are the service's: uvicorn sets none outside the main thread."""
    thread = threading.Thread(target=_serving, args=(made, stop), name="pages", daemon=True)
    thread.start()
    return Pages(made, thread)


def _serving(made: uvicorn.Server, stop: threading.Event) -> None:
    """Pages that end unasked (the port is taken, say) end the process, so that somebody sees it."""
    error = ""
    try:
        made.run()
    except (Exception, SystemExit) as ended:
        error = type(ended).__name__
    if not stop.is_set() and not made.should_exit:
        log().critical("failed", error=error or "pages ended", at="pages")
        os._exit(FAILED)


def web() -> None:
    """Pages alone; they publish what workers do whenever nobody else holds the publisher's place."""
    setup(SERVICE)
    traces.begin(SERVICE)
    prepared = prepare(SERVICE, ("statuses", "deliveries"))
    stop = threading.Event()
    on_signals(stop, 45)
    pages = _pages(server(console(prepared.journal, prepared.catalogue, prepared.settings.contracts)), stop)
    while not stop.wait(1.0):
        with prepared.journal.publishing() as mine:
            while mine and publish(prepared.journal, prepared.log):
                pass
    pages.close()
    prepared.close()
    traces.end()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run"]:
            serve(SERVICE, processor, before=beside)
        case ["web"]:
            web()
        case _:
            sys.exit("usage: python -m services.console run | web")
