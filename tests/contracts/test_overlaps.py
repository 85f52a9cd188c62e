"""Two agreements over the same days: the difference says what the gate and the disclosure gate then really do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.policy_diff import Difference, differences, overlaps
from hub.sharing import Sources, compile_sources, read_sources
from services.alerts.sharing import Compiled
from services.ingest.policy import parse_policy

ROOT = Path(__file__).resolve().parents[2]
COLLEGE = "isa-2024-011-northvale-college.isa.yaml"
LATER = "isa-2026-099-northvale-college.isa.yaml"
PARTY, EVENT, FIELD = "northvale-college", "education.enrolment.withdrawn", "subject.email"
BEFORE, DURING, AFTER = date(2026, 1, 15), date(2026, 4, 15), date(2026, 9, 15)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return read_sources(ROOT / "contracts")


def without_email(agreement: Any) -> None:
    agreement["commonItems"] = [item for item in agreement["commonItems"] if item["field"] != FIELD]
    agreement["mustNotSend"] = [*agreement.get("mustNotSend", []), FIELD]


def second(sources: Sources, change: Callable[[Any], object] = lambda agreement: None) -> Any:
    """Policy with a second agreement of the college, in force from February to June of 2026."""
    later = copy.deepcopy(sources.agreements[COLLEGE])
    later["id"] = "isa-2026-099"
    later["dates"] |= {"signed": "2026-01-20", "effectiveFrom": "2026-02-01", "effectiveTo": "2026-06-30"}
    change(later)
    both = Sources({**sources.agreements, LATER: later}, sources.catalogue, sources.parties, sources.policy)
    return compile_sources(both).content


def plain(sources: Sources) -> Any:
    return compile_sources(sources).content


def about(made: list[Difference], role: str = "", path: str = FIELD) -> list[tuple[str, str]]:
    return [(d.direction, d.condition) for d in made if (d.event, d.role) == (EVENT, role) and path in d.fields]


def passes(content: Any, day: date) -> bool:
    grant = parse_policy(content, "").grant(EVENT, PARTY, day)
    return grant is not None and not grant.agreement.suspended and FIELD in grant.covered


@dataclass(frozen=True)
class Fact:
    agreement: str
    source: str = PARTY
    type: str = EVENT


def reads(content: Any, agreement: str, role: str) -> bool:
    """Whether the disclosure gate lets a role read the address of the field in a fact that came under an agreement."""
    readable = Compiled.parse(content, "x").readable(Fact(agreement), role, "A01", DURING, lambda purpose: True)
    return FIELD in readable.fields


def test_a_later_agreement_that_covers_less_narrows_while_it_lasts(sources: Sources) -> None:
    """A union of the two would say that nothing changes."""
    old, new = plain(sources), second(sources, without_email)
    assert [passes(old, day) for day in (BEFORE, DURING, AFTER)] == [True, True, True]
    assert [passes(new, day) for day in (BEFORE, DURING, AFTER)] == [True, False, True]
    ((direction, condition),) = about(differences(old, new))
    assert direction == "narrows" and "2026-02-01 to 2026-06-30" in condition


def test_what_came_under_the_earlier_agreement_is_read_as_before_and_what_comes_is_not(sources: Sources) -> None:
    old, new = plain(sources), second(sources, without_email)
    assert reads(new, "isa-2024-011@1.0.0", "est") and not reads(new, "isa-2026-099@1.0.0", "est")
    told = about(differences(old, new), "est")
    assert {direction for direction, _ in told} == {"narrows"}
    assert all("of what comes 2026-02-01 to 2026-06-30" in condition for _, condition in told)


def test_a_suspended_agreement_that_began_last_stops_all_though_the_other_is_active(sources: Sources) -> None:
    old, new = plain(sources), second(sources, lambda a: a.update(status="suspended"))
    assert [passes(new, day) for day in (BEFORE, DURING, AFTER)] == [True, False, True]
    ((direction, _),) = about(differences(old, new))
    assert direction == "narrows"
    assert not about(differences(old, new), "est"), "what came under the other is read as it was"
    assert any("all is refused, although isa-2024-011@1.0.0 is not" in one.condition for one in overlaps(new))


def test_a_later_agreement_that_shows_more_widens_only_what_comes_under_it(sources: Sources) -> None:
    def show(agreement: Any) -> None:
        next(r for r in agreement["recipients"] if r["role"] == "school-improvement")["shows"].append("contact")

    old, new = plain(sources), second(sources, show)
    assert not reads(new, "isa-2024-011@1.0.0", "school-improvement")
    assert reads(new, "isa-2026-099@1.0.0", "school-improvement")
    made = differences(old, new)
    assert not about(made), "the same may be sent"
    told = about(made, "school-improvement")
    assert told and all(direction == "widens" and "of what comes 2026-02-01" in words for direction, words in told)


def test_an_agreement_renewed_the_day_after_its_end_changes_nothing_that_may_be_sent(sources: Sources) -> None:
    """The right is of the day, not of the paper."""

    def end(agreement: Any) -> None:
        agreement["dates"] |= {"effectiveTo": "2026-01-31", "reviewBy": "2026-01-31"}

    shorter = {**sources.agreements, COLLEGE: copy.deepcopy(sources.agreements[COLLEGE])}
    end(shorter[COLLEGE])
    until = sources.agreements[COLLEGE]["dates"]["effectiveTo"]
    ended = Sources(shorter, sources.catalogue, sources.parties, sources.policy)
    new = second(ended, lambda a: a["dates"].update(effectiveTo=until))
    made = differences(plain(sources), new)
    assert not [one for one in made if not one.role]
    assert not overlaps(new)


def test_an_overlap_is_told_to_the_officer_in_words(sources: Sources) -> None:
    assert not overlaps(plain(sources))
    found = overlaps(second(sources))
    (one,) = [one for one in found if EVENT in one.event]
    assert one.direction == "overlaps" and one.party == PARTY
    assert one.condition == (
        "2026-02-01 to 2026-06-30 both isa-2026-099@1.0.0 and isa-2024-011@1.0.0 cover it; the gate judges by"
        " isa-2026-099@1.0.0 alone, which began last (2026-02-01), and what came under isa-2024-011@1.0.0 is read by"
        " the rows of isa-2024-011@1.0.0"
    )


def test_of_two_that_began_on_one_day_the_difference_names_the_one_that_the_gate_takes(sources: Sources) -> None:
    start = sources.agreements[COLLEGE]["dates"]["effectiveFrom"]
    new = second(sources, lambda a: a["dates"].update(effectiveFrom=start, signed="2024-08-01"))
    grant = parse_policy(new, "").grant(EVENT, PARTY, datetime(2026, 3, 1, tzinfo=UTC).date())
    assert grant is not None
    assert all(f"the gate judges by {grant.agreement.name} alone" in one.condition for one in overlaps(new))
