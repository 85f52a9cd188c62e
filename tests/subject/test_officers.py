"""Who asks and who approves is proved by a key of their own, and the record of it can be checked years later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub.__main__ import app
from hub.doctor import papers
from hub.doctor.finding import Verdict
from hub.subject.approvals import approve, ask, done, every, fault_of, standing, unlike_the_ledger
from hub.subject.officers import KEY_FILE, NotProved, Officers, listed_officers, officers_at_hand
from hub.subject.registers import registers
from spine.ledger.checkpoint import Signer
from spine.migrate import migrate_ledger

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
WHAT = ("resume", "isa-2024-011")
OSEI, MARSH, STRANGER = (Signer(bytes([n]) * 32) for n in (1, 2, 3))
LISTED = {"R. Osei": OSEI.verifier("officer-r-osei"), "J. Marsh": MARSH.verifier("officer-j-marsh")}
AS_OSEI, AS_MARSH = Officers(LISTED, key=OSEI), Officers(LISTED, key=MARSH)


@pytest.fixture
def connection(fresh_database: str) -> Iterator[sa.Connection]:
    migrate_ledger(fresh_database)
    with registers(fresh_database) as engine, engine.begin() as connection:
        yield connection


def test_two_officers_sign_and_an_auditor_can_check_both(connection: sa.Connection) -> None:
    asked = ask(connection, AS_OSEI, *WHAT, "r. osei", AT)
    assert asked.asked_by == "R. Osei", "on record as listed"
    assert ask(connection, AS_OSEI, *WHAT, "R. Osei", AT) == asked, "asked twice it is one request"
    approved = approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT + timedelta(hours=1))
    done(connection, approved.number, AT)
    (kept,) = every(connection)
    assert kept.asked_proof and kept.approved_proof
    assert fault_of(Officers(LISTED), kept) == ""
    assert unlike_the_ledger(connection, [kept]) == []


def test_nobody_asks_or_approves_under_the_name_of_another(connection: sa.Connection) -> None:
    for officers, by, why in (
        (AS_MARSH, "R. Osei", "is not that of R. Osei"),
        (Officers(LISTED), "R. Osei", KEY_FILE),
        (AS_OSEI, "Q. Nobody", "not among the officers"),
    ):
        with pytest.raises(NotProved, match=why):
            ask(connection, officers, *WHAT, by, AT)
    assert standing(connection) == []
    ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
    with pytest.raises(NotProved, match=r"is not that of J\. Marsh"):
        approve(connection, AS_OSEI, *WHAT, "J. Marsh", AT)
    assert standing(connection)[0].approved_by is None


def test_a_row_that_somebody_wrote_into_the_register_approves_nothing(connection: sa.Connection) -> None:
    ask(connection, Officers(), *WHAT, "R. Osei", AT)
    with pytest.raises(NotProved, match="not signed"):
        approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT)
    later = ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
    assert later.asked_proof, "asked again it is signed"
    assert approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT).number == later.number


def test_an_approval_of_one_thing_cannot_be_made_one_of_another(connection: sa.Connection) -> None:
    asked = ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
    connection.execute(sa.text("UPDATE governance.request SET what = 'isa-2024-012'"))
    with pytest.raises(NotProved, match="ask again"):
        approve(connection, AS_MARSH, "resume", "isa-2024-012", "J. Marsh", AT)
    connection.execute(sa.text("UPDATE governance.request SET what = 'isa-2024-011'"))
    approved = approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT)
    for changed in (
        replace(approved, what="isa-2024-012"),
        replace(approved, asked_at=AT + timedelta(seconds=1)),
        replace(approved, expires_at=asked.expires_at + timedelta(days=1)),
        replace(approved, number=approved.number + 1),
        replace(approved, asked_by="J. Marsh"),
        replace(approved, approved_by="R. Osei"),
        replace(approved, approved_proof=approved.asked_proof),
        replace(approved, asked_proof=""),
    ):
        assert fault_of(Officers(LISTED), changed)


def test_the_ledger_knows_an_approval_that_was_taken_out_of_the_register(connection: sa.Connection) -> None:
    ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
    kept = approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT)
    n = kept.number
    assert unlike_the_ledger(connection, []) == [f"approval {n} stands in the ledger and not in the register"]
    assert unlike_the_ledger(connection, [replace(kept, asked_proof="")]) == [f"approval {n} was another"]
    stranger = replace(kept, number=n + 1)
    assert unlike_the_ledger(connection, [kept, stranger]) == [
        f"approval {n + 1} stands in the register and not in the ledger"
    ]


def test_who_has_left_is_still_proved_and_asks_nothing_more(connection: sa.Connection) -> None:
    asked = ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
    left = Officers(
        {"J. Marsh": LISTED["J. Marsh"], "L. Khan": STRANGER.verifier("k")}, {"R. Osei": [LISTED["R. Osei"]]}
    )
    assert fault_of(left, asked) == ""
    with pytest.raises(NotProved, match=r"R\. Osei is not among"):
        approve(connection, replace(left, key=MARSH), *WHAT, "J. Marsh", AT)


@pytest.mark.parametrize(
    ("officers", "fault"),
    [
        ({"R. Osei": "no key"}, "R. Osei: a verifier key reads"),
        ({"R. Osei": str(LISTED["R. Osei"])}, "one officer alone"),
        ({"R. Osei": str(LISTED["R. Osei"]), "R. Patel": str(LISTED["R. Osei"])}, "same key"),
        ({"R. Osei": str(LISTED["R. Osei"]), "r.  osei": str(LISTED["J. Marsh"])}, "spelling"),
        ([str(LISTED["R. Osei"])], "maps names"),
    ],
)
def test_a_list_that_would_let_one_person_be_two_is_refused(tmp_path: Path, officers: object, fault: str) -> None:
    _written(tmp_path, officers)
    with pytest.raises(NotProved, match=fault):
        listed_officers(tmp_path)


def test_the_doctor_says_whether_names_are_proved(tmp_path: Path) -> None:
    def looked() -> list[Verdict]:
        return [finding.verdict for finding in papers.officers(tmp_path)]

    assert looked() == [Verdict.FAULT], "no file"
    for listed, verdict in (({}, Verdict.UNSEEN), ({n: str(k) for n, k in LISTED.items()}, Verdict.SOUND)):
        _written(tmp_path, listed)
        assert looked() == [verdict]
    _written(tmp_path, {"R. Osei": "no key"})
    assert looked() == [Verdict.FAULT]


def test_an_officer_makes_a_key_is_listed_and_proves_who_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, run = {}, CliRunner()
    for name, file in (("R. Osei", "osei.key"), ("Zoë O'Neill", "zoe.key")):
        made = run.invoke(app, ["officers", "key", name, "--key", str(tmp_path / file), "--json"])
        assert made.exit_code == 0, made.output
        listed[name] = json.loads(made.output)["key"]
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o600
        assert (tmp_path / file).read_text().strip() not in made.output, "the key itself is shown to nobody"
    _written(tmp_path, listed)
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "zoe.key"))
    assert officers_at_hand(tmp_path).proved("zoë o'neill") == "Zoë O'Neill"
    with pytest.raises(NotProved, match=r"not that of R\. Osei"):
        officers_at_hand(tmp_path).proved("R. Osei")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "gone.key"))
    with pytest.raises(NotProved, match="No such file"):
        officers_at_hand(tmp_path)


def test_the_record_is_checked_by_command(
    fresh_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shown: Callable[..., tuple[int, dict[str, object]]],
) -> None:
    migrate_ledger(fresh_database)
    _written(tmp_path, {name: str(key) for name, key in LISTED.items()})
    monkeypatch.setenv("HUB_CONTRACTS", str(tmp_path))
    monkeypatch.setenv("HUB_POSTGRES", fresh_database)
    with registers(fresh_database) as engine:
        with engine.begin() as connection:
            ask(connection, Officers(), "redrive", "class=invalid", "R. Osei", AT)
            ask(connection, AS_OSEI, *WHAT, "R. Osei", AT)
            approve(connection, AS_MARSH, *WHAT, "J. Marsh", AT)
        assert shown("officers", "check") == (
            0,
            {"before_officers_signed": 1, "proved": 1, "not_proved": [], "unlike_the_ledger": []},
        )
        with engine.begin() as connection:
            ask(connection, Officers(), "redrive", "class=suspended", "R. Osei", AT)
    code, told = shown("officers", "check")
    assert code == 1
    (broken,) = told["not_proved"]  # type: ignore[misc]
    assert broken["what"] == "class=suspended"


@pytest.fixture
def shown() -> Callable[..., tuple[int, dict[str, object]]]:
    def run(*words: str) -> tuple[int, dict[str, object]]:
        done = CliRunner().invoke(app, [*words, "--json"])
        return done.exit_code, json.loads(done.output)

    return run


def _written(folder: Path, officers: object) -> None:
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy" / "governance.yaml").write_text(json.dumps({"officers": officers}))
