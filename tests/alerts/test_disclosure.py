"""Nothing leaves that mask and agreement do not both allow: canaries in every field, searched in every view."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from hub.sharing import compile_policy
from services.alerts import words
from services.alerts.case import Case
from services.alerts.disclosure import View, disclose
from services.alerts.masks import category_of, mask
from services.alerts.rules import RULES
from services.alerts.settings import load
from services.alerts.sharing import NOTHING, Closed, Compiled, Readable, Shared
from services.alerts.state import Recipient
from spine.keystore import MemoryKeys
from spine.schema import Catalogue
from tests.alerts.world import ROOT, Everything, World, belief, d, episode, mark, policy, span

MARKS = ("looked_after", "care_leaver", "yj_open", "ehcp", "pregnant_or_parent", "young_carer", "homeless")
WHO = {
    "given_name": "GivenCanary",
    "family_name": "FamilyCanary",
    "date_of_birth": "2008-06-15",
    "postcode": "CANARYPOST",
    "address_line": "CANARYSTREET",
    "phone": "CANARYPHONE",
    "email": "CANARYMAIL",
}


def canary(event_type: str, name: str) -> str:
    return re.sub(r"[^a-z]", "", f"canary{event_type}{name}".lower())


def types() -> list[str]:
    folder = ROOT / "schemas" / "avro" / "partner"
    return sorted(p.name.removesuffix(".v1.avsc") for p in folder.glob("*.avsc") if p.name.count(".") > 3)


def field_names(event_type: str) -> list[str]:
    body = json.loads((ROOT / "schemas" / "avro" / "partner" / f"{event_type}.v1.avsc").read_text())
    (data,) = [f for f in body["fields"] if f["name"] == "data"]
    return [f["name"] for f in data["type"]["fields"] if '"date"' not in json.dumps(f["type"])]


def crowded(rule: str = "A01") -> tuple[Case, World]:
    """A person with one fact of every type, a canary in every field, and an alert that rests on all of them."""
    world = World()
    world.tell("person.registered", "2025-09-01", belief=belief(), subject=WHO)
    for n, event_type in enumerate(types()):
        if event_type.split(".")[0] in ("identity", "feed", "event", "alert") or event_type == "circumstance.died":
            continue
        data = {name: canary(event_type, name) for name in field_names(event_type)}
        world.tell(event_type, f"2025-09-{2 + n % 20:02}", received="2025-10-01", subject=WHO, source="college", **data)
    world.tell(
        "contact.verified",
        "2025-10-02",
        source="care",
        subject=WHO,
        contact_role="social-worker",
        belief=belief(
            span("2025-09-08", "2025-09-19", "230"),
            span("2025-09-20", "2025-09-25", "290"),
            span("2025-09-26", None, "650"),
            marks=[mark(name) for name in MARKS],
            episodes=[episode("2025-09-26")],
        ),
    )
    (alert,) = world.alerts("A01")
    facts = tuple(fact.event_id for fact in world.state.facts)
    from dataclasses import replace

    held = replace(alert, rule=rule, evidence=facts)
    state = replace(world.state, alerts=(held,))
    return Case(state, d("2025-10-02"), policy()), world


def text(view: View) -> str:
    return json.dumps(view.fields(), default=str).lower()


def look(case: Case, role: str, sharing: object = None) -> View:
    chosen = Everything() if sharing is None else sharing
    return disclose(case, case.alerts[0], Recipient(role), chosen)  # type: ignore[arg-type]


ROLES = sorted(policy().masks.roles)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reads_a_field_of_a_category_outside_its_mask(role: str) -> None:
    case, _ = crowded()
    view = look(case, role)
    shown = text(view)
    allowed = mask(policy(), role, "A01")
    for event_type in types():
        if category_of(event_type) in allowed:
            continue
        leaked = [name for name in field_names(event_type) if canary(event_type, name) in shown]
        assert not leaked, (role, event_type, leaked)
    assert all(line.category in allowed for line in view.lines)
    for word, category in (("canarypost", "contact"), ("familycanary", "identity")):
        assert (word in shown) == (category in allowed)


WORDS = {
    "care": ("looked after", "care leaver", "foster", "social care", "social worker", "placement", "leaving care"),
    "youth_justice": ("youth justice", "custody", "custod", "order", "yjt"),
    "pregnancy": ("pregnan", "baby", "parent"),
    "send": ("health and care plan", "ehcp", "sena"),
    "benefit": ("universal credit", "jobcentre", "benefit", "dwp"),
    "housing": ("homeless",),
}


@pytest.mark.parametrize("role", ROLES)
def test_no_word_of_the_hub_itself_gives_a_category_away(role: str) -> None:
    case, _ = crowded()
    view = look(case, role)
    ours = [view.headline, *view.why, *view.todo, *(span.label for span in view.timeline)]
    ours += [line.value for line in view.lines if not line.value.startswith("canary")]
    said = " ".join(ours).lower().replace(f"told as {words.role(role)}.".lower(), "")
    allowed = mask(policy(), role, "A01")
    if view.withheld:
        said = said.replace(view.why[-1].lower(), "")
    exact = "neet_reason" in allowed and role not in policy().masks.group_only
    for category, terms in WORDS.items():
        if category not in allowed and not (category == "pregnancy" and exact):
            assert not [term for term in terms if term in said], (role, category, said)


def test_a_college_never_learns_of_custody_care_or_an_address() -> None:
    case, _ = crowded("A10")
    shown = text(look(case, "provider-welfare"))
    for term in ("custody", "foster", "care order", "canarypost", "universal credit", "benefit", "pregnan", "semh"):
        assert term not in shown


def test_exact_codes_620_to_680_read_as_not_available_without_the_exact_reason() -> None:
    case, _ = crowded()
    for role in ("inclusion-team", "eet-panel", "dwp-spoc", "est"):
        view = look(case, role)
        assert "pregnan" not in text(view)
        assert view.timeline[-1].label == "Not available"
    assert look(case, "personal-adviser").timeline[-1].label == "Not available, pregnancy"


def test_days_in_custody_are_not_shown_to_the_inclusion_team() -> None:
    case, _ = crowded()
    assert [span.label for span in look(case, "inclusion-team").timeline][1] == "Not shown"


@dataclass(frozen=True, slots=True)
class NameOnly:
    """An agreement that lets a role read the given name and nothing else."""

    digest: str = "name-only"

    def next_turn(self, after: date) -> date | None:
        del after
        return None

    def agreed_with(self, council: str, today: date) -> bool:
        del council, today
        return False

    def readable(self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]) -> Readable:
        del role, rule, today, consented
        if fact.source != "care":
            return NOTHING
        return Readable("isa-name@1", frozenset({"identity"}), {"subject.given_name": "identity"})


def test_the_agreement_narrows_what_the_mask_allows() -> None:
    case, _ = crowded()
    view = look(case, "social-worker", NameOnly())
    assert [line.value for line in view.lines if line.category == "identity"][:1] == ["GivenCanary"]
    assert "familycanary" not in text(view)
    assert "canaryeducation" not in text(view)
    assert view.timeline == ()
    assert view.agreements == ("isa-name@1",)
    assert "Agreement isa-name@1 lets us share this." in view.why


def test_without_a_policy_head_nothing_about_the_person_is_shown() -> None:
    case, _ = crowded()
    view = look(case, "social-worker", Closed())
    assert "canary" not in text(view)
    assert view.agreements == ()


def test_an_external_role_without_an_agreement_is_not_told_at_all() -> None:
    from services.alerts.decide import Settings, decide
    from services.alerts.reading import Ticked
    from services.alerts.state import State

    world = World()
    world.tell(
        "education.enrolment.started",
        "2025-09-08",
        belief=belief(span("2025-09-08", None, "230"), marks=[mark("ehcp")]),
    )
    world.tell("education.attendance.summary", "2025-10-17", percent=80.0, days_counted=20)
    assert "provider-welfare" in world.to("A10")
    from dataclasses import replace

    bare = replace(world.state, alerts=())
    state, _ = decide(Settings(policy(), Closed()), bare, Ticked("t", d("2025-10-20")))
    assert isinstance(state, State)
    assert {r.role for r in state.alerts[0].recipients} == {"sena-caseworker"}


def test_advice_says_no_more_than_the_title_that_the_reader_sees() -> None:
    for rule, (_, title, otherwise) in words.TITLES.items():
        told = words.todo(rule, masked=True)
        assert told == words.todo(rule, masked=False) or told == words.TODO_OTHERS, rule
        if title != otherwise:
            assert rule == "A36" or told == words.TODO_OTHERS, f"{rule}: the advice is that of the title"


def test_every_rule_has_words() -> None:
    assert set(RULES) <= set(words.TITLES)


def test_every_event_type_has_a_category_or_is_never_shown() -> None:
    never = {"case", "consent", "sharing", "report", "referral", "alert", "event", "identity", "feed"}
    assert {t.split(".")[0] for t in types() if not category_of(t)} <= never


def test_views_fit_the_schema_of_the_log() -> None:
    catalogue = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
    _, world = crowded()
    for effect in world.effects:
        body = catalogue.encode(effect.kind, {**effect.fields, "event_id": "x"})
        assert catalogue.decode(effect.kind, body)["event_id"] == "x"


def test_compiled_agreements_are_read_as_they_are_built() -> None:
    head = ROOT / "contracts" / "compiled" / "head.json"
    if not Path(head).exists():
        pytest.skip("not compiled here")
    sharing = load(ROOT / "contracts").sharing
    case, _ = crowded()

    @dataclass(frozen=True)
    class Summary:
        source: str = "northvale-college"
        type: str = "education.attendance.summary"
        agreement: str = "isa-2024-011@0.9.0"

    def never(purpose: str) -> bool:
        del purpose
        return False

    welfare = sharing.readable(Summary(), "provider-welfare", "A10", case.today, never)
    assert "attendance" in welfare.categories
    assert "subject.postcode" not in welfare.fields
    assert not sharing.readable(Summary(), "provider-welfare", "A01", case.today, never).categories
    assert not sharing.readable(Summary(), "dwp-spoc", "A01", case.today, never).categories
    assert sharing.readable(Summary(), "dwp-spoc", "A01", case.today, lambda p: p == "dwp_sharing").categories


def test_a_partners_data_contact_is_told_of_a_breach_and_reads_nothing_of_anybody() -> None:
    sharing = Compiled.parse(compile_policy(ROOT / "contracts").content, "x")
    fact, day = Kind("jobcentre-plus", "uc.claim_started", "isa-2024-010"), d("2026-01-15")
    breach = sharing.readable(fact, "agency-spoc", "A39", day, lambda purpose: False)
    assert breach.agreement and not breach.categories and not breach.fields
    assert not sharing.readable(fact, "agency-spoc", "A01", day, lambda purpose: False).agreement


@dataclass(frozen=True)
class Kind:
    """A fact as far as an agreement asks."""

    source: str
    type: str
    agreement: str


def test_an_answer_that_is_remembered_is_that_of_an_agreement_asked_for_the_first_time() -> None:
    asked = Compiled.parse(compile_policy(ROOT / "contracts").content, "x")
    consented, refused = (lambda purpose: True), (lambda purpose: False)
    day, differs = d("2026-01-15"), 0
    for source, kind, stem in sorted(asked.items):
        fact = Kind(source, kind, stem)
        for role in sorted(asked.agreements[stem].rows):
            rows = asked.agreements[stem].rows[role]
            bound = sorted({rule for row in rows for rule in row.rules or ()})
            shown = []
            for rule in ("A01", *bound[:2]):
                found = [asked.readable(fact, role, rule, day, say) for say in (consented, refused, consented)]
                anew = [replace(asked).readable(fact, role, rule, day, say) for say in (consented, refused)]
                assert found == [*anew, anew[0]], (fact, role, rule)
                shown.append(anew[0])
            differs += any(one != shown[0] and NOTHING not in (one, shown[0]) for one in shown)
    assert differs, "no role reads more for one rule than for another"
