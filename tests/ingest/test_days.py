"""What partners sent can be read until the key of its day is destroyed: then nowhere, whoever kept a copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from hub.machine.ports import wait_until
from services.ingest.channels.day_keys import PostgresDays, Rounds, overdue
from services.ingest.days import DailySealer, Days
from spine.errors import Halt, Retry
from spine.keystore import Erased
from spine.migrate import migrate
from spine.seal import SealBroken, Sealer

ROOT = Sealer(bytes(range(32)))
TODAY = date(2026, 11, 27)
NOBODY = "postgresql://127.0.0.1:1/nobody"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, day: date = TODAY) -> None:
        self.at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


class Calendar:
    """``Days`` in memory."""

    def __init__(self) -> None:
        self.now = TODAY
        self.gone: set[date] = set()

    def today(self) -> tuple[date, bytes]:
        return self.now, self.key(self.now)

    def key(self, day: date) -> bytes:
        if day in self.gone:
            raise Erased(str(day))
        return day.isoformat().encode().ljust(32, b"-")


@pytest.fixture
def days() -> Calendar:
    return Calendar()


def sealer(days: Days) -> DailySealer:
    return DailySealer(ROOT, days)


def test_what_was_sealed_on_a_day_opens_until_its_key_is_destroyed(days: Calendar) -> None:
    sealed = sealer(days).seal(b"said", b"s-1")
    days.now += timedelta(days=30)
    assert sealer(days).open(sealed, b"s-1") == b"said"
    days.gone.add(TODAY)
    with pytest.raises(Erased):
        sealer(days).open(sealed, b"s-1")


def test_a_body_does_not_open_as_another_submissions_nor_as_another_days(days: Calendar) -> None:
    sealed = sealer(days).seal(b"said", b"s-1")
    with pytest.raises(SealBroken):
        sealer(days).open(sealed, b"s-2")
    moved = sealed[:3] + bytes([sealed[3] + 1]) + sealed[4:]
    with pytest.raises(SealBroken):
        sealer(days).open(moved, b"s-1")


def test_a_body_from_before_there_were_days_opens_whatever_its_nonce_begins_with(days: Calendar) -> None:
    for first in (b"\x00", b"\x01", b"\x01\x0b\x4a\x01"):
        old = Sealer(bytes(range(32)), nonce=lambda n, first=first: first.ljust(n, b"n"))  # type: ignore[misc]
        assert sealer(days).open(old.seal(b"said", b"s-1"), b"s-1") == b"said"


def test_one_content_has_one_fingerprint_from_day_to_day(days: Calendar) -> None:
    before = sealer(days).fingerprint(b"said")
    days.now += timedelta(days=1)
    assert sealer(days).fingerprint(b"said") == before == ROOT.fingerprint(b"said")


@pytest.fixture
def database(fresh_database: str) -> Iterator[str]:
    migrate(fresh_database, "ingest")
    yield fresh_database


def made(url: str, day: date = TODAY) -> PostgresDays:
    """As a door sees them on that day, after a round of ingest."""
    days = PostgresDays(url, ROOT, Clock(day))
    days.round(40)
    return days


@pytest.mark.postgres
def test_two_doors_seal_under_one_key_and_the_gate_opens(database: str) -> None:
    one, two = made(database), made(database)
    assert one.today() == two.today()
    gate = sealer(PostgresDays(database, ROOT, Clock(TODAY + timedelta(days=5))))
    assert gate.open(sealer(one).seal(b"said", b"s-1"), b"s-1") == b"said"


@pytest.mark.postgres
def test_a_key_is_destroyed_when_its_time_is_over_and_never_comes_back(database: str) -> None:
    sealed = sealer(made(database)).seal(b"said", b"s-1")
    last, over = TODAY + timedelta(days=40), TODAY + timedelta(days=41)
    assert sealer(made(database, last)).open(sealed, b"s-1") == b"said", "on its fortieth day it can still be read"
    assert PostgresDays(database, ROOT, Clock(over)).round(40) == 1
    with pytest.raises(Erased):
        sealer(made(database, over)).open(sealed, b"s-1")
    assert made(database).keys([TODAY]) == {TODAY: None}, "a round of a machine whose clock is behind makes it no more"
    with psycopg.connect(database) as connection:
        assert overdue(connection, over, 40) == 0
        assert overdue(connection, over + timedelta(days=90), 40) > 0, "nobody destroyed the others"


@pytest.mark.postgres
def test_a_door_seals_on_while_ingest_or_the_database_is_away(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    days = PostgresDays(database, ROOT, clock)
    assert days.today() is None, "ingest has made none: the root seals, which every build opens"
    assert ROOT.open(sealer(days).seal(b"said", b"s-1"), b"s-1") == b"said"
    made(database)
    assert days.today() is None, "the database is not asked for each event"
    clock.at += timedelta(seconds=11)
    assert days.today() is not None
    monkeypatch.setattr(days, "_url", NOBODY)
    for later, day in ((1, 1), (6, 6), (20, 6)):
        clock.at = Clock(TODAY + timedelta(days=later)).at
        held = days.today()
        assert held is not None and held[0] == TODAY + timedelta(days=day), "the newest that was made ahead"


@pytest.mark.postgres
def test_while_a_version_is_rolled_out_the_root_seals_on(database: str) -> None:
    """A gate from before may still be at work, and could not open a day's body."""
    with psycopg.connect(database) as connection:
        row = "'submissions', 0, 0, 'e', 'k', '', '', '', '[]', 'b', 's', NULL, '', ''"
        connection.execute(f"INSERT INTO ingest.decision VALUES ({row})".encode())
    assert made(database).today() is None
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE ingest.day_key SET made_at = made_at - interval '1 hour'")
    assert made(database).today() is not None


@pytest.mark.postgres
def test_a_door_that_begins_waits_for_the_database_and_not_for_ingests_tables(fresh_database: str) -> None:
    assert PostgresDays(fresh_database, ROOT, Clock()).today() is None
    with pytest.raises(Retry):
        PostgresDays(NOBODY, ROOT, Clock()).today()


@pytest.mark.postgres
def test_a_strange_root_and_a_day_without_a_row_stop_whoever_reads(database: str) -> None:
    made(database)
    with pytest.raises(Halt, match="HUB_SEAL_KEY_FILE"):
        PostgresDays(database, Sealer(b"x" * 32), Clock()).today()
    with pytest.raises(Halt, match="restore"):
        PostgresDays(database, ROOT, Clock()).key(date(2020, 1, 1))


@pytest.mark.postgres
def test_ingest_makes_keys_ahead_and_destroys_them_beside_its_work(database: str) -> None:
    old = TODAY - timedelta(days=41)
    made(database, old)
    rounds = Rounds(PostgresDays(database, ROOT, Clock()), 40, seconds=0.01)
    try:
        held = PostgresDays(database, ROOT, Clock())
        assert wait_until(lambda: held.keys([TODAY]).get(TODAY) is not None and held.keys([old]) == {old: None}, 30)
    finally:
        rounds.close()
