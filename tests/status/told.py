"""Facts as matching tells them, for tests: events in the shape of the stories become attributions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.status.agent import policy_of
from services.status.decide import decide
from services.status.reading import read
from services.status.state import State, empty
from spine.keystore import MemoryKeys
from spine.record import Effect, Fact
from spine.schema import Catalogue

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
POLICY = policy_of(ROOT / "contracts")
KINDS = {
    party: body["kind"]
    for party, body in YAML(typ="safe").load(ROOT / "contracts" / "catalogue.yaml")["parties"].items()
}
PERSON = "person-1"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def observation(event: Mapping[str, Any]) -> dict[str, Any]:
    """The observation that the gate makes of a story's event."""
    label = str(event["id"])
    message = str(event.get("message_id") or label)
    kind = f"{event['type']}.data.v1"
    subject = dict(event.get("subject") or {})
    if subject.get("date_of_birth"):
        subject["date_of_birth"] = date.fromisoformat(str(subject["date_of_birth"]))
    return {
        "event_id": hashlib.sha256(f"{event['source']}/{message}".encode()).hexdigest()[:32],
        "source": event["source"],
        "source_kind": KINDS[event["source"]],
        "message_id": message,
        "type": event["type"],
        "effective_on": date.fromisoformat(str(event["effective_on"])),
        "received_at": moment(event["received_at"]),
        "sequence": event.get("sequence"),
        "withheld": [],
        "dropped": [],
        "agreement": "test@1",
        "policy": "test",
        "authority": "northshire",
        "test": False,
        "subject": CATALOGUE.encode("subject.v1", subject),
        "data": CATALOGUE.encode(kind, _dated(kind, event.get("data") or {})),
        "sealed_under": None,
    }


