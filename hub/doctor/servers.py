"""Broker, database and registry: there, and as the contracts and this build want them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psycopg
from psycopg import sql

from hub.deploy.roles import schemas
from hub.doctor.finding import Finding, fault, sound, unseen, warning
from hub.topics.broker import Administrator
from hub.topics.contract import read_topics
from hub.topics.plan import Held, Left, described, make_plan
from hub.topics.rights import Desired
from spine.errors import Halt
from spine.kafka import Broker
from spine.migrate import heads
from spine.registry import subject_of
from spine.registry_service import SCHEMA as REGISTRY
from spine.schema import Catalogue

ANSWER_SECONDS_MAX = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Before this PostgreSQL lacks what the journal uses; the suite runs on 15 and 18.
POSTGRES_MIN = 150_000
CLOCK_WARNING_SECONDS, CLOCK_FAULT_SECONDS = 2.0, 30.0


def broker(where: str | Broker, contracts: Path) -> Iterator[Finding]:
    """Raises Retry while it does not answer."""
    topics = read_topics(contracts)
    try:
        held = Administrator(where).held(topics, users=False)
    except Halt as halt:
        yield unseen("topics", str(halt), "run `hub topics plan` as the broker's administrator")
        return
    yield sound("kafka", "answers")
    wanted = Desired(tuple(topics), frozenset(), frozenset(), frozenset())
    plan = make_plan(wanted, Held(held.topics))
    for change in plan.changes:
        yield fault("topics", " ".join(described(change)), "run `hub topics apply`")
    for left in plan.left:
        yield _left(left)
    if not plan.changes and not plan.left:
        yield sound("topics", f"{len(topics)} as the contract says")


def _left(left: Left) -> Finding:
    return warning("topics", f"{left.name} {left.reason}", "decide, then `hub topics apply --accept TOPIC`")


def database(url: str) -> Iterator[Finding]:
    """Raises psycopg.Error while it does not answer."""
    with psycopg.connect(url, autocommit=True, connect_timeout=ANSWER_SECONDS_MAX) as connection:
        number = connection.info.server_version
        if number < POSTGRES_MIN:
            yield fault("postgres", f"is version {number // 10_000}", "move to PostgreSQL 15 or newer")
        else:
            yield sound("postgres", f"answers, version {number // 10_000}")
        yield _tls(connection)
        yield from _clock(connection)
        yield from _migrations(connection)


def _tls(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    info = connection.info
    mode = info.get_parameters().get("sslmode", "prefer")
    return tls(info.host, bool(connection.pgconn.ssl_in_use), mode)


def tls(host: str, encrypted: bool, mode: str) -> Finding:
    """Whether somebody on the way could read along, or pretend to be the database."""
    check, mend = "database TLS", "put sslmode=verify-full and sslrootcert into HUB_POSTGRES (docs/operations.md)"
    if host in LOOPBACK or host.startswith("/"):
        return sound(check, "not needed: the database is on this machine")
    if not encrypted:
        return fault(check, f"what is said to {host} is in the clear", mend)
    if mode != "verify-full":
        return warning(check, f"encrypted, but {host} need not prove who it is (sslmode={mode})", mend)
    return sound(check, f"encrypted, and {host} is proved")


def _clock(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None and isinstance(row[0], datetime)
    apart = abs((datetime.now(UTC) - row[0]).total_seconds())
    what, mend = f"{apart:.1f} s apart from the database's", "set both clocks by NTP (chronyc tracking)"
    if apart > CLOCK_FAULT_SECONDS:
        yield fault("clock", what, mend)
    elif apart > CLOCK_WARNING_SECONDS:
        yield warning("clock", what, mend)
    else:
        yield sound("clock", "agrees with the database's")


def _migrations(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    late, absent = [], []
    for name in schemas():
        wanted = heads(name)
        query = sql.SQL("SELECT version_num FROM {}.migration").format(sql.Identifier(name))
        if name == REGISTRY:
            continue
        try:
            held = {str(row[0]) for row in connection.execute(query)}
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            absent.append(name)
            continue
        if held != wanted:
            late.append(f"{name} has {', '.join(sorted(held)) or 'none'}, this build wants {', '.join(sorted(wanted))}")
    mend = "run `hub deploy migrate` with this build"
    if late:
        yield fault("migrations", "; ".join(late), mend)
    if absent:
        yield warning("migrations", f"never made: {', '.join(absent)}", f"{mend}, or start what uses them")
    if not late and not absent:
        yield sound("migrations", "every schema is up to date")


def registry(url: str, schemas_folder: Path) -> Iterator[Finding]:
    if not url:
        yield unseen("registry", "no address", "set HUB_REGISTRY")
        return
    mend = "start it (`hub up`, or the process `registry`), and look at its log"
    try:
        answer = httpx2.get(f"{url}/subjects", timeout=ANSWER_SECONDS_MAX)
        answer.raise_for_status()
        held = set(answer.json())
    except (httpx2.HTTPError, ValueError) as error:
        yield fault("registry", f"{url}: {type(error).__name__}", mend)
        return
    wanted = {subject_of(source) for source in Catalogue([schemas_folder]).sources.values()}
    if missing := wanted - held:
        what = f"lacks {len(missing)} of {len(wanted)} schemas"
        yield warning("registry", what, "start a service: each registers the schemas when it starts")
    else:
        yield sound("registry", f"holds the schemas of this build ({len(wanted)})")
