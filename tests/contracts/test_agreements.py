"""Agreements: complete, lawful on paper, compiled the same everywhere, and never widened unseen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hub.agreement_checks import Finding, check, uncovered
from hub.sharing import Sources, compile_sources, read_sources, read_yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
SOURCES = read_sources(CONTRACTS)
SCHEMA = json.loads((CONTRACTS / "isa.schema.json").read_text())
ON = date(2026, 11, 25)
COLLEGE = "isa-2024-011-northvale-college.isa.yaml"


def changed(change: Callable[[Any], object], file: str = COLLEGE) -> Sources:
    agreements = {name: copy.deepcopy(dict(a)) for name, a in SOURCES.agreements.items() if name == file}
    change(agreements[file])
    return Sources(agreements, SOURCES.catalogue, SOURCES.parties, SOURCES.policy)


def findings(change: Callable[[Any], object], file: str = COLLEGE) -> list[Finding]:
    return check(changed(change, file), SCHEMA, ON)


def test_the_committed_agreements_have_no_fault() -> None:
    assert not [f for f in check(SOURCES, SCHEMA, ON) if f.level == "error"]


def test_every_party_may_send_every_type_that_its_kind_publishes() -> None:
    assert not list(uncovered(SOURCES))
    assert len(SOURCES.agreements) == len(SOURCES.catalogue["parties"])


def test_over_sharing_is_refused_by_most_agreements_and_minimised_by_some() -> None:
    ways = [a["overSharing"] for a in SOURCES.agreements.values()]
    assert ways.count("minimise") >= 1 and ways.count("refuse") > len(ways) / 2


def test_recipients_may_read_at_least_what_the_masks_show() -> None:
    """For every role inside the council, party and type: the mask's categories that the type has are granted."""
    content = compile_sources(SOURCES).content
    roles, masks = SOURCES.catalogue["roles"], SOURCES.policy["masks"]["roles"]
    for grant in content["grants"]:
        provider_kind = content["parties"][grant["provider"]]["kind"]
        if provider_kind == "hub-steward":
            continue
        rows = content["agreements"][grant["agreement"]]["recipients"]
        has = set(grant["items"].values())
        for role, mask in masks.items():
            if roles[role]["external"]:
                continue
            shown = {c for row in rows if row["role"] == role and row["rules"] is None for c in row["shows"]}
            assert set(mask) & (has | {"status"}) <= shown, (grant["agreement"], grant["type"], role)


def test_nobody_outside_the_council_is_told_without_the_rules_being_named() -> None:
    roles = SOURCES.catalogue["roles"]
    for agreement in SOURCES.agreements.values():
        for row in agreement["recipients"]:
            assert "rules" in row or not roles[row["role"]]["external"]


def test_compiling_twice_gives_the_same_bytes_in_any_order_of_files() -> None:
    backwards = dict(reversed(list(SOURCES.agreements.items())))
    again = Sources(backwards, SOURCES.catalogue, SOURCES.parties, SOURCES.policy)
    assert compile_sources(again) == compile_sources(SOURCES)


def test_a_draft_and_an_ended_agreement_stay_out_and_a_suspended_one_stays_in() -> None:
    for status, kept in [("draft", 0), ("ended", 0), ("suspended", 1), ("active", 1)]:
        content = compile_sources(changed(lambda a, s=status: a.update(status=s))).content
        assert len(content["agreements"]) == kept


def test_a_change_of_any_rule_changes_the_hash() -> None:
    before = compile_sources(changed(lambda a: None)).policy_hash
    after = compile_sources(changed(lambda a: a["recipients"][0]["shows"].pop())).policy_hash
    assert before != after


def forget(a: Any) -> None:
    a["commonItems"].pop()


def invent(a: Any) -> None:
    a["hubOnly"].append("data.no_such_field")


def twice(a: Any) -> None:
    a["mustNotSend"].append("subject.given_name")


def other_class(a: Any) -> None:
    a["sharing"][0]["items"][1]["class"] = "operational"


