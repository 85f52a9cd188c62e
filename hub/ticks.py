"""The date as a fact, by hand: ``hub tick --on`` for the demo, a rehearsal, or a ticker that was down."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from hub.layout import Home, contracts_folder, schemas_folder
from hub.output import AsJson, fail, show_json
from hub.up.record import read_run
from spine.errors import SpineError
from spine.kafka import Broker, KafkaLog
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.ticker import write_tick

#: As whom the date is told, on a broker that has users.
TICKER = "hub-ticker"


class Ticker:
    """Writes ticks to a running hub's log."""

    def __init__(self, where: str | Broker, registry: str) -> None:
        self._catalogue = Catalogue([schemas_folder()])
        use_registry(self._catalogue, registry)
        self._log = KafkaLog(where, self._catalogue.frame, source="ticker")

    def write(self, on: date) -> None:
        """Tell every partition of every input topic. Raises Retry."""
        write_tick(self._log, contracts_folder() / "topics.yaml", on, self._catalogue)

    def close(self) -> None:
        self._log.close()


def tick(
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The date that has begun, London time.")],
    as_json: AsJson = False,
) -> None:
    """Tell every service of this machine's hub that a date has begun. Telling it twice changes nothing.

    Exit codes: 0 written; 1 no hub runs here, or its log does not answer; 2 wrong usage.
    """
    run = read_run(Home.of_environment().run)
    if run is None:
        fail("nothing runs; `hub up` starts it", as_json=as_json)
    day = on.replace(tzinfo=UTC).date()
    try:
        with closing(Ticker(run.broker(TICKER), run.addresses["registry"])) as ticker:
            ticker.write(day)
    except SpineError as error:
        fail(str(error), as_json=as_json)
    show_json({"on": day}) if as_json else typer.echo(f"{day}: told")
