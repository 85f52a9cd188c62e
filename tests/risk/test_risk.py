"""The risk of dropping out: reasons with points, from what a role may read, and nothing that must stay out."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import date, datetime

import pytest
from ruamel.yaml import YAML
from small_county import CONTRACTS, STUDY, County
from typer.testing import CliRunner

import hub.risk.command as command
from hub.__main__ import app
from hub.held import InProcess
from hub.persons import persons
from hub.risk.command import Risk, risks
from hub.risk.points import RiskPolicy
from services.alerts import settings as alerts_settings

TODAY = date(2026, 11, 5)
READ = YAML(typ="safe").load(CONTRACTS / "policy" / "risk.yaml")


def of(county: County, role: str, today: date = TODAY) -> list[Risk]:
    county.hub.settle()
    return risks(InProcess(county.hub), alerts_settings.load(CONTRACTS), RiskPolicy.parse(READ), role, today)


def attendance(county: County, who: int, on: str, percent: float) -> None:
    data = {"period_from": "2026-09-04", "days_counted": 20, "percent": percent}
    county.say(who, "northvale-college", "education.attendance.summary", on, data)


@pytest.fixture(scope="module")
def county() -> County:
    """Ada attends less and less; Boris, known to youth justice, too; Chloe attends; Dmitri is not in EET."""
    county = County()
    ada, boris, chloe = (county.student("2009-03-02") for _ in range(3))
    county.seeking("2009-03-02")
    disposal = {"kind": "referral_order", "ete_hours_offered": 16.0, "ends_on": "2027-06-01"}
    county.say(boris, "northshire-youth-justice", "yj.disposal.started", "2026-09-03", disposal)
    for who, percents in ((ada, (96, 83)), (boris, (88, 88)), (chloe, (97, 96))):
        for on, percent in zip(("2026-10-09", "2026-10-30"), percents, strict=True):
            attendance(county, who, on, float(percent))
    county.hub.settle()
    return county


def test_every_point_has_a_reason(county: County) -> None:
    (ada,) = of(county, "inclusion-team")
    assert [(reason.what, reason.points) for reason in ada.reasons] == [
        ("attendance 83 %", 2),
        ("attendance fell from 96 to 83 %", 2),
    ]
    assert (ada.name, ada.points, ada.band) == ("Ada Abbot", 4, "substantial")


def test_a_role_sees_the_cases_that_it_owns_and_reasons_that_it_may_read(county: County) -> None:
    (boris,) = of(county, "yjt-case-manager")
    assert boris.name == "Boris Abbot" and "yj open" in [reason.what for reason in boris.reasons]
    assert of(county, "housing-officer") == []


def test_what_is_old_gives_no_points(county: County) -> None:
    assert of(county, "inclusion-team", date(2027, 3, 1)) == []


@pytest.mark.parametrize("name", ["ethnicity", "EAL"])
def test_ethnicity_and_language_may_not_give_points(name: str) -> None:
    with pytest.raises(ValueError, match="may not give points"):
        RiskPolicy.parse({**READ, "standing": {**READ["standing"], name: 1}})


def test_the_list_says_that_it_is_for_triage(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "settings_in_force", alerts_settings.load)
    monkeypatch.setattr(command, "now", lambda: datetime.fromisoformat("2026-11-05T09:00:00Z"))
    monkeypatch.setattr(command, "stored", lambda: nullcontext(InProcess(county.hub)))
    written: list[tuple[str, list[str], str]] = []
    monkeypatch.setattr(command, "write_down", lambda *row: written.append(row))
    told = json.loads(CliRunner().invoke(app, ["risk", "list", "--role", "inclusion-team", "--json"]).output)
    assert written == [("hub risk list", [one["person_id"] for one in told["people"]], "role inclusion-team")]
    assert "triage only" in told["note"]
    assert [(one["points"], len(one["reasons"])) for one in told["people"]] == [(4, 2)]
    assert CliRunner().invoke(app, ["risk", "list", "--role", "nobody"]).exit_code == 2


def test_a_record_made_of_test_messages_is_nobody() -> None:
    county = County()
    who = county.young("2009-03-02")
    county.say(who, "northvale-college", "education.enrolment.started", "2026-09-02", STUDY, test=True)
    county.student()
    county.hub.settle()
    assert len(list(persons(InProcess(county.hub)))) == 1


def test_every_fault_of_the_file_is_named_at_once() -> None:
    wrong = {**READ, "decay_days": 0, "hours_cutt": 1, "bands": {"offer": 1, "additional": 2}}
    with pytest.raises(ValueError) as told:
        RiskPolicy.parse(wrong)
    assert all(name in str(told.value) for name in ("decay_days", "hours_cutt", "bands.substantial"))
    with pytest.raises(ValueError, match="no priority group is called left_handed"):
        RiskPolicy.parse({**READ, "standing": {"left_handed": 2}})
