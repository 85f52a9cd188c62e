"""``hub disclosures`` and ``hub access-log``: who was shown what, and who looked; labels are told, values are not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from hub.access import write_down
from hub.story import Told
from hub.subject.books import Books, books_of
from hub.subject.disclosed import UNNAMED, Chosen, Disclosure, as_csv, disclosures, row
from hub.subject.logs import looks
from services.alerts.answers.tables import ACCESS
from spine.migrate import migrate
from spine.postgres import engine_for

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def book(college_leaver: Told) -> Books:
    return books_of(college_leaver.hub)


@pytest.fixture(scope="module")
def told(book: Books) -> list[Disclosure]:
    return disclosures(book, Chosen())


def test_each_line_shown_on_the_log_is_in_the_list_of_disclosures(book: Books, told: list[Disclosure]) -> None:
    acts = [one.fact.fields for one in book.whole("alerts") if one.fact.kind == "alert.v1"]
    shown = [r for act in acts for r in act["recipients"]]
    assert len(told) == len(shown) > 5
    labels = sum(len(r["view"]["lines"]) + bool(r["view"]["timeline"]) for r in shown)
    assert sum(len(one.given) for one in told) == labels
    assert all(one.agreements for one in told if one.given)


def test_no_value_of_a_view_stands_in_the_list(book: Books, told: list[Disclosure]) -> None:
    acts = [one.fact.fields for one in book.whole("alerts") if one.fact.kind == "alert.v1"]
    lines = [line for act in acts for r in act["recipients"] for line in r["view"]["lines"]]
    names = {line["value"] for line in lines if line["category"] == "identity" and line["label"] == "Name"}
    text = as_csv([*row(told[0])], map(row, told))
    assert names and not any(name in text for name in names)


def test_the_list_is_narrowed_by_person_recipient_agreement_and_time(
    book: Books, told: list[Disclosure], college_leaver: Told
) -> None:
    person, role = college_leaver.person_of["E1"], told[0].role
    agreement = told[0].agreements[0].partition("@")[0]
    assert disclosures(book, Chosen(person=person)) == [one for one in told if one.person_id == person]
    assert {one.role for one in disclosures(book, Chosen(recipient=role))} == {role}
    under = disclosures(book, Chosen(agreement=agreement))
    assert under and all(any(a.startswith((agreement + "@", UNNAMED)) for a in one.agreements) for one in under)
    assert len(under) < len(told)
    middle = told[len(told) // 2].at
    before, after = disclosures(book, Chosen(until=middle)), disclosures(book, Chosen(since=middle))
    assert before and after and before + after == told
    assert disclosures(book, Chosen(person="p-nobody")) == []


def test_a_look_is_found_by_person_and_by_user(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(fresh_database, "console")
    monkeypatch.setenv("HUB_POSTGRES", fresh_database)
    write_down("hub person show", ["p-1", "p-2"], "complaint 7")
    mine = looks(fresh_database, "p-1", "", None, None)
    assert [(one.page, one.about) for one in mine] == [("hub person show", "complaint 7")]
    assert looks(fresh_database, "", mine[0].user_id, None, None)[1].person_id == "p-2"
    assert looks(fresh_database, "", "somebody else", None, None) == []
    assert looks(fresh_database, "", "", datetime(2100, 1, 1, tzinfo=UTC), None) == []


def test_what_a_party_asked_the_read_api_is_among_the_looks(fresh_database: str) -> None:
    migrate(fresh_database, "console")
    migrate(fresh_database, "answers")
    shown = {"at": AT, "party": "northvale-college", "principal": "key-1", "role": "provider-welfare"}
    engine = engine_for(fresh_database, "answers")
    with engine.begin() as connection:
        row = {**shown, "person_id": "p-1", "asked": "alerts", "agreements": "isa-2024-011@1.0.0", "policy": "x"}
        connection.execute(sa.insert(ACCESS), [row])
    engine.dispose()
    (one,) = looks(fresh_database, "p-1", "", None, None)
    assert (one.user_id, one.page, one.about) == ("northvale-college:key-1", "read API: alerts", "isa-2024-011@1.0.0")
    assert looks(fresh_database, "", "northvale-college:key-1", AT, None) == [one]
    assert looks(fresh_database, "p-2", "", None, None) == looks(fresh_database, "p-1", "", None, AT) == []
