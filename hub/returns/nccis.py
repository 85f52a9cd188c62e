"""The NCCIS return: one row per young person of the cohort, as XML and CSV. Pure.

Field names are those of DOMAIN 1.2. The official file layout is unconfirmed (DOMAIN 10): it must be checked before use.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from xml.etree import ElementTree

from hub.persons import Person
from services.alerts.state import Seen, Subject
from services.ingest.channels.files.feedback import safe_cell
from services.status import ccis, days
from services.status.belief import Belief, belief
from services.status.bitemporal import live
from services.status.codes import GROUPS
from services.status.policy import Policy

ACTIVITY = (
    "ActivityCode",
    "StartDate",
    "DateAscertained",
    "DateVerified",
    "ReviewDate",
    "DueToLapseDate",
    "CurrencyLapsed",
    "NEETStartDate",
    "PredictedEndDate",
)
ESTABLISHMENT = ("EstablishmentNumber", "EstablishmentName", "UKProviderReferenceNumber")
PERSON = ("YoungPersonsID", "GivenName", "FamilyName", "Postcode", "Gender", "DOB", "UniqueLearnerNo")
NEED = ("LevelOfNeedCode", "SENDFlag", "CharacteristicCode")
FIELDS = (*PERSON, "UniquePupilNumber", "GuaranteeStatus", *NEED, *ACTIVITY, *ESTABLISHMENT)
_OF_SUBJECT = {
    "GivenName": "given_name",
    "FamilyName": "family_name",
    "Postcode": "postcode",
    "Gender": "sex",
    "UniqueLearnerNo": "uln",
    "UniquePupilNumber": "upn",
}
MANY = " "
_AT_AN_ESTABLISHMENT = frozenset({"EET", "EET_SOFT", "PRE16_IN"})
GUARANTEE = "september_guarantee.status"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of contracts/policy/measures.yaml. ``needs``: level of need -> groups, the first that fits; none: fits everybody.

    ``establishments``: providers by party id, with the values of ``ESTABLISHMENT`` that are known of them.
    """

    ages: frozenset[int]
    with_plan_until: int | None
    review_days: int
    characteristics: Mapping[str, str]
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    establishments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def academic_age(born: int, on: date) -> int:
    """Age on the 31 August before the academic year of ``on`` (DOMAIN 1.4)."""
    day = date(on.year if on.month >= 9 else on.year - 1, 8, 31)
    of = days.to_date(born)
    return day.year - of.year - ((day.month, day.day) < (of.month, of.day))


def in_cohort(told: Belief, on: date, settings: Settings) -> bool:
    if told.born is None or told.over(on.toordinal()):
        return False
    age = academic_age(told.born, on)
    if age in settings.ages:
        return True
    last = settings.with_plan_until
    return last is not None and max(settings.ages) < age <= last and told.marked("ehcp", on.toordinal())


def row(
    person: Person, on: date, known: int, policy: Policy, settings: Settings, covered: frozenset[str]
) -> Mapping[str, str] | None:
    """Values of one person by what was known at ``known`` (UTC milliseconds), only those that the agreement covers.

    None outside the cohort. Names and numbers are the latest that were known at that moment.
    """
    facts = live(person.status.seen, policy, known)
    told = belief(facts, policy)
    if not in_cohort(told, on, settings):
        return None
    day = on.toordinal()
    held = ccis.currency(told, facts, day, settings.review_days, policy)
    values = dict.fromkeys(FIELDS, "")
    values |= {name: _named(person.alerts.subjects, of, known) for name, of in _OF_SUBJECT.items()}
    marked = [code for code, mark in sorted(settings.characteristics.items()) if told.marked(mark, day)]
    values |= {
        "YoungPersonsID": person.person_id,
        "DOB": _day(told.born),
        "GuaranteeStatus": _guarantee(person.alerts.facts, on, known),
        "LevelOfNeedCode": _need(told, day, settings),
        "SENDFlag": "Y" if told.marked("ehcp", day) else "N",
        "CharacteristicCode": MANY.join(marked),
        "ActivityCode": told.code(day),
        "StartDate": _day(held.start),
        "DateAscertained": _day(held.ascertained),
        "DateVerified": _day(held.verified),
        "ReviewDate": _day(held.review),
        "DueToLapseDate": _day(held.due_to_lapse),
        "CurrencyLapsed": "Y" if held.lapsed else "N",
        "NEETStartDate": _day(held.neet_start),
        "PredictedEndDate": _day(held.predicted_end),
        **_establishment(told, day, settings),
    }
    return {name: value if name in covered else "" for name, value in values.items()}


def _need(told: Belief, day: int, settings: Settings) -> str:
    """The first level of which the person is in a group; empty where no level fits."""
    fits = (
        level
        for level, groups in settings.needs.items()
        if not groups or any(told.marked(name, day) for name in groups)
    )
    return next(fits, "")


def _establishment(told: Belief, day: int, settings: Settings) -> Mapping[str, str]:
    """Where somebody learns or trains, as its own word says. Whoever else tells of an activity is no establishment."""
    span = told.span(day)
    if span is None or GROUPS[span.code] not in _AT_AN_ESTABLISHMENT:
        return {}
    return settings.establishments.get(span.source, {})


def _named(subjects: Sequence[Subject], name: str, known: int) -> str:
    held = [one for one in subjects if one.received_ms <= known and one.fields.get(name)]
    best = max(held, key=lambda one: (one.effective_on, one.received_ms, one.source), default=None)
    return "" if best is None else str(best.fields[name])


def _guarantee(facts: Sequence[Seen], on: date, known: int) -> str:
    """The latest word on the September Guarantee of this school year (DOMAIN 1.6), which ends in October."""
    began = date(on.year if on.month >= 10 else on.year - 1, 10, 1)
    told = [one for one in facts if one.type == GUARANTEE and began <= one.effective_on <= on and one.known_ms <= known]
    return told[-1].text("status") if told else ""


def _day(day: int | None) -> str:
    return "" if day is None else days.to_date(day).isoformat()


def as_csv(rows: Sequence[Mapping[str, str]], fields: Sequence[str] = FIELDS) -> bytes:
    """UTF-8 with a header line. Texts that a spreadsheet would run as a formula are disarmed by an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in one.items()} for one in rows)
    return out.getvalue().encode()


def as_xml(rows: Sequence[Mapping[str, str]], head: Mapping[str, str]) -> bytes:
    """An element per field; an empty field has none."""
    root = ElementTree.Element("NCCISReturn")
    _add(ElementTree.SubElement(root, "FileHeader"), head)
    for one in rows:
        person = ElementTree.SubElement(root, "YoungPerson")
        _add(person, {name: value for name, value in one.items() if name in (*PERSON, "UniquePupilNumber")})
        _add(person, {"GuaranteeStatus": one["GuaranteeStatus"]})
        need = ElementTree.SubElement(person, "LevelOfNeed")
        _add(need, {name: one[name] for name in ("LevelOfNeedCode", "SENDFlag")})
        for code in one["CharacteristicCode"].split():
            _add(need, {"CharacteristicCode": code})
        _add(ElementTree.SubElement(person, "Activity"), {name: one[name] for name in (*ACTIVITY, *ESTABLISHMENT)})
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add(parent: ElementTree.Element, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if value:
            ElementTree.SubElement(parent, name).text = "".join(c for c in value if c >= " ")
