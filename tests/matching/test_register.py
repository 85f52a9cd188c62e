"""A register is decided by weight alone; the hub takes no model that would do so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hub_of_matching import CONTRACTS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train import rows
from typer.testing import CliRunner

from hub.__main__ import app
from services.matching import agent
from services.matching.agent import MODEL, matcher_of, register_of
from services.matching.bulk import Resolved
from services.matching.identity import identity_of
from services.matching.model import read_model
from services.matching.register import Register
from services.matching.register_compare import further
from services.matching.register_keys import keys_of
from services.matching.register_train import register_pairs
from services.matching.train import Trained, train
from services.matching.weigh import Part
from spine.schema import Catalogue

ROOT = CONTRACTS.parent
ALONE = {"link_millibits": 0, "near_millibits": 4000}
OF_PLACE = {
    "equal": {"same": -300, "stranger": 0, "household": 0, "by_value": True},
    "near": {"same": -3000, "stranger": -6000, "household": 0},
    "different": {"same": -2500, "stranger": -100, "household": 0},
}
PERSON = {"given_name": "Rosalind", "family_name": "Tregenza", "date_of_birth": "1861-03-14", "postcode": "TR19 6AA"}


def model_file(folder: Path, **news: Any) -> Path:
    path = folder / "register-weights.json"
    path.write_text(json.dumps(json.loads(MODEL.read_text("utf-8")) | {"register": ALONE} | news), "utf-8")
    return path


def placed_file(folder: Path) -> Path:
    """A model that compares a place of birth, too."""
    read = json.loads(MODEL.read_text("utf-8"))
    grades = read["grades"] | {"birth_place": OF_PLACE}
    rarity = read["rarity"] | {"birth_place": {"population": 200, "count_milli": 1000}}
    return model_file(folder, further=["birth_place"], grades=grades, rarity=rarity)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return register_of(CONTRACTS, model_file(tmp_path))[0]


def row(number: int | str, **values: str) -> dict[str, str]:
    return PERSON | {"event_id": f"r{number}", "source": f"paper-{number}", "source_ref": f"r{number}"} | values


def strangers() -> list[dict[str, str]]:
    """Other people, so that a name and a birth date are rare."""
    return [of for of in rows(400) if of["source"] == "school"]


def groups(register: Register, of: list[dict[str, str]]) -> dict[str, set[str]]:
    for one in of:
        register.add(one)
    return together(register.resolve())


def together(resolved: list[Resolved]) -> dict[str, set[str]]:
    people: dict[str, set[str]] = {}
    for answer in resolved:
        people.setdefault(answer.person_id, set()).add(answer.event_id)
    return {event_id: events for events in people.values() for event_id in events}


def test_the_service_refuses_a_model_that_decides_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_file(tmp_path)
    with pytest.raises(ValueError, match=r"POLICY 4\.2 and 4\.3 bind"):
        matcher_of(CONTRACTS, path)
    # As HUB_MODEL names it.
    monkeypatch.setattr(agent.matcher_of, "__defaults__", (path,))
    with pytest.raises(ValueError, match=r"POLICY 4\.2 and 4\.3 bind"):
        agent.processor(Catalogue([ROOT / "schemas" / "avro"]), CONTRACTS)


@pytest.mark.parametrize("command", [("resolve",), ("matching", "evaluate")])
def test_the_commands_of_the_hub_refuse_it_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = written(tmp_path, strangers())
    out = ["--out", str(tmp_path / "out.csv")] if command == ("resolve",) else []
    ran = CliRunner().invoke(app, [*command, str(path), *out, "--model", str(model_file(tmp_path))])
    assert ran.exit_code == 2
    assert "POLICY 4.2 and 4.3 bind" in ran.output


def test_a_register_refuses_a_model_of_the_hub() -> None:
    with pytest.raises(ValueError, match="has no section `register`"):
        register_of(CONTRACTS, MODEL)


def test_further_columns_are_for_registers_and_need_weights(tmp_path: Path) -> None:
    shipped = json.loads(MODEL.read_text("utf-8"))
    with pytest.raises(ValueError, match="only a model that decides a register"):
        read_model(json.dumps(shipped | {"further": ["birth_place"]}))
    with pytest.raises(ValueError, match="has grades and a rarity"):
        read_model(json.dumps(shipped | {"further": ["birth_place"], "register": ALONE}))
    with pytest.raises(ValueError, match="compared anyway"):
        read_model(json.dumps(shipped | {"further": ["phone"], "register": ALONE}))


def test_what_the_hub_asks_about_is_decided(register: Register) -> None:
    """A birth date that is near (I7) is one person here, another one's is not; and nobody waits."""
    found = groups(
        register,
        [*strangers(), row(1), row(2, date_of_birth="1861-03-15"), row(3, given_name="Edmund", postcode="LS1 4AP")],
    )
    assert found["r1"] == {"r1", "r2"}
    assert found["r3"] == {"r3"}


