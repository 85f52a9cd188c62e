"""``hub bench pipeline``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hub.demo.drain import NotDrained
from hub.feed import FeedError
from hub.output import DONE, FAILED, AsJson, fail, show_json, show_table
from spine.errors import SpineError

app = typer.Typer(help="How fast the hub is here, next to a bare loop in the same run.", no_args_is_help=True)
HOSTS = ("confluent", "faust")


@app.callback()
def bench() -> None:
    """How fast the hub is here, next to a bare loop in the same run."""


@app.command("pipeline")
def pipeline_command(
    events: Annotated[int, typer.Option(min=0, max=200_000, help="Events of the flood; 0 for none.")] = 10_000,
    rate: Annotated[int, typer.Option(min=0, max=5_000, help="Events a second of the paced stretch; 0: none.")] = 200,
    seconds: Annotated[int, typer.Option(min=1, max=600, help="Seconds of the paced stretch.")] = 20,
    host: Annotated[str, typer.Option(help="confluent or faust.")] = "confluent",
    folder: Annotated[Path, typer.Option(help="Where this run's hub lives; emptied first.")] = Path(".hub/bench"),
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Events through door and services on real Kafka and PostgreSQL: rates, delays, memory, and a bare loop's figures.

    Exit codes: 0 measured; 1 the hub did not start or did not settle; 2 wrong usage.
    """
    from hub.bench.pipeline import Asked, pipeline

    if host not in HOSTS:
        fail(f"host is one of {', '.join(HOSTS)}", as_json=as_json, code=2)

    def say(what: str) -> None:
        typer.echo(what, err=True)

    try:
        found = pipeline(Asked(events, rate, seconds, host), folder.absolute(), say)
    except (FeedError, NotDrained, SpineError) as error:
        fail(str(error), as_json=as_json)
    if out is not None:
        import json

        out.write_text(json.dumps(found, indent=1) + "\n")
    if as_json:
        show_json(found)
    else:
        _show(found)


@app.command("gate")
def gate_command(
    events: Annotated[int, typer.Option(min=100, max=100_000, help="Events of the generated county.")] = 5_000,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """What check, projection and seal cost an event, next to a plain Avro decode of the same events in the same run.

    Exit codes: 0 the gate costs at most five times the decode; 1 it costs more; 2 wrong usage.
    """
    import json

    from hub.bench.gate import RATIO_MAX, measure_gate

    found = measure_gate(events)
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n")
    if as_json:
        show_json(found)
    else:
        each, rates = found["microseconds"], found["per_second"]
        rows = [(f"{name}, µs an event", value) for name, value in each.items()]
        rows += [(f"{name}, events/s", value) for name, value in rates.items()]
        rows += [
            ("gate to plain decode (at most 5)", found["ratio"]),
            ("with reading the JSON", found["ratio_with_reading"]),
        ]
        show_table("Gate", ("figure", "measured"), rows)
    raise typer.Exit(DONE if found["ratio"] <= RATIO_MAX else FAILED)


def _show(found: dict[str, Any]) -> None:
    rows: list[tuple[str, Any]] = []
    flood, slow, bare = found.get("flood"), found.get("paced"), found["baseline"]
    if flood:
        rows.append(("end to end, events/s", flood["per_second"]))
        rows.append(("door, events/s", flood["door_per_second"]))
        rows += [(f"{name}, records/s", stage["per_second"]) for name, stage in flood["stages"].items()]
    if slow:
        figures = slow["receipt_to_alert_seconds"]
        text = f"{figures['p50']} / {figures['p95']} / {figures['p99']} ({figures['count']} acts)"
        rows.append((f"receipt to alert at {slow['rate']}/s, p50 / p95 / p99 s", text))
    rows.append(("bare loop, events/s through all hops", bare["events_per_second"]))
    rows.append(("hub to bare loop", bare.get("hub_to_baseline")))
    show_table("Pipeline", ("figure", "measured"), rows)
    used = flood["processes"] if flood else found["processes"]
    cells = [(name, u["rss_mb"], u["cpu_seconds"], u.get("cpu_ms_per_event")) for name, u in used.items()]
    show_table("Processes, in the flood", ("name", "RSS MB", "CPU s", "CPU ms an event"), cells)
