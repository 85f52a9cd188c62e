"""What was withheld and why: complete, and it tells no team of what it must not know. Real agreements, every team.

The oracle is tests/adversary/licence.py: it works from the agreements' own YAML and the policy file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hub.sharing import compile_policy, provider_of, read_sources
from services.alerts import words
from services.alerts.case import Case
from services.alerts.disclosure import View, Withheld, disclose
from services.alerts.masks import category_of
from services.alerts.settings import load
from services.alerts.sharing import Closed, Compiled, Sharing
from services.alerts.state import Alert, Recipient, Seen, State, Subject
from tests.adversary.canaries import Origin
from tests.adversary.licence import Licence
from tests.alerts.world import belief, d, mark, span

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
TODAY = date(2026, 1, 15)
COLLEGE, YOUTH_JUSTICE = "northvale-college", "northshire-youth-justice"
KINDS = {COLLEGE: "college", YOUTH_JUSTICE: "youth-justice"}
PAPERS = {COLLEGE: "isa-2024-011@1.0.0", YOUTH_JUSTICE: "isa-2024-003@1.0.0"}
LEFT, CUSTODY = "education.enrolment.withdrawn", "yj.custody.entered"
WHO = {"given_name": "Robin", "family_name": "Marsh", "date_of_birth": "2009-03-14"}
RULES = ("A01", "A02", "A10", "A30", "A32", "A36")
GIVES_AWAY = ("youth justice", "custody", "order", "setting", "planned release", "isa-2024-003", "secure")
CONSENTS = frozenset({"teenage_parent_support", "dwp_sharing", "health_sharing"})

TEAMS: Mapping[str, Any] = YAML(typ="safe").load(CONTRACTS / "teams.yaml")["teams"]
every_team = pytest.mark.parametrize("team", sorted(TEAMS))
POLICY = load(CONTRACTS).policy
SHARING = Compiled.parse(compile_policy(CONTRACTS).content, "policy")
LICENCE = Licence(CONTRACTS, {provider_of(a): a for a in read_sources(CONTRACTS).agreements.values()})


def seen(number: int, party: str, kind: str, effective: str = "2025-11-21", **told: Any) -> Seen:
    data, withheld = told.pop("data", {}), told.pop("withheld", ())
    return Seen(
        f"e{number}", party, KINDS[party], f"m{number}", kind, d(effective), d(effective), number, number,
        agreement=PAPERS[party], withheld=tuple(withheld), data=data, **told,
    )  # fmt: skip


LEAVING = seen(
    1,
    COLLEGE,
    LEFT,
    data={"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False},
    withheld=["data.destination_kind", "subject.phone", "subject.nhs_number"],
)
ENTERED = seen(
    2, YOUTH_JUSTICE, CUSTODY, data={"kind": "sentence", "setting": "secure_home"}, withheld=["data.planned_release_on"]
)
ALL_BACK = seen(3, COLLEGE, "sharing.instruction_recorded", data={"scope": "all_other_information"})
SOME_BACK = ALL_BACK._replace(data={"scope": "listed_items", "items": ["data.reason", "subject.phone"]})


def readers(team: str) -> list[tuple[str, str]]:
    """Every role of a team, in alerts of each rule."""
    return [(role, rule) for role in TEAMS[team]["roles"] for rule in RULES]


def look(
    team: str,
    role: str,
    rule: str,
    *facts: Seen,
    sharing: Sharing | None = None,
    evidence: tuple[Seen, ...] | None = None,
    **contact: str,
) -> View:
    """The view of one reader. All consents are given, so that only agreements, masks and choices narrow."""
    given = [
        seen(90 + n, COLLEGE, "consent.given", data={"purpose": purpose}) for n, purpose in enumerate(sorted(CONSENTS))
    ]
    sources = sorted({fact.source for fact in facts})
    subjects = tuple(
        Subject(source, KINDS[source], LEFT, d("2025-11-21"), 1, PAPERS[source], {**WHO, **contact})
        for source in sources
    )
    custody = any(fact.source == YOUTH_JUSTICE for fact in facts)
    days = [span("2025-09-01", "2025-11-20", "230", COLLEGE), span("2025-11-21", None, "810", "")]
    if custody:
        days[1] = replace(days[1], code="710", group="CUSTODY", source=YOUTH_JUSTICE)
    held = evidence if evidence is not None else tuple(f for f in facts if category_of(f.type))
    alert = Alert(
        "a1", rule, "m", d("2025-11-24"), d("2025-12-01"), "high", 1, (Recipient(role, team),),
        evidence=tuple(fact.event_id for fact in held),
    )  # fmt: skip
    state = State(
        "person-1",
        facts=(*facts, *given),
        subjects=subjects,
        belief=belief(*days, marks=[mark("yj_open")] if custody else []),
        alerts=(alert,),
    )
    return disclose(Case(state, TODAY, POLICY), alert, Recipient(role, team), sharing or SHARING)


def text(view: View) -> str:
    """All that a reader reads, but the words of its own role."""
    said = json.dumps({**view.fields(), "policy": ""}, default=str).lower()
    role = next(line for line in view.why if line.startswith("You are told as"))
    return said.replace(role.lower(), "")


def reads(party: str, kind: str, path: str, role: str, rule: str) -> bool:
    return LICENCE.may_read([Origin(party, kind, path)], role, rule, CONSENTS)


def knows(party: str, kind: str, role: str, rule: str) -> bool:
    """Whether the role may know that a fact of this type is."""
    return category_of(kind) in LICENCE.shows(party, role, rule, CONSENTS)


@every_team
def test_who_may_not_know_of_youth_justice_reads_the_same_whether_it_knows_the_person_or_not(team: str) -> None:
    for role, rule in readers(team):
        if knows(YOUTH_JUSTICE, CUSTODY, role, rule):
            assert "isa-2024-003" in text(look(team, role, rule, ENTERED, LEAVING))
            continue
        view = look(team, role, rule, ENTERED, LEAVING)
        assert not [word for word in GIVES_AWAY if word in text(view)], view
        # What the hub believes of the days is another question; the facts themselves must make no difference.
        without = look(team, role, rule, ENTERED, LEAVING, evidence=(LEAVING,))
        assert view == without


@every_team
def test_a_suspended_agreement_is_silent_for_everybody_and_the_other_one_still_speaks(team: str) -> None:
    for role, rule in readers(team):
        held = SHARING.less({"isa-2024-003"}, ())
        view = look(team, role, rule, LEAVING, ENTERED, sharing=held)
        assert not [word for word in GIVES_AWAY if word in text(view)], view
        alone = look(team, role, rule, LEAVING, ENTERED, sharing=held, evidence=(LEAVING,))
        assert (view.lines, view.withheld, view.why) == (alone.lines, alone.withheld, alone.why)
        by_party = look(team, role, rule, LEAVING, ENTERED, sharing=SHARING.less((), {YOUTH_JUSTICE}))
        assert by_party == view
        if knows(COLLEGE, LEFT, role, rule):
            assert any(line.value == "No" for line in view.lines), "what the college told stands"


@pytest.mark.parametrize("instruction", [ALL_BACK, SOME_BACK], ids=["all", "listed"])
@every_team
def test_what_the_person_holds_back_is_named_completely_to_those_who_could_read_it_and_to_nobody_else(
    team: str, instruction: Seen
) -> None:
    agreement = LICENCE.agreements[COLLEGE]
    entry = next(entry for entry in agreement["sharing"] if entry["event"] == LEFT)
    items = [*agreement["commonItems"], *entry["items"]]
    chosen = [item["field"] for item in items if item.get("subjectChoice") == "opt-out"]
    if instruction is SOME_BACK:
        chosen = [path for path in chosen if path in SOME_BACK.words("items")]
    contact = {"phone": "07700 900123", "email": "r@m.example"}
    for role, rule in readers(team):
        view = look(team, role, rule, LEAVING, instruction, evidence=(LEAVING,), **contact)
        expected = {
            words.label(path.rpartition(".")[2]).lower()
            for path in chosen
            if knows(COLLEGE, LEFT, role, rule) and reads(COLLEGE, LEFT, path, role, rule)
        }
        assert {one.what for one in view.withheld if one.why == "choice"} == expected
        held = ["changed mind", "07700"] if "data.reason" in chosen else []
        assert not [value for value in held if value in text(view)]


@every_team
def test_whether_there_was_a_value_to_hold_back_makes_no_difference(team: str) -> None:
    for role in TEAMS[team]["roles"]:
        full = LEAVING._replace(data={**LEAVING.data, "destination_kind": "college"})
        assert look(team, role, "A02", full, ALL_BACK, evidence=(full,)) == look(
            team, role, "A02", LEAVING, ALL_BACK, evidence=(LEAVING,)
        )


@every_team
def test_what_the_source_withheld_is_named_to_those_who_could_read_it_and_to_nobody_else(team: str) -> None:
    for role, rule in readers(team):
        view = look(team, role, rule, LEAVING, ENTERED)
        told = {one.what for one in view.withheld if one.why == "source"}
        facts = ((COLLEGE, LEFT, LEAVING), (YOUTH_JUSTICE, CUSTODY, ENTERED))
        assert told == {
            words.label(path.rpartition(".")[2]).lower()
            for party, kind, fact in facts
            for path in fact.withheld
            if knows(party, kind, role, rule) and reads(party, kind, path, role, rule)
        }


@every_team
def test_what_the_agreement_keeps_from_a_role_is_named_by_category_where_its_mask_has_the_category(team: str) -> None:
    for role, rule in readers(team):
        view = look(team, role, rule, LEAVING, ENTERED)
        told = {one.what.replace(" ", "_") for one in view.withheld if one.why == "agreement"}
        expected: set[str] = set()
        for party, kind in ((COLLEGE, LEFT), (YOUTH_JUSTICE, CUSTODY)):
            agreement = LICENCE.agreements[party]
            entry = next(entry for entry in agreement["sharing"] if entry["event"] == kind)
            carried = {item["shows"] for item in (*agreement["commonItems"], *entry["items"])}
            if knows(party, kind, role, rule):
                expected |= (carried & LICENCE.mask(role, rule)) - LICENCE.shows(party, role, rule, CONSENTS)
        assert told == expected


def test_what_was_left_out_at_the_gate_stays_named_after_the_person_lifted_the_instruction() -> None:
    told = LEAVING._replace(data={"reason": "unknown", "destination_confirmed": False}, dropped=("data.reason",))
    lifted = ALL_BACK._replace(data={"scope": "lifted"})
    view = look("csc-north", "social-worker", "A02", told, lifted, evidence=(told,))
    assert Withheld("reason", "choice") in view.withheld


@every_team
def test_without_a_policy_the_hubs_own_words_give_nothing_away(team: str) -> None:
    for role, rule in readers(team):
        view = look(team, role, rule, LEAVING, ENTERED, sharing=Closed())
        assert not [word for word in (*GIVES_AWAY, "priority: ", "not in education") if word in text(view)], view
        assert view.withheld == () and view.agreements == () and view.timeline == ()
        assert {line.label for line in view.lines} <= {"Also told"}
