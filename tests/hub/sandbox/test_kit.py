"""A partner's kit says what the hub answers, and a real door answers so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.client import Client
from hub.published.sources import Published, read_published
from hub.sandbox.check import check
from hub.sandbox.files import read_kit, write_kit
from hub.sandbox.kit import NoKit, kit
from services.ingest.parse import from_event, identifies
from tests.hub.partner_door import RealDoor, real_door

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2025, 11, 24)
PARTIES = sorted(
    path.name.removesuffix(".isa.yaml").split("-", 3)[3] for path in (ROOT / "contracts" / "agreements").glob("*.yaml")
)


@pytest.fixture(scope="module")
def published() -> Published:
    return read_published(ROOT / "contracts", ROOT / "schemas" / "avro")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDoor]:
    with real_door(tmp_path_factory.mktemp("door"), live=True) as running:
        yield running


def speak(door: RealDoor, party: str) -> Client:
    return Client(door.url, f"{party}-test-key", party, sleep=lambda seconds: None)


@pytest.mark.parametrize("party", PARTIES)
def test_a_door_answers_every_partner_as_the_kit_expects_twice(
    published: Published, door: RealDoor, party: str
) -> None:
    made = kit(published, party, DAY)
    assert len(made.cases) > 5
    with speak(door, party) as hub:
        assert check(made, hub, wait_seconds=10) == []
        assert check(made, hub, wait_seconds=10) == []


def test_a_test_key_leaves_nothing_that_is_not_marked_as_a_test(door: RealDoor, published: Published) -> None:
    with speak(door, "northvale-college") as hub:
        check(kit(published, "northvale-college", DAY), hub, wait_seconds=10)
    assert {fact.fields["test"] for fact in door.facts("observations")} == {True}


def test_refusing_and_minimising_partners_get_different_kits(published: Published) -> None:
    refusing, minimising = (kit(published, p, DAY) for p in ("northvale-college", "southmere-college"))
    name = "a field that the agreement does not name"
    statuses = [next(c.expected.status for c in k.cases if c.name == name) for k in (refusing, minimising)]
    assert statuses == [422, 202]
    assert {"the same once more", "two faults at once"} <= {case.name for case in refusing.cases}


def test_a_kit_is_the_same_each_time_and_survives_its_files(published: Published, tmp_path: Path) -> None:
    made = kit(published, "northvale-college", DAY)
    assert made == kit(published, "northvale-college", DAY)
    write_kit(made, tmp_path)
    assert read_kit(tmp_path) == made
    other = kit(published, "northvale-college", DAY, seed=2)
    assert not {c.event["id"] for c in made.cases} & {c.event["id"] for c in other.cases}
    assert not any(identifies(e) for c in made.cases if (e := from_event(dict(c.event))) is not None)


def test_who_has_no_agreement_in_force_gets_no_kit(published: Published) -> None:
    for party, day in (("nobody", DAY), ("northvale-college", date(2035, 1, 1))):
        with pytest.raises(NoKit):
            kit(published, party, day)


def run(door: RealDoor | None, *words: str, key: str = "northvale-college-test-key") -> Any:
    environment = {"HUB_DOOR": door.url if door else "http://127.0.0.1:9", "HUB_SANDBOX_KEY": key}
    return CliRunner().invoke(app, ["sandbox", *words], env=environment)


def test_the_commands_write_a_kit_check_it_and_name_what_differs(door: RealDoor, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    wrote = run(door, "write", "--party", "northvale-college", "--out", str(folder), "--day", str(DAY), "--json")
    assert wrote.exit_code == 0 and json.loads(wrote.output)["cases"] > 20
    checked = run(door, "check", str(folder), "--json")
    assert checked.exit_code == 0, checked.output
    read = json.loads((folder / "kit.json").read_text())
    read["cases"][0]["expected"]["status"] = 418
    (folder / "kit.json").write_text(json.dumps(read))
    differs = run(door, "check", str(folder), "--json")
    assert differs.exit_code == 1
    assert [(d["what"], d["expected"], d["got"]) for d in json.loads(differs.output)["differences"]] == [
        ("status", "418", "202")
    ]
    assert run(door, "check", str(folder), key="wrong").exit_code == 2
    assert run(door, "check", str(tmp_path / "none")).exit_code == 2
    assert run(door, "write", "--party", "nobody", "--out", str(folder)).exit_code == 1
    assert run(door, "write", "--party", "northvale-college", "--day", "today").exit_code == 2


def test_a_live_key_is_refused_before_anything_is_sent(door: RealDoor, tmp_path: Path) -> None:
    assert run(None, "write", "--party", "northvale-college", "--out", str(tmp_path)).exit_code == 0
    sent = len(door.facts("submissions"))
    result = run(door, "check", str(tmp_path), "--json", key="northvale-college-key")
    assert result.exit_code == 2 and "live key" in json.loads(result.output)["error"]
    assert len(door.facts("submissions")) == sent
