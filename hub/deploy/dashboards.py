"""Grafana dashboards from a short description. Pure: every query is checked against the catalogue of metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS, HEIGHT, PER_ROW = 24, 8, 3
SOURCE = {"type": "prometheus", "uid": "${source}"}
WAITED = "hub_receipt_to_alert_seconds"
BY_PARTY = "{{party}} {{outcome}}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One question, in the words of who is on call. ``worry``: the value from which it is drawn in red."""

    title: str
    query: str
    legend: str = "{{service}}"
    unit: str = "short"
    kind: str = "timeseries"
    worry: float | None = None


def rate(metric: str, by: str, matching: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{matching}}}[5m]))" if matching else f"sum by ({by}) (rate({metric}[5m]))"


def quantile(metric: str, part: float, by: str = "service") -> str:
    return f"histogram_quantile({part}, sum by (le, {by}) (rate({metric}_bucket[5m])))"


def within(metric: str, seconds: int, by: str) -> str:
    """The part that took no longer. Clients write a whole bound as 60 or as 60.0."""
    bound = f'le=~"{seconds}(\\\\.0)?"'
    return f"sum by ({by}) (rate({metric}_bucket{{{bound}}}[1h])) / sum by ({by}) (rate({metric}_count[1h]))"


BOARDS: Mapping[str, tuple[str, Sequence[Panel]]] = {
    "pipeline": (
        "EET Hub: pipeline",
        (
            Panel("Ready workers", "sum by (service) (hub_ready)", kind="stat"),
            Panel("Records waiting", "sum by (service) (hub_lag_records)", worry=5_000),
            Panel("Records decided a second", rate("hub_records_total", "service", 'outcome="decided"'), unit="reqps"),
            Panel("Step, 95th percentile", quantile("hub_step_seconds", 0.95), unit="s", worry=1),
            Panel("Records in a step, 95th percentile", quantile("hub_batch_records", 0.95)),
            Panel("Effects waiting in the outbox", "max by (service) (hub_outbox_rows)", worry=1_000),
            Panel("Publishers (one each)", "sum by (service) (hub_publisher)", kind="stat"),
            Panel("Partitions owned", "sum by (service) (hub_assigned_partitions)", kind="stat"),
            Panel("Retries a second", rate("hub_retries_total", "service, where"), "{{service}} {{where}}", worry=1),
            Panel("Effects made a second", rate("hub_effects_total", "service"), unit="reqps"),
            Panel("Effects published a second", rate("hub_published_total", "service"), unit="reqps"),
            Panel("Since the last tick", "time() - max(hub_last_tick_seconds)", "tick", "s", worry=172_800),
        ),
    ),
    "gate": (
        "EET Hub: doors and gate",
        (
            Panel(
                "Submissions decided a second", rate("hub_records_total", "outcome", 'service="ingest"'), "{{outcome}}"
            ),
            Panel("Refused at the HTTP door", rate("hub_door_refused_total", "way, reason"), "{{way}} {{reason}}"),
            Panel("Files of the door that are broken", "max by (file) (hub_door_file_broken)", "{{file}}", worry=1),
            Panel("Files, by outcome", rate("hub_files_total", "outcome"), "{{outcome}}"),
            Panel("Rows of files, by outcome", rate("hub_file_rows_total", "outcome"), "{{outcome}}"),
            Panel(
                "What the gate decides",
                rate("hub_gate_decisions_total", "verdict, reason", 'gate="door"'),
                "{{verdict}} {{reason}}",
            ),
            Panel(
                "Since the ledger's last checkpoint",
                "time() - max(hub_ledger_checkpoint_timestamp_seconds)",
                "ledger",
                "s",
                worry=3_600,
            ),
            Panel("Set aside in an hour", 'sum by (service) (increase(hub_records_total{outcome="set_aside"}[1h]))'),
        ),
    ),
    "matching": (
        "EET Hub: matching",
        (
            Panel(
                "Observations matched a second",
                rate("hub_records_total", "outcome", 'service="matching"'),
                "{{outcome}}",
            ),
            Panel("Observations waiting", 'sum by (partition) (hub_lag_records{service="matching"})', "{{partition}}"),
            Panel("Step, 50th and 95th percentile", quantile("hub_step_seconds", 0.95), unit="s"),
            Panel(
                "Matches waiting for a steward",
                "max by (safeguarding) (hub_reviews_open)",
                "safeguarding {{safeguarding}}",
            ),
            Panel(
                "The oldest of them",
                "max by (safeguarding) (hub_review_oldest_seconds)",
                "safeguarding {{safeguarding}}",
                "s",
                worry=14_400,
            ),
            Panel("Effects of matching a second", rate("hub_effects_total", "service", 'service="matching"')),
        ),
    ),
    "alerts": (
        "EET Hub: alerts and delivery",
        (
            Panel(
                "Alerts within a minute of their cause (promised: 95 %)",
                within(WAITED, 60, "stage"),
                "{{stage}}",
                "percentunit",
            ),
            Panel("From cause to alert, 95th percentile", quantile(WAITED, 0.95, "stage"), "{{stage}}", "s", worry=60),
            Panel("Alerts open", "max by (priority) (hub_alerts_open)", "{{priority}}"),
            Panel("Alerts past their day", "max by (priority) (hub_alerts_overdue)", "{{priority}}", worry=1),
            Panel(
                "Whom the gate let be told",
                rate("hub_gate_decisions_total", "verdict, reason", 'gate="alerts"'),
                "{{verdict}} {{reason}}",
            ),
            Panel("Statuses judged a second", rate("hub_records_total", "outcome", 'service="alerts"'), "{{outcome}}"),
            Panel("Statuses waiting", 'sum(hub_lag_records{service="alerts"})', "waiting", worry=1_000),
            Panel(
                "Deliveries decided a second", rate("hub_records_total", "outcome", 'service="delivery"'), "{{outcome}}"
            ),
            Panel(
                "Since a team was last told",
                "time() - max by (team) (hub_last_delivery_timestamp_seconds)",
                "{{team}}",
                "s",
            ),
            Panel(
                "Since a team's last heartbeat",
                "time() - max by (team) (hub_heartbeat_timestamp_seconds)",
                "{{team}}",
                "s",
            ),
            Panel(
                "Since a team read its feed",
                "time() - max by (team) (hub_feed_read_timestamp_seconds)",
                "{{team}}",
                "s",
            ),
        ),
    ),
    "partners": (
        "EET Hub: partners' health",
        (
            Panel("Files by partner in a day", "sum by (party, outcome) (increase(hub_files_total[1d]))", BY_PARTY),
            Panel("Rows by partner in a day", "sum by (party, outcome) (increase(hub_file_rows_total[1d]))", BY_PARTY),
            Panel(
                "Part of rows refused in a day",
                'sum by (party) (increase(hub_file_rows_total{outcome="refused"}[1d])) '
                "/ sum by (party) (increase(hub_file_rows_total[1d]))",
                "{{party}}",
                "percentunit",
                worry=0.05,
            ),
            Panel(
                "Since a party was heard",
                "time() - max by (party, what) (hub_source_heard_timestamp_seconds)",
                "{{party}} {{what}}",
                "s",
                worry=604_800,
            ),
            Panel(
                "Refused at the HTTP door in an hour",
                "sum by (reason) (increase(hub_door_refused_total[1h]))",
                "{{reason}}",
            ),
        ),
    ),
}


