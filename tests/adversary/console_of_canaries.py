"""The console told the hub's topics: every page that every demo user can open, as bytes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from services.console import acting, brand, people
from services.console.agent import SERVICE, TOPICS, processor
from services.console.doings import Doings
from services.console.people import User
from services.console.reader import Reader
from services.console.redrives import Redrives
from services.console.sessions import Sessions, secret_of
from services.console.steward import Door
from services.console.tables import INBOX
from services.console.visit import Console
from services.console.web import create_app
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.step import Limits, SetAside, step
from tests.adversary.world_of_canaries import CONTRACTS, World

LISTS = ("/", "/?closed=1", "/?scope=mine", "/?scope=team", "/reviews", "/reviews?closed=1", "/refusals", "/activity")
PLAIN = ("/about", "/accessibility", "/health", "/brand.css", "/nowhere", "/alerts/00000000000000000000")
#: Pages about feeds, orders and settings: nobody's values may stand on them.
PLAIN += ("/sent?latest=all", "/operations", "/agreements", "/notifications")
_REF = re.compile(r'href="/alerts/([0-9a-f]{20})"')
_REVIEW = re.compile(r'href="(/reviews/[^"?]+)"')
#: Alerts a user whose pages are opened one by one; the inbox lists them all.
OPENED_MAX = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to one user. ``alerts``: (rule, person id, role) of the user's rows that the page may speak of."""

    user: User
    path: str
    blob: bytes
    alerts: Sequence[tuple[str, str, str]]


def project(world: World, url: str) -> PostgresJournal:
    """The topics as the console's processor reads them, in a migrated database."""
    migrate(url, SERVICE)
    journal = PostgresJournal(url, SERVICE)
    made, aside = processor(world.hub.catalogue, CONTRACTS), SetAside(Limits())
    for topic in TOPICS:
        records = world.hub.log.read({(topic, 0): 0}, 1_000_000, 0)
        step(records, made, journal, world.hub.catalogue, aside)
    # The record that was planted among the observations: set aside, as matching does.
    assert aside.poisoned == 1
    return journal


def pages(world: World, journal: PostgresJournal) -> Iterator[Page]:
    """Every page, user by user."""
    at = datetime(world.today.year, world.today.month, world.today.day, 12, tzinfo=UTC)
    engine = journal.engine
    console = Console(
        reader=Reader(engine),
        redrives=Redrives(engine),
        doings=Doings(journal, engine, world.hub.catalogue, 1),
        sessions=Sessions(engine, secret_of(engine), lambda: at, 1_000),
        people=people.load(CONTRACTS),
        brand=brand.load(CONTRACTS),
        door=Door("", ""),
        limits=acting.load(CONTRACTS),
        contracts=CONTRACTS,
        clock=lambda: at,
        demo=True,
        live_seconds=0.0,
    )
    with engine.connect() as connection:
        columns = (INBOX.c.ref, INBOX.c.rule, INBOX.c.person_id, INBOX.c.role, INBOX.c.team, INBOX.c.worker)
        rows = [tuple(row) for row in connection.execute(sa.select(*columns))]
    app = create_app(console)
    for user in console.people.users.values():
        with TestClient(app, headers={"connection": "close"}) as client:
            yield from _visit(client, user, rows)


def _visit(client: TestClient, user: User, rows: Sequence[tuple[Any, ...]]) -> Iterator[Page]:
    token = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    assert client.post("/sign-in", data={"user": user.id, "csrf": token}).status_code == 200
    mine = [row[:4] for row in rows if _concerns(user, *row[3:])]
    every = [row[1:] for row in mine]
    linked: dict[str, None] = {}
    reviews: dict[str, None] = {}
    for path in (*LISTS, *PLAIN):
        answer = client.get(path)
        linked |= dict.fromkeys(_REF.findall(answer.text))
        reviews |= dict.fromkeys(map(html.unescape, _REVIEW.findall(answer.text)))
        yield Page(user, path, _whole(answer), every if path in LISTS else [])
    # One alert of each rule first, so that every kind of page is opened.
    rule_of = {ref: rule for ref, rule, _, _ in mine}
    chosen = list(dict(sorted(((rule_of.get(ref, ""), ref) for ref in linked), reverse=True)).values())
    chosen += [ref for ref in linked if ref not in chosen]
    csrf = client.get("/about").text.split('name="csrf" value="')[1].split('"')[0]
    for number, ref in enumerate(chosen[:OPENED_MAX]):
        about = [row[1:] for row in mine if row[0] == ref]
        person = {row[1] for row in about}
        yield Page(user, "/alerts", _whole(client.get(f"/alerts/{ref}")), about)
        same = [row for row in every if row[1] in person]
        yield Page(user, "/person", _whole(client.get(f"/alerts/{ref}/person")), same)
        if not number:
            wrong = client.post(f"/alerts/{ref}/outcome", data={"csrf": csrf, "outcome": "no such"})
            yield Page(user, "/alerts outcome", _whole(wrong), about)
    for path in list(reviews)[:OPENED_MAX]:
        yield Page(user, "/review", _whole(client.get(path)), [])
    others = {ref for ref, *_ in rows} - {row[0] for row in mine}
    for ref in sorted(others)[:2]:
        for path in (f"/alerts/{ref}", f"/alerts/{ref}/person"):
            answer = client.get(path)
            assert answer.status_code == 404
            yield Page(user, "/not mine", _whole(answer), [])


def _concerns(user: User, role: str, team: str, worker: str) -> bool:
    mine = bool(user.worker) and worker == user.worker
    return role in user.roles and (mine or team in user.teams or (not team and not worker))


def _whole(answer: Any) -> bytes:
    return b"\n".join(f"{k}: {v}".encode() for k, v in answer.headers.items()) + b"\n" + bytes(answer.content)
