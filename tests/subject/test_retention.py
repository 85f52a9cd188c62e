"""The schedule says whose time has come; a hold keeps them; two people agree on just these."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from hub.held import InProcess
from hub.story import Told
from hub.subject.again import settings_at_hand
from hub.subject.approvals import Request
from hub.subject.holds import Hold
from hub.subject.retention import Due, Preview, Schedule, ends_on, left_of, preview, schedule
from tests.subject.conftest import CONTRACTS

YEAR = Schedule(12, 6)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("born", "ehcp", "ends"),
    [
        (date(2000, 5, 17), False, date(2026, 5, 17)),
        (date(2000, 5, 17), True, date(2026, 9, 1)),
        (date(2000, 9, 1), True, date(2027, 9, 1)),
        (date(2000, 2, 29), False, date(2026, 3, 1)),
    ],
)
def test_a_record_ends_a_year_after_the_25th_birthday_or_the_school_year_with_a_plan(
    born: date, ehcp: bool, ends: date
) -> None:
    assert ends_on(born, ehcp, YEAR) == ends


def test_the_months_of_the_archive_follow_the_policy() -> None:
    assert schedule(CONTRACTS) == YEAR
    assert ends_on(date(2000, 8, 31), False, replace(YEAR, archive_months=6)) == date(2026, 2, 28)


def test_somebody_is_due_from_the_day_on_and_not_before_and_a_hold_keeps_them(college_leaver: Told) -> None:
    held, policy = InProcess(college_leaver.hub), settings_at_hand(CONTRACTS).policy
    person_id = college_leaver.person_of["E1"]
    far = preview(held, policy, YEAR, date(2060, 1, 1), ())
    (since,) = [one.since for one in far.due if one.person_id == person_id]
    assert [one.person_id for one in preview(held, policy, YEAR, since, ()).due] == [person_id]
    assert preview(held, policy, YEAR, date.fromordinal(since.toordinal() - 1), ()).due == ()
    kept = preview(held, policy, YEAR, since, [Hold(7, person_id, "CASE-7", "L. Khan", AT)])
    assert [one.hold for one in kept.due] == [7] and kept.free == ()


def test_what_two_people_agree_on_is_another_list_when_one_person_is_added() -> None:
    day = date(2026, 1, 1)
    one, two = Due("p-1", day), Due("p-2", day)
    names = {Preview(day, due, 0).name for due in ((one,), (two,), (one, two), (two, one))}
    assert len(names) == 3


def test_a_run_that_was_stopped_goes_on_with_whom_two_people_agreed_on_and_nobody_else() -> None:
    asked, day = datetime(2026, 1, 1, 9, tzinfo=UTC), date(2026, 1, 1)
    first, second, third = Due("p-1", day), Due("p-2", date(2025, 12, 1)), Due("p-3", day)
    agreed = Preview(day, (first, second), 0).name
    request = Request(1, "retention", agreed, "R. Osei", asked, asked + timedelta(days=7), "J. Marsh", asked)
    assert left_of(Preview(day, (second,), 0), request, ["p-1"]) == (second,)
    # Whose time came on a later day was on no list.
    newly = Due("p-9", date(2026, 1, 2))
    assert left_of(Preview(date(2026, 1, 2), (second, newly), 0), request, ["p-1"]) == (second,)
    for due, erased in (((second, third), ["p-1"]), ((second,), []), ((second,), ["p-1", "p-3"])):
        assert left_of(Preview(day, due, 0), request, erased) is None, "another list: it must be asked for again"


def test_a_schedule_that_this_cannot_mean_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    text = (CONTRACTS / "policy" / "policy.yaml").read_text().replace("until: 25th-birthday", "until: 30th-birthday")
    (tmp_path / "policy" / "policy.yaml").write_text(text)
    with pytest.raises(ValueError, match="25th-birthday"):
        schedule(tmp_path)