def dashboards(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every board by name. Raises ValueError naming every query that no metric of the catalogue answers."""
    faults = [
        f"{name}: {panel.title}: {fault}"
        for name, (_, panels) in BOARDS.items()
        for panel in panels
        for fault in faults_in(panel.query, metrics)
    ]
    if faults:
        raise ValueError("; ".join(faults))
    held = {name: _board(name, title, panels) for name, (title, panels) in BOARDS.items()}
    if others := [_plain(name, metrics[name]) for name in unread(metrics)]:
        held["others"] = _board("others", "EET Hub: everything else", others)
    return held


def unread(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Metrics that no board above asks for."""
    asked = " ".join(panel.query for _, panels in BOARDS.values() for panel in panels)
    return [name for name in sorted(metrics) if not re.search(rf"\b{name}(_bucket)?\b", asked)]


def _plain(name: str, metric: Mapping[str, Any]) -> Panel:
    by = ", ".join(metric["labels"])
    legend = " ".join(f"{{{{{label}}}}}" for label in metric["labels"]) or name
    query = {
        "counter": f"sum by ({by}) (rate({name}[5m]))",
        "gauge": f"max by ({by}) ({name})",
        "histogram": quantile(name, 0.95, by),
    }[metric["type"]]
    return Panel(name, query.replace(" by ()", "").replace("(le, )", "(le)"), legend)


def faults_in(query: str, metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What in a query no metric answers: a name that is not in the catalogue, a label that its metric has not."""
    found = []
    for series, matchers in re.findall(r"\b(hub_[a-z_]+)(?:\{([^}]*)\})?", query):
        name = re.sub(r"_(bucket|sum|count)$", "", series) if series not in metrics else series
        if name not in metrics:
            found.append(f"no metric {series}")
            continue
        labels = set(metrics[name]["labels"]) | ({"le"} if metrics[name]["type"] == "histogram" else set())
        asked = set(re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", matchers))
        found += [f"{name} has no label {label}" for label in sorted(asked - labels)]
        found += [f"{name} is no histogram" for _ in [0] if name != series and metrics[name]["type"] != "histogram"]
    names = {re.sub(r"_(bucket|sum|count)$", "", s) for s in re.findall(r"\bhub_[a-z_]+", query)}
    known = {label for name in names if name in metrics for label in metrics[name]["labels"]} | {"le"}
    grouped = {word.strip() for words in re.findall(r"\bby\s*\(([^)]*)\)", query) for word in words.split(",")}
    return found + [f"no metric of the query has the label {label}" for label in sorted(grouped - known)]


def _board(name: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    return {
        "uid": f"eet-hub-{name}",
        "title": title,
        "tags": ["eet-hub"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "Europe/London",
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, PER_ROW)
    width = COLUMNS // PER_ROW
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.worry is not None:
        steps.append({"color": "red", "value": panel.worry})
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": SOURCE,
        "gridPos": {"x": column * width, "y": row * HEIGHT, "w": width, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": panel.query, "legendFormat": panel.legend}],
    }
