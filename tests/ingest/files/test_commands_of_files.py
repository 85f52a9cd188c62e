"""``hub files``: a trial without effect, and the release of what is held."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.sharing import ensure_built
from spine.headed import Head
from tests.ingest.files.conftest import COLLEGE, CONTRACTS, ENROLLED, INCLUSION, LEFT, Drop, csv_text, nccis, registered

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "NVC_ENROL_1.csv"
    path.write_text(csv_text([ENROLLED, LEFT]), encoding="utf-8")
    return path


def test_a_trial_of_a_good_file_says_what_would_come_of_it(file: Path) -> None:
    ran = RUN.invoke(app, ["files", "check", str(file), "--party", COLLEGE, "--json"])
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert (said["state"], said["kind"], said["rows"], said["events_accepted"], said["rows_leaving"]) == (
        "taken",
        "enrolments",
        2,
        2,
        1,
    )
    assert file.exists()


def test_a_trial_of_a_bad_file_writes_the_feedback_that_the_partner_would_get(file: Path, tmp_path: Path) -> None:
    file.write_text(csv_text([{**ENROLLED, "ULN": "7.0E+09"}]), encoding="utf-8")
    ran = RUN.invoke(app, ["files", "check", str(file), "--party", COLLEGE, "--out", str(tmp_path / "out"), "--json"])
    assert ran.exit_code == 1
    feedback = Path(json.loads(ran.stdout)["feedback"]).read_text(encoding="utf-8-sig")
    assert "exponent" in feedback and "ULN" in feedback


def test_a_trial_of_a_file_that_can_t_be_taken_says_why(file: Path) -> None:
    file.write_bytes(csv_text([ENROLLED]).encode("utf-16"))
    ran = RUN.invoke(app, ["files", "check", str(file), "--party", COLLEGE, "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)["reason"]) == (1, "utf16")
    other = file.rename(file.with_name("people.csv"))
    ran = RUN.invoke(app, ["files", "check", str(other), "--party", COLLEGE, "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)["reason"]) == (1, "no_mapping")


def test_a_trial_judges_by_what_is_suspended_on_the_running_hub(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(3, ensure_built(CONTRACTS), ("isa-2024-011",))
    monkeypatch.setattr("hub.files.head_in_force", lambda: head)
    ran = RUN.invoke(app, ["files", "check", str(file), "--party", COLLEGE, "--json"])
    said = json.loads(ran.stdout)
    assert (ran.exit_code, said["events_accepted"], said["rows_refused"], said["policy"]) == (1, 0, 2, head.name)


def test_a_trial_where_no_hub_runs_says_that_it_judges_by_what_is_compiled(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "none"))
    for name in ("HUB_KAFKA", "HUB_POSTGRES"):
        monkeypatch.delenv(name, raising=False)
    ran = RUN.invoke(app, ["files", "check", str(file), "--party", COLLEGE, "--json"])
    assert ran.exit_code == 0 and "compiled here" in ran.stderr
    assert json.loads(ran.stdout)["policy"] == ensure_built(CONTRACTS)


def test_a_trial_for_nobody_or_of_nothing_is_wrong_usage(file: Path) -> None:
    assert RUN.invoke(app, ["files", "check", str(file), "--party", "nobody"]).exit_code == 2
    assert RUN.invoke(app, ["files", "check", str(file) + "x", "--party", COLLEGE]).exit_code == 2


def test_a_held_snapshot_is_listed_and_released_by_name(drop: Drop) -> None:
    for name, people in (("a", range(50)), ("b", range(10))):
        drop.put(INCLUSION, f"NCCIS_{name}.xml", nccis([registered(n) for n in people]), done=True)
        drop.look(INCLUSION)
    common = ["--party", INCLUSION, "--root", str(drop.root), "--json"]
    (listed,) = json.loads(RUN.invoke(app, ["files", "release", *common]).stdout)
    assert (listed["file"], listed["rows"]) == ("NCCIS_b.xml", 10)
    assert RUN.invoke(app, ["files", "release", "NCCIS_c.xml", *common]).exit_code == 1
    assert RUN.invoke(app, ["files", "release", listed["receipt"], *common]).exit_code == 0
    assert RUN.invoke(app, ["files", "release", "NCCIS_b.xml", *common]).exit_code == 1
    assert drop.look(INCLUSION) == 1 and drop.summary(INCLUSION)["state"] == "taken"


def test_where_no_file_has_come_there_is_nothing_to_release(tmp_path: Path) -> None:
    ran = RUN.invoke(app, ["files", "release", "--party", INCLUSION, "--root", str(tmp_path)])
    assert ran.exit_code == 1
