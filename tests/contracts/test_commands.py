"""``hub contracts``: the commands, and a build that is never stale and never half."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.agreement_moves import release_compiled
from hub.contracts import app
from hub.heads import NotAllowed
from hub.running import Where
from hub.sharing import build, ensure_built
from services.ingest.policy import load_policy
from spine.ledger.checkpoint import Signer

ROOT = Path(__file__).resolve().parents[2]
COLLEGE = "isa-2024-011-northvale-college.isa.yaml"


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    """A contracts folder with one agreement."""
    folder = tmp_path / "contracts"
    (folder / "agreements").mkdir(parents=True)
    (folder / "policy").mkdir()
    policy = ("policy/policy.yaml", "policy/alerts.yaml", "policy/governance.yaml")
    for name in ("catalogue.yaml", "parties.yaml", "topics.yaml", "isa.schema.json", *policy, f"agreements/{COLLEGE}"):
        shutil.copy(ROOT / "contracts" / name, folder / name)
    return folder


def run(*arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_check_build_and_show_agree(contracts: Path) -> None:
    code, checked = run("check", "--contracts", str(contracts), "--on", "2026-11-25")
    assert code == 0 and checked["agreements"] == 1 and not checked["findings"]
    code, built = run("build", "--contracts", str(contracts))
    head = json.loads((contracts / "compiled" / "head.json").read_text())
    assert code == 0 and head["policy"] == built["policy"]
    code, shown = run("show", "--contracts", str(contracts))
    assert code == 0 and [row["provider"] for row in shown] == ["northvale-college"]
    event = "education.enrolment.withdrawn"
    _, readers = run("show", "--contracts", str(contracts), "--event", event)
    by_role = {row["role"]: row["fields"] for row in readers if row["rules"] == "any"}
    assert "data.reason" in by_role["inclusion-team"] and "data.reason" not in by_role["early-help"]


def test_a_faulty_agreement_fails_the_check_and_is_not_built(contracts: Path) -> None:
    path = contracts / "agreements" / COLLEGE
    path.write_text(path.read_text().replace("mustNotSend: [subject.nhs_number, ", "mustNotSend: ["))
    code, checked = run("check", "--contracts", str(contracts))
    assert code == 1 and any("subject.nhs_number is neither" in f["what"] for f in checked["findings"])
    assert run("build", "--contracts", str(contracts))[0] == 1
    assert not (contracts / "compiled").exists()


def test_quarantine_must_be_readable_for_as_long_as_it_waits(contracts: Path) -> None:
    path = contracts / "policy" / "governance.yaml"
    path.write_text(path.read_text().replace("submission_readable_days: 40", "submission_readable_days: 29"))
    code, checked = run("check", "--contracts", str(contracts))
    assert code == 1 and "write at least 30" in checked["findings"][0]["what"]


def test_one_officer_alone_is_no_list_of_officers(contracts: Path) -> None:
    path = contracts / "policy" / "governance.yaml"
    key = Signer(bytes(32)).verifier("officer-r-osei")
    path.write_text(path.read_text().replace("officers: {}", f"officers: {{R. Osei: {key}}}", 1))
    code, checked = run("check", "--contracts", str(contracts))
    assert code == 1 and "one officer alone" in checked["findings"][0]["what"]


@pytest.mark.parametrize("fault", [("mustNotSend: [subject.nhs_number, ", "mustNotSend: ["), ("overSharing:", "x:")])
def test_a_faulty_agreement_is_never_put_in_force(
    contracts: Path, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, str]
) -> None:
    path = contracts / "agreements" / COLLEGE
    assert fault[0] in path.read_text()
    path.write_text(path.read_text().replace(*fault))
    monkeypatch.setenv("HUB_CONTRACTS", str(contracts))
    code, said = run("release", "--by", "R. Osei")
    assert code == 1 and "hub contracts check" in str(said)
    assert not (contracts / "compiled").exists()
    with pytest.raises(NotAllowed):
        release_compiled(Where("nowhere", "nowhere", ""))


def test_the_artefact_is_named_by_its_own_bytes(contracts: Path) -> None:
    built = build(contracts)
    body = (contracts / "compiled" / f"policy-{built.policy_hash}.json").read_bytes()
    assert hashlib.sha256(body).hexdigest() == built.policy_hash
    policy = load_policy(contracts)
    assert policy is not None and policy.policy_hash == built.policy_hash and policy.authority == "northshire"


def test_a_changed_agreement_is_built_anew_and_the_old_policy_stays_readable(contracts: Path) -> None:
    first = ensure_built(contracts)
    assert ensure_built(contracts) == first
    path = contracts / "agreements" / COLLEGE
    path.write_text(path.read_text().replace("overSharing: refuse", "overSharing: minimise"))
    second = ensure_built(contracts)
    assert second != first
    assert {p.name for p in (contracts / "compiled").glob("policy-*.json")} == {
        f"policy-{first}.json",
        f"policy-{second}.json",
    }


def test_without_a_build_the_gate_has_no_policy(contracts: Path) -> None:
    assert load_policy(contracts) is None


def test_the_partner_schemas_are_up_to_date() -> None:
    code, said = run("schemas", "--check")
    assert code == 0 and said["schemas"] == 115


def test_a_released_schema_is_not_rewritten_by_a_changed_catalogue(contracts: Path, tmp_path: Path) -> None:
    schemas = tmp_path / "avro"
    code, said = run("schemas", "--contracts", str(contracts), "--schemas", str(schemas))
    assert code == 0 and len(said["written"]) == 115
    catalogue = contracts / "catalogue.yaml"
    catalogue.write_text(catalogue.read_text().replace("means: which register,", "means: which register it is,"))
    code, said = run("schemas", "--contracts", str(contracts), "--schemas", str(schemas))
    assert code == 1 and said["released_and_changed"] == ["person.registered.v1.avsc"]
