"""The NCCIS return of a small county: who is in it, what it says, and that it stays as it was."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hub.held import InProcess
from hub.persons import persons
from hub.returns.agreement import NotCovered, agreement_for
from hub.returns.command import establishments, make
from hub.returns.frozen import Broken, difference
from hub.returns.nccis import (
    ACTIVITY,
    ESTABLISHMENT,
    FIELDS,
    PERSON,
    Settings,
    _establishment,
    _need,
    academic_age,
    as_xml,
    in_cohort,
    row,
)
from hub.story import play, read_story
from services.ingest.channels.files.feedback import safe_cell
from services.status.belief import Belief
from services.status.characteristics import Mark
from services.status.days import FOREVER
from services.status.spans import Layer
from services.status.story import default_policy

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def states() -> InProcess:
    story = read_story(sorted((ROOT / "tests" / "stories").glob("S*.yaml"))[0])
    return InProcess(play(story, CONTRACTS, SCHEMAS).hub)


def test_academic_age_is_the_age_on_the_31_august_before() -> None:
    born = date(2009, 9, 1).toordinal()
    assert academic_age(born, date(2026, 8, 31)) == 15
    assert academic_age(born, date(2026, 9, 1)) == 16
    assert academic_age(date(2009, 8, 31).toordinal(), date(2026, 9, 1)) == 17


def test_the_latest_word_on_the_guarantee_of_this_school_year_is_returned() -> None:
    run = play(read_story(ROOT / "tests" / "stories" / "S27.yaml"), CONTRACTS, SCHEMAS)
    (pupil,) = persons(InProcess(run.hub))
    settings = Settings(frozenset({15, 16}), None, 30, {})
    told = {
        (day, known): row(pupil, date.fromisoformat(day), ms, default_policy(), settings, frozenset(FIELDS))
        for day, known, ms in [
            ("2026-07-01", "later", 1 << 60),
            ("2026-07-01", "before", 1),
            ("2026-10-02", "later", 1 << 60),
        ]
    }
    said = told["2026-07-01", "later"]
    assert said is not None and said["GuaranteeStatus"] == "no_offer"
    assert told["2026-07-01", "before"] is None
    after = told["2026-10-02", "later"]
    assert after is not None and after["GuaranteeStatus"] == ""


def _period(states: InProcess) -> tuple[str, datetime]:
    last = max(one.known for person in persons(states) for one in person.status.seen)
    known = datetime.fromtimestamp(last / 1000 + 1, UTC)
    return f"{known:%Y-%m}", known


def _everybody(tmp_path: Path) -> Path:
    contracts = tmp_path / "contracts"
    (contracts / "policy").mkdir(parents=True)
    (contracts / "returns").mkdir()
    for name in ("policy.yaml", "alerts.yaml", "codes.yaml", "measures.yaml"):
        (contracts / "policy" / name).write_text((CONTRACTS / "policy" / name).read_text())
    text = (CONTRACTS / "policy" / "measures.yaml").read_text().replace("[16, 17]", str(list(range(11, 26))))
    (contracts / "policy" / "measures.yaml").write_text(text)
    (contracts / "parties.yaml").write_text((CONTRACTS / "parties.yaml").read_text())
    agreement = (CONTRACTS / "returns" / "nccis.yaml").read_text()
    (contracts / "returns" / "nccis.yaml").write_text(agreement.replace("2024-09-01", "2020-09-01"))
    return contracts


def test_a_return_is_frozen_and_asking_again_gives_the_same_bytes(states: InProcess, tmp_path: Path) -> None:
    contracts, (period, known) = _everybody(tmp_path), _period(states)
    first = make(states, period, tmp_path / "out", contracts, known, NOW)
    folder = tmp_path / "out" / f"nccis-{period}"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert first["rows"] >= 1
    assert make(states, period, tmp_path / "out", contracts, None, NOW) == first
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    again = make(states, period, tmp_path / "elsewhere", contracts, known, NOW)
    assert again["files"] == first["files"]
    rows = list(csv.DictReader(io.StringIO(before["nccis.csv"].decode())))
    root = ElementTree.fromstring(before["nccis.xml"])
    assert [p.findtext("Activity/ActivityCode") for p in root.iter("YoungPerson")] == [r["ActivityCode"] for r in rows]
    assert difference(folder, tmp_path / "elsewhere" / f"nccis-{period}")["changed"] == 0


def test_a_frozen_return_that_was_touched_is_refused(states: InProcess, tmp_path: Path) -> None:
    contracts, (period, known) = _everybody(tmp_path), _period(states)
    make(states, period, tmp_path / "out", contracts, known, NOW)
    (tmp_path / "out" / f"nccis-{period}" / "nccis.csv").write_text("x")
    with pytest.raises(Broken, match=r"nccis\.csv"):
        make(states, period, tmp_path / "out", contracts, None, NOW)


def test_what_the_agreement_does_not_name_does_not_leave(states: InProcess, tmp_path: Path) -> None:
    contracts, (period, known) = _everybody(tmp_path), _period(states)
    path = contracts / "returns" / "nccis.yaml"
    path.write_text(path.read_text().replace("GivenName, FamilyName, ", ""))
    make(states, period, tmp_path / "out", contracts, known, NOW)
    text = (tmp_path / "out" / f"nccis-{period}" / "nccis.csv").read_text()
    assert all(not row["GivenName"] and not row["FamilyName"] for row in csv.DictReader(io.StringIO(text)))


def test_without_an_agreement_in_force_nothing_leaves(states: InProcess, tmp_path: Path) -> None:
    contracts, (period, known) = _everybody(tmp_path), _period(states)
    path = contracts / "returns" / "nccis.yaml"
    path.write_text(path.read_text().replace("status: active", "status: suspended"))
    with pytest.raises(NotCovered, match="not active"):
        make(states, period, tmp_path / "out", contracts, known, NOW)
    assert not (tmp_path / "out").exists()
    with pytest.raises(NotCovered, match="not in force"):
        agreement_for(CONTRACTS, "nccis", date(2028, 1, 1))
    with pytest.raises(NotCovered, match="no agreement"):
        agreement_for(CONTRACTS, "census", date(2026, 1, 1))


def test_a_period_that_has_not_frozen_is_refused(states: InProcess, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has not come"):
        make(states, "2026-11", tmp_path, CONTRACTS, None, datetime(2026, 11, 20, tzinfo=UTC))


def test_a_name_that_a_spreadsheet_would_run_is_safe_cell() -> None:
    assert safe_cell("=1+1") == "'=1+1" and safe_cell("Ann") == "Ann" and json.dumps(safe_cell("")) == '""'


def test_what_comes_later_changes_no_row_of_the_same_moment(tmp_path: Path) -> None:
    story = dict(read_story(sorted((ROOT / "tests" / "stories").glob("S*.yaml"))[0]))
    whole = InProcess(play(story, CONTRACTS, SCHEMAS).hub)
    moments = sorted({one.known for person in persons(whole) for one in person.status.seen})
    known = datetime.fromtimestamp(moments[len(moments) // 2] / 1000, UTC)
    earlier = [one for one in story["events"] if datetime.fromisoformat(str(one["received_at"])) <= known]
    story["events"] = earlier or story["events"][:1]
    part = InProcess(play(story, CONTRACTS, SCHEMAS).hub)
    contracts = _everybody(tmp_path)
    path = contracts / "returns" / "nccis.yaml"
    path.write_text(path.read_text().replace("GivenName, FamilyName, Postcode, ", ""))
    made = [
        make(held, f"{known:%Y-%m}", tmp_path / n, contracts, known, NOW) for n, held in (("a", whole), ("b", part))
    ]
    assert made[0]["files"] == made[1]["files"] and made[0]["rows"] >= 1


def test_who_died_or_moved_abroad_for_good_before_the_day_is_in_no_return() -> None:
    settings = Settings(frozenset({16, 17}), None, 30, {})
    born, on = date(2009, 11, 2).toordinal(), date(2026, 11, 30)
    stays = Belief(born, (Layer(1, FOREVER, "230"),), (), (), (), ())
    left = Belief(born, (Layer(1, on.toordinal() - 1, "230"),), (), (), (), ())
    assert in_cohort(stays, on, settings) and not in_cohort(left, on, settings)


def test_the_level_of_need_is_the_first_of_which_somebody_is_in_a_group() -> None:
    needs = {"1": ["looked_after"], "2": ["ehcp"], "3": []}
    told = Belief(1, (Layer(1, FOREVER, "230"),), (), (Mark(1, 50, "ehcp"), Mark(20, 30, "looked_after")), (), ())
    settings = Settings(frozenset({16}), None, 30, {}, needs)
    assert [_need(told, day, settings) for day in (10, 25, 60)] == ["2", "1", "3"]
    assert _need(told, 60, replace(settings, needs={"1": ["looked_after"]})) == ""


def test_an_establishment_is_named_by_its_own_word_and_never_where_somebody_is_in_custody() -> None:
    named = establishments(CONTRACTS)
    settings = Settings(frozenset({16}), None, 30, {}, {}, named)
    spans = (
        Layer(1, 9, "230", source="northvale-college"),
        Layer(10, 19, "230", source="northshire-social-care"),
        Layer(20, 29, "290", source="northvale-college"),
        Layer(30, FOREVER, "619", source="northvale-college"),
    )
    told = Belief(1, spans, (), (), (), ())
    assert [_establishment(told, day, settings).get("EstablishmentName") for day in (5, 15, 25, 35)] == [
        "Northvale College",
        None,
        None,
        None,
    ]
    assert not {"northshire-youth-justice", "northshire-social-care", "havenway-housing"} & named.keys()


def _children(element: ElementTree.Element) -> list[str]:
    return [child.tag for child in element]


def test_the_xml_holds_each_element_where_the_documented_structure_has_it() -> None:
    """Of a record with every field filled, and of one with none that may be left out (DOMAIN 1.2)."""
    full = {name: f"{name} <&>" for name in FIELDS} | {"CharacteristicCode": "110 170"}
    bare = dict.fromkeys(FIELDS, "") | {"YoungPersonsID": "p"}
    root = ElementTree.fromstring(as_xml([full, bare], {"DateOfSend": "2026-12-05", "PeriodEnd": "2026-11-30"}))
    assert (root.tag, _children(root)) == ("NCCISReturn", ["FileHeader", "YoungPerson", "YoungPerson"])
    assert _children(root[0]) == ["DateOfSend", "PeriodEnd"]
    assert _children(root[1]) == [*PERSON, "UniquePupilNumber", "GuaranteeStatus", "LevelOfNeed", "Activity"]
    need, activity = root[1][-2], root[1][-1]
    assert _children(need) == ["LevelOfNeedCode", "SENDFlag", "CharacteristicCode", "CharacteristicCode"]
    assert _children(activity) == [*ACTIVITY, *ESTABLISHMENT]
    assert activity.findtext("EstablishmentName") == "EstablishmentName <&>"
    assert _children(root[2]) == ["YoungPersonsID", "LevelOfNeed", "Activity"] and not any(map(len, root[2]))