def test_one_record_between_two_people_does_not_make_them_one(register: Register) -> None:
    """The fifth record has the one's name and birth date and the other's home and telephone."""
    one = {"phone": "07700900001"}
    other = {"given_name": "Kenneth", "family_name": "Okonkwo", "date_of_birth": "1852-11-02", "postcode": "LS1 4AP"}
    other["phone"] = "07700900002"
    between = one | {"postcode": other["postcode"], "phone": other["phone"]}
    found = groups(
        register,
        [*strangers(), row(1, **one), row(2, **one), row(3, **other), row(4, **other), row(5, **between)],
    )
    assert found["r1"] >= {"r1", "r2"}
    assert found["r3"] >= {"r3", "r4"}
    assert not found["r1"] & found["r3"]


def test_rows_under_one_reference_are_one(register: Register) -> None:
    found = groups(
        register,
        [*strangers(), row(1), row(2, source="paper-1", source_ref="r1", given_name="Edmund", date_of_birth="")],
    )
    assert found["r1"] == {"r1", "r2"}


def test_a_further_column_speaks(tmp_path: Path) -> None:
    """Two of one name without a birth date: the place of birth makes them one, another one does not."""
    bare = {"date_of_birth": "", "postcode": "", "given_name": "R"}
    pairs = [(row(1, **bare, birth_place="St. Just"), row(2, **bare, birth_place="st just"))]
    pairs += [(row(1, **bare, birth_place="St. Just"), row(2, **bare, birth_place="Whitby"))]
    ways = []
    for pair in pairs:
        register = register_of(CONTRACTS, placed_file(tmp_path))[0]
        for of in (*strangers(), *pair):
            register.add(of)
        register.begin()
        one, other = register.groups["r1"], register.groups["r2"]
        ways.append(register.weight(one, other))
    assert ways[0] > ways[1] + 5000


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    path = model_file(tmp_path_factory.mktemp("order"))
    of = rows(60)
    wanted = groups(register_of(CONTRACTS, path)[0], of)
    Random(seed).shuffle(of)
    assert groups(register_of(CONTRACTS, path)[0], of) == wanted


def written(folder: Path, of: list[dict[str, str]]) -> Path:
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(of[0]))
        writer.writeheader()
        writer.writerows(of)
    return path


def test_the_command_writes_and_measures(tmp_path: Path) -> None:
    of = [one | {"who": one["source_ref"]} for one in rows(100)]
    out, source = tmp_path / "out.csv", written(tmp_path, of)
    told = ["--out", str(out), "--model", str(model_file(tmp_path)), "--truth", "who", "--json"]
    ran = CliRunner().invoke(app, ["matching", "register", str(source), *told])
    assert ran.exit_code == 0, ran.output
    read = json.loads(ran.stdout)
    assert read["measured"]["unanswered"]["pairs"]["f1"] > 0.9
    with out.open(newline="") as handle:
        answers = list(csv.DictReader(handle))
    assert [answer["event_id"] for answer in answers] == [one["event_id"] for one in of]
    assert read["people"] == len({answer["person_id"] for answer in answers})
    assert {answer["decision"] for answer in answers} == {"new", "link"}


def test_a_register_trains_its_model(tmp_path: Path) -> None:
    """The start model's section stays, and the new weights are of this file: telephones often differ."""
    source, out = written(tmp_path, rows(400)), tmp_path / "new-weights.json"
    told = ["--out", str(out), "--model", str(model_file(tmp_path)), "--date", "2026-12-01", "--json"]
    ran = CliRunner().invoke(app, ["matching", "train", str(source), *told])
    assert ran.exit_code == 0, ran.output
    new = read_model(out.read_text("utf-8"))
    assert new.register is not None
    assert 2 ** (new.grades["phone", "different"].same / 1000) == pytest.approx(0.25, abs=0.08)
    refused = CliRunner().invoke(
        app, ["matching", "train", str(source), *told[2:], "--out", str(tmp_path / "x.json"), "--reviewed", str(source)]
    )
    assert refused.exit_code == 2


def told_file(folder: Path, **section: Any) -> Path:
    """A model that compares two lines of an address, an account number, and both as badly typed."""
    read = json.loads(MODEL.read_text("utf-8"))
    exchanged = {"exchanged": {"same": -6000, "stranger": -17_000, "household": 0}}
    columns = ("line_1", "line_2", "account")
    grades = {column: OF_PLACE | (exchanged if column != "account" else {}) for column in columns}
    rarity = {column: {"population": 200, "count_milli": 1000} for column in columns}
    news = {"further": list(columns), "grades": read["grades"] | grades, "rarity": read["rarity"] | rarity}
    return model_file(folder, **news, register=ALONE | section)


