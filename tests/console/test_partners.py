"""What partners learn of their own events, their feed, their agreements and their keys; and what they do not learn."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from services.console import feeds, partners
from services.console.feeds import Feed, Rhythm
from services.console.project import Batch
from services.console.speakers import Files, Speaker
from services.console.tables import ACCEPTED, ACCEPTED_DAY, REFUSAL
from services.console.web import create_app
from spine.clock import WorkingDays
from tests.console.conftest import CONTRACTS, TODAY, Desk, Visit

MONDAY = date(2026, 11, 16)
DAILY = Rhythm(1, 1)


@pytest.mark.parametrize(
    ("last", "agreed", "pauses", "state", "by"),
    [
        (None, DAILY, [], "never", None),
        (MONDAY, None, [], "free", None),
        # Due on Tuesday; one working day is tolerated.
        (MONDAY, Rhythm(8), [], "on_time", date(2026, 11, 25)),
        (MONDAY, Rhythm(7), [], "late", date(2026, 11, 24)),
        (MONDAY, Rhythm(7), [(date(2026, 11, 20), date(2026, 11, 25))], "paused", date(2026, 11, 25)),
        (MONDAY, Rhythm(7), [(date(2026, 11, 23), date(2026, 11, 24))], "on_time", date(2026, 11, 26)),
        # A pause that is over before the day that is due moves nothing.
        (MONDAY, Rhythm(7), [(date(2026, 11, 17), date(2026, 11, 18))], "late", date(2026, 11, 24)),
    ],
)
def test_a_feed_is_late_by_what_was_agreed(
    last: date | None, agreed: Rhythm | None, pauses: list[tuple[date, date]], state: str, by: date | None
) -> None:
    assert feeds.judge(last, agreed, pauses, TODAY, WorkingDays()) == Feed(state, by)


def test_the_schedule_goes_before_the_agreements_and_the_quickest_of_those_counts() -> None:
    assert feeds.rhythm(Rhythm(7, 3), ["daily"]) == Rhythm(7, 3)
    assert feeds.rhythm(None, ["monthly", "as it happens", "weekly"]) == Rhythm(7)
    assert feeds.rhythm(None, ["as it happens"]) is None
    assert feeds.load(CONTRACTS) == {}


def test_keys_are_told_by_name_and_end_and_a_file_at_fault_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = {"party": "northvale-college", "key_id": "nvc-1", "sha256": "ab" * 32, "mode": "live"}
    path.write_text(json.dumps([{**key, "expires_on": "2026-12-01"}]))
    (read,) = Files(path).read() or ()
    assert read == Speaker("northvale-college", "key", "nvc-1", "live", date(2026, 12, 1))
    assert [read.state(day) for day in (date(2026, 10, 1), TODAY, date(2026, 12, 1), date(2026, 12, 2))] == [
        "in_force", "ends_soon", "ends_soon", "ended",
    ]  # fmt: skip
    path.write_text("[{}]")
    assert Files(path).read() is None and Files().read() is None


@pytest.mark.postgres
def test_a_partner_reads_what_it_sent_its_feed_and_its_keys_and_nobody_elses(desk: Desk, tmp_path: Path) -> None:
    for n in range(3):
        desk.observation(message_id=f"nvc-{n}", settle=False)
    desk.observation("education.enrolment.withdrawn", "nvc-8", at=datetime(2026, 11, 23, 23, 59, tzinfo=UTC))
    desk.observation(message_id="rehearsal", test=True)
    desk.observation(message_id="smc-1", party="southmere-college")
    desk.extract(412, date(2026, 11, 20))
    desk.refusal()
    keys = [
        {"party": party, "key_id": f"{party}-1", "sha256": digit * 64, "mode": "live", "expires_on": "2026-12-01"}
        for party, digit in (("northvale-college", "a"), ("southmere-college", "b"))
    ]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys))
    with TestClient(create_app(desk.console(speakers=Files(path)))) as client:
        page = Visit(client).sign_in("provider-welfare").get("/sent").text
        assert "nvc-0" in page and "24 November 2026 at 10:00am" in page and "rehearsal" not in page
        days = desk.console().reader.sent.days(["northvale-college"], TODAY)
        assert [(d["on"].day, d["accepted"], d["kinds"]) for d in days] == [
            (24, 3, [("education.enrolment.started", 3)]), (23, 1, [("education.enrolment.withdrawn", 1)]),
        ]  # fmt: skip
        assert "isa-2024-011" in page and "isa-2024-012" not in page
        assert "northvale-college-1" in page and "Ends within 30 days" in page and "aaaa" not in page
        assert "Nothing was refused." in page and "southmere" not in page and "smc-1" not in page
        # A day's rhythm, judged by the last batch: due on Saturday, and one working day is tolerated.
        assert "Late" in page and "23 November 2026</dd>" in page and ">412<" in page
    with TestClient(create_app(desk.console())) as client:
        assert Visit(client).sign_in("inclusion-team").get("/sent").status_code == 404


@pytest.mark.postgres
def test_what_a_batch_mends_is_found_without_reading_the_refusals_of_years(desk: Desk) -> None:
    refused = [
        {
            **{"event_id": f"refused-{n}", "party": "southmere-college", "type": "person.registered"},
            **{"reason": "fields", "received_at": desk.clock, "message_id": f"m{n}", "faults": [], "kept": False},
        }
        for n in range(5_000)
    ]
    accepted = {"event_id": "accepted-7", "party": "southmere-college", "message_id": "m7", "type": "person.registered"}
    with desk.journal.engine.begin() as connection:
        connection.execute(sa.insert(REFUSAL), refused)
        connection.execute(sa.text("ANALYZE refusal"))
    with desk.journal.engine.begin() as connection:
        partners.write(connection, Batch(accepted=[{**accepted, "received_at": desk.clock}]))
        read = connection.scalar(
            sa.text(
                "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
                " WHERE relid = 'refusal'::regclass"
            )
        )
        mended = connection.scalars(sa.select(REFUSAL.c.message_id).where(REFUSAL.c.mended)).all()
    assert list(mended) == ["m7"]
    assert read is not None and read < 100


@pytest.mark.postgres
@pytest.mark.parametrize("mended_first", [False, True])
def test_a_refusal_waits_until_the_same_id_is_accepted_whichever_is_heard_first(desk: Desk, mended_first: bool) -> None:
    def mend() -> None:
        desk.observation("person.registered", "m1", "southmere-college", at=desk.clock)

    if mended_first:
        mend()
    desk.refusal()
    with desk.journal.engine.connect() as connection:
        waiting = sa.select(REFUSAL.c.message_id, REFUSAL.c.kept, REFUSAL.c.mended)
        assert connection.execute(waiting).one() == ("m1", False, mended_first)
        mend()
        connection.rollback()
        assert connection.execute(waiting).one().mended


@pytest.mark.postgres
def test_the_latest_stay_one_by_one_and_the_days_keep_their_counts(desk: Desk) -> None:
    for n in range(partners.LATEST_MAX + 5):
        at = datetime(2026, 11, 24, 10, tzinfo=UTC) + timedelta(seconds=n)
        desk.observation(message_id=f"nvc-{n}", at=at, settle=False)
    desk.observation(message_id="smc-1", party="southmere-college")
    with desk.journal.engine.connect() as connection:
        ours = sa.select(ACCEPTED.c.message_id).where(ACCEPTED.c.party == "northvale-college")
        kept = set(connection.scalars(ours))
        assert kept == {f"nvc-{n}" for n in range(5, partners.LATEST_MAX + 5)}
        assert connection.scalar(sa.select(sa.func.sum(ACCEPTED_DAY.c.count))) == partners.LATEST_MAX + 6
