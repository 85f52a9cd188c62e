"""Logs and metrics only as their catalogues allow: ids and counts, never payloads."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from ruamel.yaml import YAML

from spine.telemetry import Metrics, log, setup, where
from tests.spine.toy import ROOT

EVENTS = YAML(typ="safe").load(ROOT / "contracts" / "log_events.yaml")
METRICS = YAML(typ="safe").load(ROOT / "contracts" / "metrics.yaml")["metrics"]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    setup("toy", out=out, build="b1")
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def read(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_event_of_the_catalogue_is_one_json_line(lines: io.StringIO) -> None:
    log().info("assigned", topic="things", partition=1, offset=5)
    (line,) = read(lines)
    assert line.pop("timestamp")
    fixed = {"service": "toy", "build": "b1", "event": "assigned", "level": "info"}
    assert line == fixed | {"topic": "things", "partition": 1, "offset": 5}


@pytest.mark.parametrize("more", [{"given": "CANARY-7"}, {"payload": "CANARY-7"}, {"topic": "t", "email": "CANARY-7"}])
def test_an_unknown_key_is_named_and_its_value_never_written(lines: io.StringIO, more: dict[str, str]) -> None:
    log().info("assigned", **more)
    (line,) = read(lines)
    assert line["event"] == "refused_log" and "CANARY-7" not in lines.getvalue()


def test_an_unknown_event_is_not_written_it_may_be_content(lines: io.StringIO) -> None:
    log().info("CANARY-7 became")
    assert read(lines)[0]["event"] == "refused_log" and "CANARY" not in lines.getvalue()


def test_a_library_s_words_are_not_written(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("row CANARY-7 is odd")
    (line,) = read(lines)
    assert (line["event"], line["logger"]) == ("library", "some.library") and "CANARY" not in lines.getvalue()


def test_an_error_is_logged_by_class_and_place() -> None:
    try:
        raise ValueError("CANARY-7")
    except ValueError as error:
        assert re.fullmatch(r"test_telemetry\.py:\d+", where(error))


def test_no_log_event_may_carry_content() -> None:
    keys = {key for event in EVENTS["events"].values() for key in event["keys"]} | set(EVENTS["common"])
    bad = {key for key in keys for word in EVENTS["never"] if word in key.split("_")}
    assert not bad


def test_every_event_and_metric_has_a_line_for_the_operator() -> None:
    assert all(event["operator"] and event["level"] for event in EVENTS["events"].values())
    assert all(m["operator"] and m["help"] and name.startswith("hub_") for name, m in METRICS.items())


def test_every_event_and_metric_in_the_code_stands_in_its_catalogue() -> None:
    events, metrics = set(), set()
    for path in [p for folder in ("spine", "services", "hub") for p in (ROOT / folder).rglob("*.py")]:
        text = path.read_text()
        events |= set(re.findall(r"\blog\(\)\s*\.(?:debug|info|warning|error|critical)\(\s*\"([^\"]+)\"", text))
        metrics |= set(re.findall(r"\"(hub_[a-z_]+)\"", text)) if path.parts[-2] == "spine" else set()
    assert events <= set(EVENTS["events"]), events - set(EVENTS["events"])
    assert metrics <= set(METRICS), metrics - set(METRICS)


#: Every label there may be, each of a closed set: of the code, of the contracts, or the machine's own numbers.
LABELS = {
    *(
        "service",
        "topic",
        "partition",
        "outcome",
        "where",
        "party",
        "team",
        "way",
        "reason",
        "file",
        "check",
        "verdict",
    ),
    *("agreement", "stage", "gate", "priority", "safeguarding", "what"),
}


def test_no_label_can_hold_a_person_a_reference_or_free_text() -> None:
    assert {label for metric in METRICS.values() for label in metric["labels"]} == LABELS


def test_a_metric_outside_the_catalogue_can_not_be_written(tmp_path: Path) -> None:
    tell = Metrics(ROOT / "contracts" / "metrics.yaml")
    tell.count("hub_ticks_total")
    tell.gauge("hub_ready", 1, service="toy")
    tell.observe("hub_step_seconds", 0.1, service="toy")
    assert b"hub_ticks_total 1.0" in tell.text()
    with pytest.raises(KeyError):
        tell.count("hub_other_total")
    with pytest.raises(ValueError, match="label"):
        tell.count("hub_effects_total", party="a1")