def test_a_source_that_holds_a_person_once_holds_no_two_of_one(tmp_path: Path) -> None:
    """Twice in one file and once in the other: the heavier pair is linked, and the third stays alone."""
    both = [row(1, source="parish"), row(2, source="parish"), row(3, source="census")]
    once = groups(register_of(CONTRACTS, model_file(tmp_path, register=ALONE | {"once": True}))[0], strangers() + both)
    assert not once["r1"] & {"r2"}
    assert len(once["r3"]) == 2
    assert groups(register_of(CONTRACTS, model_file(tmp_path))[0], strangers() + both)["r1"] == {"r1", "r2", "r3"}


def test_lines_in_each_others_place_are_seen_and_count_once(tmp_path: Path) -> None:
    grades = read_model(told_file(tmp_path).read_text("utf-8")).grades
    here = (("line_1", "fore street"), ("line_2", "sea view"))
    there = (("line_1", "sea view"), ("line_2", "fore street"))
    assert list(further(here, there, grades)) == [("line_1", ("exchanged", None))]
    assert next(further(here, (("line_2", "fore street"),), grades)) == ("line_1", ("exchanged", None))
    plain = {key: row for key, row in grades.items() if key[1] != "exchanged"}
    assert [graded for _, graded in further(here, there, plain)] == [("different", None)] * 2


def test_a_slip_in_a_number_is_near(tmp_path: Path) -> None:
    grades = read_model(told_file(tmp_path).read_text("utf-8")).grades
    for one, other, wanted in (
        ("24", "42", "near"),
        ("4004003", "4040003", "near"),
        ("4004003", "4014013", "different"),
    ):
        assert list(further((("account", one),), (("account", other),), grades)) == [("account", (wanted, None))]


@given(st.text("0123456789", min_size=6, max_size=12), st.data())
def test_a_number_with_one_slip_is_found_by_one_of_its_halves(number: str, data: st.DataObject) -> None:
    """But for a number of an odd length, whose halves share the digit in the middle."""
    number = number if len(number) % 2 == 0 else number[:-1]
    at = data.draw(st.integers(0, len(number) - 1))
    typed = number[:at] + data.draw(st.sampled_from("0123456789")) + number[at + 1 :]
    assert halves("account", number) & halves("account", typed)


def halves(column: str, value: str) -> set[str]:
    identity = identity_of({"family_name": "Tregenza", column: value}, (column,))
    return {key for key in keys_of(identity) if key[0] == "v"}


def test_names_in_each_others_place_are_seen_though_badly_typed(tmp_path: Path) -> None:
    register = register_of(CONTRACTS, told_file(tmp_path, slips=True))[0]
    groups(register, [*strangers(), row(1), row(2, given_name="Tregenzza", family_name="Rosalnid")])
    register.begin()
    parts: list[Part] = []
    register.compare(next(iter(register.groups["r1"].faces)), register.groups["r2"], parts)
    assert ("swapped", "swapped") in {(part.kind, part.grade) for part in parts}


def trained(folder: Path, of: list[dict[str, str]], **section: Any) -> Trained:
    register = register_of(CONTRACTS, told_file(folder, **section))[0]
    for one in of:
        register.add(one)
    return train(register.matcher.model, register_pairs(register))


def accounts() -> list[dict[str, str]]:
    """People twice each, without a birth date or a home: a pass over the account finds every pair. One family name of
    four is another one in the second record."""
    random, out = Random(7), list[dict[str, str]]()
    names = [name for one in rows(600) if (name := one["family_name"])]
    for number in range(600):
        bare = {"date_of_birth": "", "postcode": "", "given_name": "", "account": f"{random.randrange(10**8):08}"}
        bare["line_1"] = f"{random.randrange(10**4)} fore street"
        for copy in range(2):
            family = random.choice(names) if copy == 0 or random.random() < 0.25 else out[-1]["family_name"]
            out.append(row(f"{number}-{copy}", **bare, family_name=family))
    return out


def test_without_households_no_pair_is_taken_for_one(tmp_path: Path) -> None:
    of = accounts()
    assert trained(tmp_path, of).found[2] > 0
    same, _, household = trained(tmp_path, of, households=False, slips=True).found
    assert household == 0
    assert same == pytest.approx(600, rel=0.05)


def test_names_are_trained_on_pairs_that_a_further_column_found(tmp_path: Path) -> None:
    grades = trained(tmp_path, accounts(), households=False, slips=True).grades
    assert 2 ** (grades["family", "different"].same / 1000) == pytest.approx(0.25, abs=0.06)


def test_no_two_of_a_source_are_expected_where_it_holds_a_person_once(tmp_path: Path) -> None:
    register = register_of(CONTRACTS, told_file(tmp_path, once=True))[0]
    for number, one in enumerate(accounts()[:400]):
        register.add(one | {"source": "parish" if number % 4 else "census"})
    assert register_pairs(register).possible == 300 * 100
