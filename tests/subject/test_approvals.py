"""Two people: one asks, another approves in time, and it is done once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hub.heads import NotAllowed
from hub.subject.approvals import VALID, approve, ask, done, standing
from hub.subject.officers import Officers
from hub.subject.registers import registers

UNLISTED = Officers()
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(fresh_database: str) -> Iterator[sa.Connection]:
    with registers(fresh_database) as engine, engine.begin() as connection:
        yield connection


def test_another_person_approves_and_it_can_be_done_once(connection: sa.Connection) -> None:
    asked = ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", AT)
    assert ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", AT) == asked, "asked twice it is one request"
    approved = approve(connection, UNLISTED, "resume", "isa-2024-011", "J. Marsh", AT + timedelta(hours=1))
    assert (approved.asked_by, approved.approved_by) == ("R. Osei", "J. Marsh")
    assert approve(connection, UNLISTED, "resume", "isa-2024-011", "L. Khan", AT) == approved, (
        "a stopped command goes on"
    )
    done(connection, approved.number, AT)
    assert standing(connection) == []
    with pytest.raises(NotAllowed, match="nobody has asked"):
        approve(connection, UNLISTED, "resume", "isa-2024-011", "J. Marsh", AT)


@pytest.mark.parametrize("same", ["R. Osei", " r.  osei "])
def test_whoever_asked_cannot_approve(connection: sa.Connection, same: str) -> None:
    ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", AT)
    with pytest.raises(NotAllowed, match="another person"):
        approve(connection, UNLISTED, "resume", "isa-2024-011", same, AT)
    assert standing(connection)[0].approved_by is None


def test_a_request_expires_and_can_be_made_again(connection: sa.Connection) -> None:
    first = ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", AT)
    late = AT + VALID
    with pytest.raises(NotAllowed, match="expired"):
        approve(connection, UNLISTED, "resume", "isa-2024-011", "J. Marsh", late)
    assert ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", late).number > first.number
    assert approve(connection, UNLISTED, "resume", "isa-2024-011", "J. Marsh", late).approved_by == "J. Marsh"


def test_an_approval_is_for_one_thing_only(connection: sa.Connection) -> None:
    ask(connection, UNLISTED, "resume", "isa-2024-011", "R. Osei", AT)
    for kind, what in (("resume", "isa-2024-012"), ("redrive", "isa-2024-011")):
        with pytest.raises(NotAllowed, match="nobody has asked"):
            approve(connection, UNLISTED, kind, what, "J. Marsh", AT)
    with pytest.raises(NotAllowed, match="--by"):
        ask(connection, UNLISTED, "resume", "isa-2024-013", " ", AT)