def strange_role(a: Any) -> None:
    a["recipients"][0]["role"] = "astronaut"


def strange_purpose(a: Any) -> None:
    a["recipients"][0]["purpose"] = "curiosity"


def strange_rule(a: Any) -> None:
    a["recipients"][0]["rules"] = ["A99"]


def outside_without_rules(a: Any) -> None:
    row = next(r for r in a["recipients"] if r["role"] == "provider-welfare")
    del row["rules"]


def strange_event(a: Any) -> None:
    a["sharing"][0]["event"] = "no.such.type"


def not_theirs(a: Any) -> None:
    a["sharing"][0]["event"] = "uc.claim_started"


def no_basis(a: Any) -> None:
    a["purposes"][0]["lawfulBasis"].pop()


def no_article9(a: Any) -> None:
    for basis in a["purposes"][0]["lawfulBasis"]:
        basis.pop("article9", None)
        basis.pop("dpa2018Schedule1", None)


def late_approval(a: Any) -> None:
    a["approvals"][0]["date"] = "2025-01-01"


def no_approval(a: Any) -> None:
    a["approvals"].pop()


def backwards(a: Any) -> None:
    a["dates"]["effectiveTo"] = "2023-01-01"


def unknown_party(a: Any) -> None:
    a["parties"][0]["id"] = "somebody-else"


def no_provider(a: Any) -> None:
    a["parties"][0]["role"] = ["recipient"]


def typo(a: Any) -> None:
    a["oversharing"] = "minimise"


def bad_date(a: Any) -> None:
    a["dates"]["signed"] = "2024-02-31"


@pytest.mark.parametrize(
    "change",
    [
        forget,
        invent,
        twice,
        other_class,
        strange_role,
        strange_purpose,
        strange_rule,
        outside_without_rules,
        strange_event,
        not_theirs,
        no_basis,
        no_article9,
        late_approval,
        no_approval,
        backwards,
        unknown_party,
        no_provider,
        typo,
        bad_date,
    ],
    ids=lambda c: c.__name__,
)
def test_a_fault_in_an_agreement_is_found(change: Callable[[Any], object]) -> None:
    assert [f for f in findings(change) if f.level == "error"]


def test_two_agreements_in_force_for_one_party_and_type_are_an_overlap() -> None:
    second = {**copy.deepcopy(dict(SOURCES.agreements[COLLEGE])), "id": "isa-2024-099"}
    both = Sources(
        {COLLEGE: SOURCES.agreements[COLLEGE], "isa-2024-099-x.isa.yaml": second},
        SOURCES.catalogue,
        SOURCES.parties,
        SOURCES.policy,
    )
    assert any("overlaps" in f.what for f in check(both, SCHEMA, ON))
    second["dates"] = {
        **second["dates"],
        "effectiveFrom": "2027-09-01",
        "effectiveTo": "2028-08-31",
        "reviewBy": "2028-06-01",
    }
    assert not [f for f in check(both, SCHEMA, ON) if f.level == "error"]


def test_a_review_that_is_near_and_an_expired_agreement_warn() -> None:
    assert [f.level for f in check(changed(lambda a: None), SCHEMA, date(2027, 4, 15))] == ["warning"]
    assert [f.what for f in check(changed(lambda a: None), SCHEMA, date(2028, 1, 1))] == [
        "expired: it lets nothing through"
    ]


def test_teams_and_workers_resolve_and_every_role_has_a_desk_and_a_sign_in() -> None:
    teams, roles = read_yaml(CONTRACTS / "teams.yaml"), set(SOURCES.catalogue["roles"])
    assert set(teams["desks"]) == roles
    assert set(teams["desks"].values()) <= set(teams["teams"])
    for worker in teams["workers"].values():
        assert worker["team"] in teams["teams"] and worker["role"] in roles
        assert worker["role"] in teams["teams"][worker["team"]]["roles"]
    assert roles <= {role for user in teams["users"].values() for role in user["roles"]}
    assert all(u["worker"] is None or u["worker"] in teams["workers"] for u in teams["users"].values())
