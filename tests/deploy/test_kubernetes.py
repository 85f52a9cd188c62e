"""deploy/kubernetes is what the contracts give, locked down, and every rule of it can be broken by a test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hub.deploy import app
from hub.deploy.documents import text_of
from hub.deploy.files import Asked, differing, everything
from hub.deploy.kafka_resources import rights_in, users
from hub.deploy.processes import PROCESSES
from hub.machine import kafka as machine_kafka
from spine.headed import Head

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTRACTS = ROOT / "contracts"
#: The day of the last rendering: which agreements are in force depends on it.
ON = date(2026, 11, 26)
SCHEMA = json.loads((Path(__file__).parent / "strimzi.schema.json").read_text())


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return everything(Asked(CONTRACTS, ON))


@cache
def documents(folder: str) -> list[dict[str, Any]]:
    return [
        document
        for path in sorted((DEPLOY / "kubernetes" / folder).rglob("*.yaml"))
        for document in YAML(typ="safe").load_all(path)
    ]


def of_kind(kind: str, folder: str = "base") -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in documents(folder) if d["kind"] == kind}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("Deployment", "Job"):
        for name, document in of_kind(kind).items():
            yield name, document["spec"]["template"]
    for name, document in of_kind("CronJob").items():
        yield name, document["spec"]["jobTemplate"]["spec"]["template"]


def test_what_stands_in_deploy_is_what_the_contracts_give(wanted: dict[str, str]) -> None:
    assert differing(wanted, DEPLOY) == [], "run `hub deploy render`"


def test_check_fails_on_a_right_given_by_hand_and_on_a_file_that_nobody_renders(
    wanted: dict[str, str], tmp_path: Path
) -> None:
    for name, text in wanted.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    check = ["render", "--check", "--on", ON.isoformat(), "--out", str(tmp_path), "--json"]
    assert differing(wanted, tmp_path) == []
    by_hand = tmp_path / "kubernetes" / "kafka" / "users.yaml"
    by_hand.write_text(by_hand.read_text().replace("name: alerts\n", "name: submissions\n", 1))
    (tmp_path / "kubernetes" / "base" / "forgotten.yaml").write_text("kind: Deployment\n")
    found = CliRunner().invoke(app, check)
    assert found.exit_code == 1
    assert json.loads(found.stdout)["changed"] == ["kubernetes/base/forgotten.yaml", "kubernetes/kafka/users.yaml"]
    assert CliRunner().invoke(app, [c for c in check if c != "--check"]).exit_code == 0
    assert differing(wanted, tmp_path) == []


def test_every_access_list_entry_is_one_that_the_contracts_give_and_none_is_missing() -> None:
    assert rights_in(documents("kafka")) == Asked(CONTRACTS, ON).wanted().rights


def test_a_suspended_partner_keeps_its_user_and_loses_every_right() -> None:
    head = Head(3, "", (), ("northvale-college",))
    by_name = {user["metadata"]["name"]: user for user in users(Asked(CONTRACTS, ON, head).wanted())}
    assert by_name["partner-northvale-college"]["spec"]["authorization"]["acls"] == []
    assert by_name["partner-southmere-college"]["spec"]["authorization"]["acls"]


def test_a_partner_has_quotas_and_no_partner_may_read() -> None:
    partners = [u for name, u in of_kind("KafkaUser", "kafka").items() if name.startswith("partner-")]
    assert len(partners) >= 10
    for user in partners:
        assert user["spec"]["quotas"]["producerByteRate"] == 1_048_576
        acls = user["spec"]["authorization"]["acls"]
        assert {op for acl in acls for op in acl["operations"]} <= {"Write", "Describe"}


@pytest.mark.parametrize(
    "document", documents("kafka"), ids=lambda d: f"{d['kind']} {d.get('metadata', {}).get('name')}"
)
def test_every_resource_of_the_broker_has_the_shape_that_strimzi_reads(document: dict[str, Any]) -> None:
    if document["kind"] != "Kustomization":
        jsonschema.validate(document, {"$ref": f"#/$defs/{document['kind']}", "$defs": SCHEMA["$defs"]})


def test_the_brokers_version_is_the_one_that_the_tests_run() -> None:
    (cluster,) = of_kind("Kafka", "kafka").values()
    pom = (Path(machine_kafka.__file__).parent / "pom.xml").read_text()
    assert f"<kafka.version>{cluster['spec']['kafka']['version']}</kafka.version>" in pom


def test_every_process_is_deployed_with_probes_limits_and_a_disruption_budget() -> None:
    deployments, budgets = of_kind("Deployment"), of_kind("PodDisruptionBudget")
    assert set(deployments) == {process.name for process in PROCESSES} == set(budgets)
    for name, deployment in deployments.items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name
        assert container["readinessProbe"]["httpGet"]["path"], name
        assert container["resources"]["limits"]["memory"] and container["resources"]["limits"]["cpu"], name
        selector = budgets[name]["spec"]["selector"]["matchLabels"]
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        # A budget that lets no pod of one go would block every node's maintenance.
        assert not (deployment["spec"]["replicas"] == 1 and "minAvailable" in budgets[name]["spec"]), name


def test_memory_asked_for_and_allowed_has_room_over_what_was_measured() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \| (\d+) \| (\d+) / (\d+) \|$", (ROOT / "docs" / "scale.md").read_text(), re.M)
    assert {row[0] for row in rows} == {process.name for process in PROCESSES} - {"ticker", "doctor"}
    for name, measured, *said in rows:
        (container,) = of_kind("Deployment")[name]["spec"]["template"]["spec"]["containers"]
        asked, allowed = (int(container["resources"][k]["memory"].removesuffix("Mi")) for k in ("requests", "limits"))
        assert [str(asked), str(allowed)] == said, name
        assert asked >= 1.25 * int(measured) and allowed >= 4 * int(measured), name


@pytest.mark.parametrize(("name", "template"), list(pods()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_pod_is_locked_down(name: str, template: dict[str, Any]) -> None:
    spec = template["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] >= 10_000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    account = of_kind("ServiceAccount")[spec["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True and context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    mounted = {m["name"] for c in spec["containers"] for m in c["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}, name


def test_only_those_who_open_what_is_sealed_are_given_the_key() -> None:
    holders = {name for name, t in pods() if "kek" in {volume["name"] for volume in t["spec"]["volumes"]}}
    assert holders == {"ingest", "matching", "status", "alerts", "console", "answers", "erase", "replay"}


def test_only_the_archives_process_sees_the_archive_and_every_claim_is_there() -> None:
    claimed, writing = mounted(), mounted(writing=True)
    claims = of_kind("PersistentVolumeClaim")
    assert set(claimed) == set(claims)
    assert writing["archive"] == {"archive"} and claimed["archive"] == {"archive", "replay", "verify"}
    assert writing["builds"] == {"archive", "ingest", "matching", "status", "alerts"}
    assert writing["reports"] == {"replay", "verify"} and claimed["reports"] == {"console", "replay", "verify"}
    assert writing["backups"] == {"backup"} and claimed["backups"] == {"backup", "restore"}
    for claim, held_by in claimed.items():
        shared = claims[claim]["spec"]["accessModes"] == ["ReadWriteMany"]
        # One node has it: whoever reads it goes to where its holder is. What only commands hold goes where they go.
        beside = {name for name in held_by if _goes_to(name) == writing[claim]}
        by_hand = held_by <= set(of_kind("CronJob"))
        assert shared or by_hand or held_by - writing[claim] == beside, claim


def mounted(*, writing: bool = False) -> dict[str, set[str]]:
    """By claim: the pods that have it, or that may write there."""
    found: dict[str, set[str]] = {}
    for name, template in pods():
        claims = {v["name"] for v in template["spec"]["volumes"] if "persistentVolumeClaim" in v}
        for mount in template["spec"]["containers"][0]["volumeMounts"]:
            if mount["name"] in claims and not (writing and mount.get("readOnly")):
                found.setdefault(mount["name"], set()).add(name)
    return found


def _goes_to(name: str) -> set[str]:
    affinity = dict(pods())[name]["spec"].get("affinity", {}).get("podAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return {term["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] for term in terms}


def test_a_command_at_hand_never_starts_by_itself_and_holds_what_it_needs_and_no_more() -> None:
    """Secrets, and whose database role each has; ``kafka-user`` is the operator's certificate."""
    held = {}
    for name, cron in of_kind("CronJob").items():
        job = cron["spec"]["jobTemplate"]["spec"]
        assert cron["spec"]["suspend"] is True and job["backoffLimit"] == 0
        spec = job["template"]["spec"]
        assert spec["restartPolicy"] == "Never" and spec["containers"][0]["args"] == ["--help"]
        named = {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
        url = next(e for e in spec["containers"][0]["env"] if e["name"] == "HUB_POSTGRES")
        held[name] = named | {url["valueFrom"]["secretKeyRef"]["name"]}
    broker = {"hub-operator", "eet-hub-cluster-ca-cert"}
    assert held == {
        "erase": {"kek", "seal-key", "ledger-key", "postgres-officer", *broker},
        "replay": {"kek", "seal-key", "postgres-reader", *broker},
        "backup": {"postgres-reader"},
        "restore": {"postgres-owner", *broker},
        "verify": {"postgres-reader"},
    }


def test_words_are_given_to_a_command_at_hand_as_the_guide_says() -> None:
    """The guide's own line, without a cluster: the words reach the container and nothing else changes."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    guide = (ROOT / "docs" / "operations.md").read_text()
    (line,), (words,) = re.findall(r"kubectl patch .*(?= \|)", guide), re.findall(r"run erase erase-7 '(.*)'", guide)
    spec = of_kind("CronJob")["erase"]["spec"]["jobTemplate"]["spec"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "erase-7"}, "spec": spec}
    asked = ["sh", "-c", line, "run", "erase", "erase-7", words]
    ran = subprocess.run(asked, input=json.dumps(job), capture_output=True, text=True, check=True)
    (container,) = json.loads(ran.stdout)["spec"]["template"]["spec"]["containers"]
    (given,) = spec["template"]["spec"]["containers"]
    assert container == {**given, "args": ["p-1", "--approve", "--by", "J. Okafor", "--json"]}


def test_no_secret_stands_in_clear() -> None:
    assert not [d for d in documents("") if d.get("kind") == "Secret"]
    for name, template in pods():
        for entry in template["spec"]["containers"][0]["env"]:
            telling = any(word in entry["name"] for word in ("PASSWORD", "POSTGRES", "SECRET", "KEK", "SEAL", "KEY"))
            held = entry.get("value", "")
            named = held.startswith(("/run/secrets/", "/etc/hub/", "/var/hub/sftp_keys"))
            assert not telling or named or "secretKeyRef" in entry.get("valueFrom", {}), f"{name}: {entry['name']}"
            assert "@" not in held and "password" not in held.lower()


def test_nobody_speaks_to_anybody_unless_a_policy_says_so() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    outside = {
        name
        for name, policy in policies.items()
        for rule in policy["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule["to"])
    }
    assert outside == {"delivery", "door", "answers"}
    for name, template in pods():
        env = {entry["name"] for entry in template["spec"]["containers"][0]["env"]}
        labels = template["metadata"]["labels"]
        assert ("HUB_KAFKA" in env) == ("eet-hub/kafka" in labels), name
        assert ("HUB_POSTGRES" in env) == ("eet-hub/postgres" in labels), name


def test_a_region_scales_each_service_by_the_journals_lag_and_never_beyond_its_partitions() -> None:
    scaled = of_kind("ScaledObject", "overlays/region")
    partitions = {
        t["metadata"]["name"]: t["spec"]["partitions"] for t in documents("kafka") if t["kind"] == "KafkaTopic"
    }
    reads = {process.name: process.reads for process in PROCESSES if process.reads}
    assert set(scaled) == set(reads)
    for name, one in scaled.items():
        assert one["spec"]["maxReplicaCount"] == partitions[reads[name]]
        assert f'hub_lag_records{{service="{name}"}}' in one["spec"]["triggers"][0]["metadata"]["query"]


@pytest.mark.parametrize("overlay", ["council", "region"])
def test_kustomize_builds_each_overlay(overlay: str) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: the structure is checked, the building by kustomize is not")
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / "overlays" / overlay)]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert built.returncode == 0, built.stderr
    found = [d for d in YAML(typ="safe").load_all(built.stdout) if d["kind"] == "Deployment"]
    assert len(found) == len(PROCESSES)
    for deployment in found:
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"].startswith("registry.example/eet-hub/") and deployment["metadata"]["namespace"]
    lag = [d for d in found if "replicas" not in d["spec"]]
    assert len(lag) == (0 if overlay == "council" else 5)


def test_a_text_that_an_old_yaml_reader_takes_for_a_truth_is_quoted() -> None:
    assert text_of([{"a": "on", "b": "no", "c": "0.0.0.0", "d": "yes it is", "e": "12"}]) == (
        'a: "on"\nb: "no"\nc: "0.0.0.0"\nd: yes it is\ne: "12"\n'
    )
