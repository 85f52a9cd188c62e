"""The generated county: same seed, same bytes; right where it means to be, wrong where it means to be."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hub.feed import batches, outcomes
from hub.sample import identifiers
from hub.sample.county import as_bytes, county
from hub.sample.mess import STRANGER, Line
from hub.sample.people import REFS, person
from hub.sample.statement import HOLDS

CONTRACTS = Path(__file__).parents[2] / "contracts"
CATALOGUE: dict[str, Any] = YAML(typ="safe").load(CONTRACTS / "catalogue.yaml")
KINDS: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
KINDS |= {"list_of_string": list, "list_of_enum": list}


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return county(people=600, days=120, seed=7)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    one, two = (b"".join(map(as_bytes, county(people=60, days=40, seed=7))) for _ in range(2))
    assert one == two
    assert one != b"".join(map(as_bytes, county(people=60, days=40, seed=8)))


def test_a_person_is_the_same_in_a_county_of_any_size() -> None:
    small, large = (county(people=n, days=60, seed=3) for n in (5, 50))
    mine = {"northvale-college", *REFS}
    first = [as_bytes(line) for line in small if line.door_party in mine]
    assert set(first) <= {as_bytes(line) for line in large}


def test_lines_come_in_order_of_arrival_within_the_days(lines: list[Line]) -> None:
    moments = [line.received_at for line in lines]
    assert moments == sorted(moments)
    assert moments[0].date() >= date(2025, 9, 1)
    assert moments[-1].date() <= date(2025, 12, 29)


def test_at_least_six_kinds_of_agency_speak(lines: list[Line]) -> None:
    kinds = {CATALOGUE["parties"][line.door_party]["kind"] for line in lines if line.door_party != STRANGER}
    assert {"social-care", "college", "school", "youth-justice", "jobcentre-plus", "send", "inclusion"} <= kinds
    assert {"housing-authority"} <= kinds


def test_every_kind_of_mistake_happens(lines: list[Line]) -> None:
    made = Counter(line.mistake for line in county(people=2000, days=120, seed=7))
    assert {"resent", "retold", "wrong", "overshared", "stranger", "conflict", "impostor"} <= made.keys()
    assert made[""] > len(lines)


def fits(kind: dict[str, Any], value: Any) -> bool:
    listed = kind.get("values") or CATALOGUE["enums"].get(kind.get("enum", ""))
    if kind["type"] == "enum":
        return value in listed
    if kind["type"] == "date":
        return isinstance(value, str) and bool(date.fromisoformat(value))
    if kind["type"] == "list_of_enum":
        return isinstance(value, list) and all(item in listed for item in value)
    return isinstance(value, KINDS[kind["type"]])


def test_what_is_meant_to_be_right_fits_the_catalogue(lines: list[Line]) -> None:
    for line in lines:
        if line.mistake in ("wrong", "stranger", "impostor"):
            continue
        kind, facts = CATALOGUE["types"][line.event["type"]], line.event["data"]["data"]
        wanted = {name for name, item in kind["data"].items() if item["required"]}
        assert wanted <= facts.keys() <= kind["data"].keys(), line.event["type"]
        for name, value in facts.items():
            assert fits(kind["data"][name], value), (line.event["type"], name, value)


def test_only_publishers_of_a_type_send_it(lines: list[Line]) -> None:
    for line in lines:
        if line.mistake in ("wrong", "stranger", "impostor"):
            continue
        publishers = CATALOGUE["types"][line.event["type"]]["publishers"]
        groups = CATALOGUE["kind_groups"]
        allowed = {kind for one in publishers for kind in groups.get(one, [one])}
        assert CATALOGUE["parties"][line.door_party]["kind"] in allowed, (line.door_party, line.event["type"])


def test_no_agency_holds_what_its_agreement_forbids() -> None:
    for path in sorted((CONTRACTS / "agreements").glob("*.isa.yaml")):
        agreement = YAML(typ="safe").load(path)
        party = agreement["parties"][0]["id"]
        common = {item["field"].removeprefix("subject.") for item in agreement["commonItems"]}
        assert set(HOLDS.get(party, ())) <= common, party


def test_cases_go_to_teams_and_workers_that_the_demo_has(lines: list[Line]) -> None:
    teams = YAML(typ="safe").load(CONTRACTS / "teams.yaml")
    for line in lines:
        if line.event["type"] == "case.assigned" and line.mistake == "":
            facts = line.event["data"]["data"]
            assert facts["role"] in teams["teams"][facts["team"]]["roles"]
            assert facts.get("worker_ref") is None or teams["workers"][facts["worker_ref"]]["team"] == facts["team"]


def test_identifiers_carry_right_check_digits() -> None:
    assert identifiers.nhs_number(0) == "9990000018"
    assert identifiers.upn(11, 2013) == "L201900113011"
    for serial in range(500):
        nhs, uln = identifiers.nhs_number(serial), identifiers.uln(serial)
        assert sum(int(d) * w for d, w in zip(nhs, (*range(10, 1, -1), 1), strict=True)) % 11 == 0
        assert (sum(int(d) * w for d, w in zip(uln[:9], range(10, 1, -1), strict=True)) + int(uln[9])) % 11 == 10


def test_no_two_people_share_an_identifier_or_a_reference() -> None:
    people = [person(7, n) for n in range(2000)]
    for name in ("nhs_number", "uln", "upn", "nino", "email"):
        assert len({getattr(one, name) for one in people}) == len(people)
    for party in REFS:
        assert len({one.ref(party) for one in people}) == len(people)


def test_twins_and_siblings_live_together() -> None:
    people = [person(7, n) for n in range(2000)]
    pairs = [(a, b) for a, b in pairwise(people) if (a.family_name, a.postcode) == (b.family_name, b.postcode)]
    twins = [(a, b) for a, b in pairs if a.born == b.born]
    assert len(pairs) > 80
    assert len(twins) > 15
    assert all(a.given_name != b.given_name for a, b in pairs)


def test_batches_keep_a_partys_order_and_never_exceed_the_doors_limit(lines: list[Line]) -> None:
    cut = list(batches(lines))
    assert all(len(batch) <= 500 for _, batch in cut)
    assert sum(len(batch) for _, batch in cut) == len(lines)
    mine = [line for party, batch in cut if party == "northgate-academy" for line in batch]
    assert mine == [line for line in lines if line.door_party == "northgate-academy"]


def test_a_batch_turned_away_counts_for_each_of_its_events() -> None:
    assert outcomes(401, {"reason": "unauthorised"}, 3) == {"turned away: unauthorised": 3}
    mixed = {"items": [{"status": 202}, {"status": 422, "reason": "invalid"}, {"status": 202}]}
    assert outcomes(207, mixed, 3) == {"taken": 2, "turned away: invalid": 1}


def test_sizes_out_of_range_are_wrong_usage() -> None:
    from hub.__main__ import app

    assert CliRunner().invoke(app, ["sample", "--people", "0"]).exit_code == 2
    assert CliRunner().invoke(app, ["sample", "--days", "3", "--json"]).exit_code == 2


def test_the_command_writes_a_line_for_each_event(tmp_path: Path) -> None:
    from hub.__main__ import app

    out = tmp_path / "sample.jsonl"
    result = CliRunner().invoke(app, ["sample", "--people", "20", "--days", "30", "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert len(out.read_text().splitlines()) == len(county(people=20, days=30, seed=7))


def test_nobody_of_a_large_sample_shares_a_number_with_another() -> None:
    serials = [*range(0, identifiers.SERIALS_MAX, 97), *range(90_900, 91_000), *range(454_000, identifiers.SERIALS_MAX)]
    people = sorted(set(serials))
    assert len({identifiers.nhs_number(one) for one in people}) == len(people)
    assert len({identifiers.uln(one) for one in people}) == len(people)
