"""Metrics, alert rules, runbooks and dashboards belong together: none asks for, or points to, what is not there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from hub.deploy.dashboards import BOARDS, Panel, dashboards, faults_in
from spine.telemetry import Metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
METRICS: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROOT / "contracts" / "metrics.yaml")["metrics"]
RULES = [rule for group in YAML(typ="safe").load(PROMETHEUS / "rules.yaml")["groups"] for rule in group["rules"]]
SECTIONS = ("## Symptom", "## Check", "## Fix", "## Redrive", "## Tell")


def promtool() -> str:
    """Prometheus' own checker: on the path, in the cache, or out of Debian's package, which is not installed."""
    if found := shutil.which("promtool"):
        return found
    cache = Path(os.environ.get("HUB_CACHE") or ROOT / ".hub" / "cache") / "promtool"
    if not cache.exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            pytest.skip("promtool is not installed, and this is no Debian to fetch it from")
        with tempfile.TemporaryDirectory() as folder:
            got = subprocess.run(
                ["apt-get", "download", "-qq", "prometheus"], cwd=folder, capture_output=True, check=False, timeout=120
            )
            packages = list(Path(folder).glob("*.deb"))
            if got.returncode or not packages:
                pytest.skip("promtool is not installed, and Debian's package prometheus can't be fetched")
            subprocess.run(["dpkg-deb", "-x", str(packages[0]), folder], check=True)
            cache.parent.mkdir(parents=True, exist_ok=True)
            new = cache.with_suffix(f".{os.getpid()}")
            shutil.copy(Path(folder) / "usr" / "bin" / "promtool", new)
            new.replace(cache)
    return str(cache)


@pytest.mark.slow
def test_every_rule_fires_when_it_should_and_not_before() -> None:
    tool = promtool()
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        ran = subprocess.run([tool, *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_rule_has_a_test_that_sees_it_fire() -> None:
    tests = YAML(typ="safe").load(PROMETHEUS / "rules_test.yaml")["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_are_served_and_leads_to_its_runbook(rule: dict[str, Any]) -> None:
    assert faults_in(rule["expr"], METRICS) == []
    assert rule["labels"]["severity"] in ("page", "ticket")
    page = ROOT / rule["annotations"]["runbook_url"]
    text = page.read_text()
    assert [section for section in SECTIONS if section not in text] == [], page.name
    assert rule["alert"] in text, page.name


def test_every_runbook_is_led_to_and_names_only_commands_that_there_are() -> None:
    led = {Path(rule["annotations"]["runbook_url"]).name for rule in RULES}
    by_hand = {"halt.md", "disk.md", "README.md"}
    assert {page.name for page in RUNBOOKS.glob("*.md")} == led | by_hand
    pages = [*RUNBOOKS.glob("*.md"), ROOT / "docs" / "operations.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"]
    said = " ".join(page.read_text() for page in pages)
    from typer.main import get_command

    from hub.__main__ import app

    top = get_command(app)
    for words in re.findall(r"`hub ([a-z]+)(?: ([a-z]+))?", said):
        group = top.get_command(None, words[0])  # type: ignore[attr-defined]
        assert group is not None, words
        assert not words[1] or not hasattr(group, "commands") or words[1] in group.commands, words


def test_a_query_that_no_metric_answers_is_refused() -> None:
    assert faults_in("sum by (service) (hub_lag_recrods)", METRICS) == [
        "no metric hub_lag_recrods",
        "no metric of the query has the label service",
    ]
    assert faults_in('hub_ready{team="x"}', METRICS) == ["hub_ready has no label team"]
    assert faults_in("rate(hub_ready_bucket[5m])", METRICS) == ["hub_ready is no histogram"]
    assert faults_in(BOARDS["pipeline"][1][3].query, METRICS) == []


def test_a_board_with_a_wrong_query_is_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"wrong": ("Wrong", (Panel("Nothing", "hub_nothing_total"),))}
    monkeypatch.setattr("hub.deploy.dashboards.BOARDS", wrong)
    with pytest.raises(ValueError, match="wrong: Nothing: no metric hub_nothing_total"):
        dashboards(METRICS)


def test_every_metric_is_on_a_board_also_one_that_nobody_thought_of() -> None:
    added = {
        "hub_new_total": {"type": "counter", "labels": ["service"]},
        "hub_new_seconds": {"type": "gauge", "labels": []},
    }
    boards = dashboards({**METRICS, **added})
    asked = " ".join(target["expr"] for b in boards.values() for p in b["panels"] for target in p["targets"])
    assert not {name for name in {**METRICS, **added} if not re.search(rf"\b{name}(_bucket)?\b", asked)}
    assert "sum by (service) (rate(hub_new_total[5m]))" in asked and "max (hub_new_seconds)" in asked


def test_every_metric_of_the_catalogue_is_written_somewhere_and_served() -> None:
    code = " ".join(p.read_text() for package in ("spine", "services", "hub") for p in (ROOT / package).rglob("*.py"))
    for name in METRICS:
        assert f'"{name}"' in code, f"{name} is in the catalogue and nobody writes it"
    served = {
        family.name
        for family in text_string_to_metric_families(Metrics(ROOT / "contracts" / "metrics.yaml").text().decode())
    }
    assert {name.removesuffix("_total") for name in METRICS} <= served


@pytest.mark.parametrize(
    "page", ["operations", "scale", "threat-model", "dpia-template", "accessibility-statement-template"]
)
def test_what_a_page_for_operators_names_is_there(page: str) -> None:
    """Links, files of the tree, and tests that are said to prove something."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (ROOT / "docs" / link).exists()]
    named = re.findall(r"(?<![\w/])((?:tests|deploy|docs|contracts|hub)/[\w./-]*\w)", text)
    missing = [name for name in named if not (ROOT / name).exists() and not name.startswith("deploy/secrets")]
    assert not links and not missing, (links, missing)