def _dated(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Dates of a story are text; which fields are dates, the schema says."""
    parsed = CATALOGUE._parsed[kind]
    out = dict(data)
    for field in parsed["fields"]:
        value = out.get(field["name"])
        if isinstance(value, str) and "'date'" in str(field["type"]):
            out[field["name"]] = date.fromisoformat(value)
    return out


def attribution(
    act: str,
    known_at: str | datetime,
    event: Mapping[str, Any] | None = None,
    *,
    person: str = PERSON,
    number: str = "",
    **more: Any,
) -> Fact:
    raw = None if event is None or act == "withdrawn" else observation(event)
    observation_id = None if event is None else observation(event)["event_id"]
    fields = {
        "person_id": person,
        "act": act,
        "known_at": known_at if isinstance(known_at, datetime) else moment(known_at),
        "other_person": None,
        "review_id": None,
        "safeguarding": False,
        "how": "exact",
        "weight_millibits": None,
        "observation_id": observation_id,
        "observation": raw,
        **more,
    }
    event_id = hashlib.sha256(f"{act}/{observation_id}/{known_at}/{number}".encode()).hexdigest()[:32]
    body = CATALOGUE.encode("attribution.v1", {**fields, "event_id": event_id})
    return Fact("attribution.v1", event_id, CATALOGUE.decode("attribution.v1", body))


def tick(on: str | date) -> Fact:
    return Fact("tick.v1", f"tick-{on}", {"event_id": f"tick-{on}", "on": date.fromisoformat(str(on))})


def linked(events: Iterable[Mapping[str, Any]]) -> list[Fact]:
    """Each event given to the person when it was received; ``known_at`` in an event says otherwise (held, released)."""
    facts = []
    for event in events:
        known_at = event.get("known_at")
        act = "linked" if known_at is None else "released"
        facts.append(attribution(act, known_at or event["received_at"], event))
    return facts


def run(facts: Iterable[Fact], state: State | None = None) -> tuple[State, list[Effect]]:
    """Decide the facts in order; every effect must fit its schema."""
    state, effects = state or empty(PERSON), []
    for fact in facts:
        state, told = decide(state, read(fact, CATALOGUE), POLICY)
        for effect in told:
            CATALOGUE.encode(effect.kind, {**effect.fields, "event_id": "e"})
        effects += told
    return state, effects


# The short form of the cases

AGENCIES = {
    "college": "northvale-college",
    "other college": "southmere-college",
    "special college": "hollybank-college",
    "school": "northgate-academy",
    "provider": "millbrook-training",
    "university": "university-of-eastmarsh",
    "social care": "northshire-social-care",
    "inclusion": "northshire-inclusion",
    "est": "northshire-est",
    "youth justice": "northshire-youth-justice",
    "jobcentre": "jobcentre-plus",
    "send": "northshire-send",
    "housing": "northshire-housing",
    "early help": "northshire-early-help",
    "next council": "eastmarsh-council",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "education.enrolment.started": {"institution_type": "further_education", "mode": "full_time"},
    "education.enrolment.completed": {"achieved": True},
    "education.enrolment.withdrawn": {
        "reason": "changed_mind",
        "destination": "unknown",
        "destination_confirmed": False,
    },
    "provision.started": {"hours_per_week": 20.0},
    "provision.ended": {"completed": False, "destination": "unknown", "destination_confirmed": False},
    "provision.agreed": {"hours_per_week": 20.0},
    "employment.started": {
        "kind": "permanent",
        "hours_per_week": 30.0,
        "training": "none",
        "evidence": "contract",
        "supported_by_est": False,
    },
    "employment.ended": {"reason": "other", "next_activity": "unknown"},
    "contact.verified": {"contact_role": "inclusion-team", "method": "phone"},
    "contact.failed": {"contact_role": "inclusion-team", "attempts": 3, "address_current": False},
    "contact.in_work": {"contact_role": "est", "concerns": False},
    "offer.accepted": {"suitable": True, "conditional": False},
    "start.cancelled": {"cancelled_by": "provider"},
    "uc.claim_ended": {"reason": "other"},
    "yj.custody.entered": {"kind": "remand", "setting": "youth_detention_accommodation", "education_on_site": True},
    "yj.custody.released": {"accommodation": "parents_or_relatives"},
    "yj.custody.sentenced": {
        "kind": "dto",
        "planned_release_on": "2027-01-01",
        "accommodation_agreed": False,
        "ete_agreed": False,
    },
    "yj.disposal.started": {"kind": "referral_order", "ete_hours_offered": 16.0},
    "yj.disposal.ended": {"reason": "completed", "ete_hours_at_end": 0.0},
    "care.episode.started": {
        "legal_basis": "section_20",
        "placement_type": "foster_care",
        "planned": True,
        "placement_authority": "northshire",
        "out_of_area": False,
        "education_changes": False,
    },
    "care.episode.ended": {"reason": "returned_home"},
    "circumstance.birth": {"living_with_child": True},
    "circumstance.died": {"confirmed": True},
    "circumstance.moved_abroad": {"returning": False},
    "education.attendance.summary": {"period_from": "2025-09-01", "days_counted": 20, "percent": 90.0},
    "education.attendance.absence": {"reason": "unexplained"},
    "taster.attended": {"sector": "other"},
    "plan.multi_agency_recorded": {"agencies": ["inclusion-team"]},
    "in_touch_day.held": {"attended": True},
    "housing.homelessness.approached": {"circumstance": "other", "authority": "northshire"},
    "housing.homelessness.relief_duty_accepted": {"circumstance": "other", "authority": "northshire"},
    "housing.homelessness.main_duty_accepted": {"authority": "northshire"},
    "housing.homelessness.duty_ended": {"reason": "other"},
    "housing.tenancy.started": {"kind": "supported", "expected_months": 12},
    "ehcp.issued": {"plan_ref": "EHC-1"},
    "ehcp.cease_considered": {"ground": "outcomes_achieved", "consulted": ["young_person", "named_institution"]},
    "ehcp.consultation_responded": {"respondent": "corporate_parenting", "view": "no_view"},
    "ehcp.cease_decided": {"ground": "outcomes_achieved", "appeal_rights_enclosed": True},
    "ehcp.mediation_certificate": {"mediated": False},
    "ehcp.appeal_registered": {"about": "cease"},
    "ehcp.ceased": {"ground": "outcomes_achieved"},
    "ehcp.review_meeting_held": {"review_kind": "annual", "activity_confirmed": True},
    "event.retracted": {"reason": "entered_in_error"},
}
SHORT = {
    "enrolled": "education.enrolment.started",
    "enrolment changed": "education.enrolment.changed",
    "completed": "education.enrolment.completed",
    "withdrawn": "education.enrolment.withdrawn",
    "not enrolled": "education.enrolment.not_enrolled",
    "contact": "contact.verified",
    "job": "employment.started",
    "job ended": "employment.ended",
}


def event(n: int, born: str | None, told: dict[str, Any]) -> dict[str, Any]:
    told = dict(told)
    at, agency, kind = str(told.pop("at")), told.pop("of"), told.pop("is")
    kind = SHORT.get(kind, kind)
    day = str(told.pop("day", at[:10]))
    message, known_at = told.pop("message", None), told.pop("known_at", None)
    data = {**DEFAULTS.get(kind, {}), **{k: str(v) if isinstance(v, date) else v for k, v in told.items()}}
    if born is not None:
        data_subject = {"source_ref": "1", "date_of_birth": born}
    else:
        data_subject = {"source_ref": "1"}
    return {
        "id": f"E{n}",
        "message_id": message or f"M{n}",
        "received_at": at if "T" in at else f"{at}T10:{n:02}:00Z",
        "known_at": known_at,
        "source": AGENCIES[agency],
        "type": kind,
        "effective_on": day,
        "subject": data_subject,
        "data": {k: v * 1.0 if k.startswith("hours") else v for k, v in data.items()},
    }


def cases() -> list[tuple[str, dict[str, Any]]]:
    """(name, case) of every case of the folder ``cases``."""
    found = []
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml")):
        for case in YAML(typ="safe").load(path):
            found.append((f"{path.stem}: {case['name']}", case))
    return found


def events_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    born = str(case["born"]) if case.get("born") else None
    found = [event(n, born, fact) for n, fact in enumerate(case["facts"], start=1)]
    return sorted(found, key=lambda e: str(e["known_at"] or e["received_at"]))


def state_of(case: dict[str, Any]) -> State:
    return run(linked(events_of(case)))[0]
