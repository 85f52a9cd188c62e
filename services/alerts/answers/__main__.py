"""``python -m services.alerts.answers run``: the read API's door until it is told to stop.

HUB_ANSWERS_HOST and HUB_ANSWERS_PORT (8083): where it listens. HUB_POSTGRES: where the feed stands. Who may ask, limits
and TLS: spine/who/settings.py.
"""

from __future__ import annotations

import os
import sys
import time

import uvicorn

from services.alerts.answers.door import Api, codes_of, create_app, team_calling
from services.alerts.delivery import agent as delivery
from services.alerts.delivery import directory, feed, policy
from spine.clock import now
from spine.postgres import engine_for
from spine.settings import Settings
from spine.telemetry import log, setup
from spine.who.settings import hearing_of, rate_of, tls_of
from spine.who.tls import serving

SERVICE = "answers"


def run() -> None:
    setup(SERVICE)
    contracts = Settings().contracts
    hearing, rate = hearing_of(os.environ, time.monotonic), rate_of(os.environ, contracts, time.monotonic)
    host, port = os.environ.get("HUB_ANSWERS_HOST", "127.0.0.1"), int(os.environ.get("HUB_ANSWERS_PORT", "8083"))
    log().info("started", host="answers", topics=[], port=port)
    engine = engine_for(os.environ["HUB_POSTGRES"], delivery.SERVICE)
    calling = team_calling(directory.load(contracts), policy.load(contracts).feed_services)
    app = create_app(Api(hearing, rate, now, codes_of(contracts), (feed.router(engine, calling),)))
    uvicorn.run(app, host=host, port=port, **serving(tls_of(os.environ)))


if __name__ == "__main__":
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.alerts.answers run\n")
        raise SystemExit(2)
    run()
