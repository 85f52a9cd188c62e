"""Who may do what on the broker, as the contracts say it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hub.sharing import compile_policy
from hub.topics.contract import read_topics
from hub.topics.rights import Desired, Right, desired, providers, reaches, services_of
from spine.headed import Head

CONTRACTS = Path(__file__).parents[3] / "contracts"
TOPICS = read_topics(CONTRACTS)
POLICY = compile_policy(CONTRACTS).content
TODAY = date(2026, 1, 15)
COLLEGE = "northvale-college"


def wanted(head: Head | None = None, on: date = TODAY, policy: Mapping[str, Any] = POLICY) -> Desired:
    return desired(TOPICS, policy, head, on)


def of(principal: str, held: Desired) -> set[str]:
    return {str(right) for right in held.rights if right.principal == principal}


def test_a_partner_may_write_its_own_topic_and_nothing_else() -> None:
    assert of(f"User:partner-{COLLEGE}", wanted()) == {
        f"allow write topic partner.{COLLEGE}",
        f"allow describe topic partner.{COLLEGE}",
    }


def test_no_partner_has_a_wildcard_a_group_or_a_transaction() -> None:
    partners = [right for right in wanted().rights if right.principal.startswith("User:partner-")]
    assert len(partners) == 2 * sum(1 for topic in TOPICS if topic.party)
    assert {(right.resource, right.pattern, right.permission) for right in partners} == {("topic", "literal", "allow")}
    assert all("*" not in right.name for right in partners)


def test_nobody_may_create_delete_or_alter_anything() -> None:
    assert {right.operation for right in wanted().rights} == {"read", "write", "describe"}
    assert {right.resource for right in wanted().rights} == {"topic", "group"}


def test_a_service_writes_and_reads_what_the_contract_of_topics_says() -> None:
    assert of("User:hub-matching", wanted()) == {
        "allow read topic observations",
        "allow write topic attributions",
        "allow write topic reviews",
        "allow write topic quarantine",
        "allow read group hub-matching",
        "allow read group hub-matching.*",
    }


def test_a_service_that_reads_nothing_has_no_group_to_commit_in() -> None:
    assert "allow describe group hub-ticker.*" in of("User:hub-ticker", wanted())
    assert not any("read" in right for right in of("User:hub-ticker", wanted()))


def test_the_door_reads_every_partner_s_topic_and_no_other_service_does() -> None:
    readers = {right.principal for right in wanted().rights if right.name.startswith("partner.")}
    readers -= {f"User:partner-{topic.party}" for topic in TOPICS}
    assert readers == {"User:hub-ingest-door", "User:hub-operator"}
    operator = {right.operation for right in wanted().rights if right.principal == "User:hub-operator"}
    assert "allow read topic partner.jobcentre-plus" not in of("User:hub-operator", wanted())
    assert operator == {"read", "write", "describe"}


def test_no_group_of_one_service_is_within_another_s_prefix() -> None:
    for right in wanted().rights:
        if right.resource == "group" and right.pattern == "prefixed":
            owner = right.principal.removeprefix("User:")
            assert not any(f"hub-{name}".startswith(right.name) for name in services_of(TOPICS))
            assert right.name == f"{owner}."


@pytest.mark.parametrize(
    "head",
    [Head(2, "p", agreements=("isa-2024-011",)), Head(2, "p", parties=(COLLEGE,))],
    ids=["its agreement", "the party"],
)
def test_who_is_suspended_has_no_right_and_keeps_its_password(head: Head) -> None:
    held = wanted(head)
    assert of(f"User:partner-{COLLEGE}", held) == set()
    assert f"partner-{COLLEGE}" not in held.users
    assert f"partner-{COLLEGE}" in held.known
    assert of("User:partner-jobcentre-plus", held) == of("User:partner-jobcentre-plus", wanted())


def test_an_agreement_gives_nothing_before_its_first_day_and_after_its_last() -> None:
    agreement = POLICY["agreements"]["isa-2024-011@1.0.0"]
    first, last = (date.fromisoformat(agreement[name]) for name in ("effective_from", "effective_to"))
    for day, may in ((first, True), (last, True), (date(2020, 1, 1), False), (date(2099, 1, 1), False)):
        assert (COLLEGE in providers(POLICY, None, day)) is may, day


def test_a_suspension_in_the_file_of_the_agreement_counts_too() -> None:
    name = "isa-2024-011@1.0.0"
    changed = {**POLICY, "agreements": {**POLICY["agreements"], name: {**POLICY["agreements"][name]}}}
    changed["agreements"][name]["status"] = "suspended"
    assert of(f"User:partner-{COLLEGE}", wanted(policy=changed)) == set()


def test_who_has_no_agreement_any_more_is_nobody() -> None:
    ended = {
        **POLICY,
        "agreements": {n: a for n, a in POLICY["agreements"].items() if a["provider"] != COLLEGE},
        "grants": [grant for grant in POLICY["grants"] if grant["provider"] != COLLEGE],
    }
    held = wanted(policy=ended)
    assert f"partner-{COLLEGE}" not in held.known
    assert of(f"User:partner-{COLLEGE}", held) == set()


def test_an_agreement_that_grants_nothing_gives_no_right() -> None:
    silent = {**POLICY, "grants": [grant for grant in POLICY["grants"] if grant["provider"] != COLLEGE]}
    assert of(f"User:partner-{COLLEGE}", wanted(policy=silent)) == set()


@pytest.mark.parametrize(
    ("right", "within"),
    [
        (Right("User:x", "topic", "statuses", "literal", "read"), True),
        (Right("User:x", "topic", "*", "literal", "read"), True),
        (Right("User:x", "topic", "stat", "prefixed", "read"), True),
        (Right("User:x", "topic", "stat", "literal", "read"), False),
        (Right("User:x", "topic", "payroll", "literal", "read"), False),
        (Right("User:x", "topic", "statuses", "literal", "read", "deny"), False),
        (Right("User:x", "group", "*", "literal", "read"), True),
        (Right("User:x", "group", "payroll", "literal", "read"), False),
        (Right("User:x", "cluster", "", "literal", "create"), True),
        (Right("User:x", "transactional_id", "*", "literal", "write"), False),
    ],
)
def test_a_right_reaches_the_hub_or_it_does_not(right: Right, within: bool) -> None:
    assert reaches(right, TOPICS) is within
