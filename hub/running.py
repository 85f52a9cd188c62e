"""The running hub as commands of this machine reach it: its broker, its database, its schema ids."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.heads import SERVICE, Heads, head_kept, judged_topics
from hub.layout import Home, contracts_folder, schemas_folder
from hub.up.record import read_run
from services.ingest.agent import daily
from services.ingest.days import DailySealer
from spine.errors import Retry
from spine.headed import Head
from spine.kafka import Broker, KafkaLog
from spine.keystore.kek import FILE, VARIABLE, Kek, LocalKek
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.settings import Settings


@dataclass(frozen=True, slots=True)
class Where:
    """Addresses: HUB_KAFKA, HUB_POSTGRES and HUB_REGISTRY, or else what `hub up` of this machine noted.

    With HUB_KAFKA the other HUB_KAFKA_* say as whom; on this machine's own secure broker it is the operator.
    """

    kafka: str | Broker
    postgres: str
    registry: str


@dataclass(frozen=True, slots=True)
class RunningHub:
    """What a command works with. ``ingest``: the journal in which the gate keeps what it heard."""

    contracts: Path
    catalogue: Catalogue
    log: KafkaLog
    heads: Heads
    ingest: PostgresJournal


def where() -> Where:
    """Raises Retry where nothing runs and no address is given."""
    run = read_run(Home.of_environment().run)
    held = dict(run.addresses) if run else {}
    kafka = Settings().broker if os.environ.get("HUB_KAFKA") else run.broker() if run else None
    postgres = os.environ.get("HUB_POSTGRES") or held.get("postgres")
    if not kafka or not postgres:
        raise Retry("nothing runs: start it with `hub up`, or give HUB_KAFKA, HUB_POSTGRES and HUB_REGISTRY")
    return Where(kafka, postgres, os.environ.get("HUB_REGISTRY") or held.get("registry", ""))


def database_here() -> str:
    """Address of the database, for what asks no broker. Raises Retry where nothing runs and none is given."""
    return os.environ.get("HUB_POSTGRES") or where().postgres


def kek_at_hand() -> Kek:
    """From the environment, else the file of this machine's hub. Raises ValueError or OSError."""
    own = Home.of_environment().kek
    given = {VARIABLE: os.environ.get(VARIABLE, ""), FILE: os.environ.get(FILE) or (str(own) if own.exists() else "")}
    return LocalKek.of_environment(environ=given)


def root_at_hand() -> str:
    """The key of submissions as text, from the environment, else the file of this machine's hub. Raises OSError."""
    if given := os.environ.get("HUB_SEAL_KEY"):
        return given
    return Path(os.environ.get("HUB_SEAL_KEY_FILE") or Home.of_environment().seal_key).read_text()


def sealer_at_hand() -> DailySealer:
    """What opens the bodies of submissions of the hub that is known here. Raises OSError, ValueError, Retry."""
    return daily(Sealer.from_text(root_at_hand()), where().postgres)


def administered() -> tuple[Broker, str]:
    """The broker as its administrator reaches it, and the database's URL, empty if none is named. Raises Retry."""
    run = read_run(Home.of_environment().run)
    kafka = Settings().broker if os.environ.get("HUB_KAFKA") else run.administered() if run else None
    if kafka is None:
        raise Retry("no broker: give HUB_KAFKA, or start one with `hub up`")
    return kafka, os.environ.get("HUB_POSTGRES") or (run.addresses["postgres"] if run else "")


def head_in_force() -> Head | None:
    """The head of the hub that runs here; None before its first. Raises Retry where no hub answers."""
    return head_kept_at(where().postgres)


def head_kept_at(postgres: str) -> Head | None:
    """The head that stands in the database at this URL; None before the first. Raises Retry."""
    migrate(postgres, SERVICE)
    journal = PostgresJournal(postgres, SERVICE)
    try:
        return head_kept(journal)
    finally:
        journal.close()


@contextmanager
def running_hub(at: Where | None = None) -> Iterator[RunningHub]:
    """Connect to the hub at ``at`` (default ``where()``). Raises Retry while a server does not answer."""
    at = at or where()
    contracts, catalogue = contracts_folder(), Catalogue([schemas_folder()])
    migrate(at.postgres, SERVICE)
    if at.registry:
        use_registry(catalogue, at.registry)
    log = KafkaLog(at.kafka, catalogue.frame, source=SERVICE)
    journal, ingest = PostgresJournal(at.postgres, SERVICE), PostgresJournal(at.postgres, "ingest")
    heads = Heads(journal, log, catalogue, judged_topics(contracts))
    try:
        # A move that a command decided and could not send is on its way before anything else is done.
        heads.send()
        yield RunningHub(contracts, catalogue, log, heads, ingest)
    finally:
        log.close()
        journal.close()
        ingest.close()
