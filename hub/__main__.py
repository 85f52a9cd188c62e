"""The command ``hub``: the whole hub on one machine, and its operations."""

from __future__ import annotations

import importlib
import importlib.util

import typer

from hub.backup.command import backup, restore
from hub.deliveries import app as deliveries
from hub.demo.command import demo
from hub.issuer.command import issuer
from hub.key_commands import app as keys
from hub.measures.command import measures
from hub.publish import publish
from hub.quarantine.command import app as quarantine
from hub.replay.command import compare, replay
from hub.resolve import resolve
from hub.sample.command import sample
from hub.subject.as_of import as_of
from hub.subject.erase import erase_
from hub.subject.explain import explain
from hub.subject.export import export_subject
from hub.subject.holds import app as holds
from hub.subject.logs import access_log, disclosures_
from hub.subject.retention import app as retention
from hub.ticks import tick
from hub.topics.command import app as topics
from hub.up import commands as up_commands
from hub.verify.command import verify
from hub.worklist import worklist

app = typer.Typer(
    name="hub",
    help="EET Hub: events of agencies in, explained alerts out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("up")(up_commands.up)
app.command("down")(up_commands.down)
app.command("status")(up_commands.status)
app.command("demo")(demo)
app.command("sample")(sample)
app.command("resolve")(resolve)
app.command("tick")(tick)
app.command("measures")(measures)
app.command("worklist")(worklist)
app.command("replay")(replay)
app.command("compare")(compare)
app.command("publish")(publish)
app.command("issuer")(issuer)
app.command("verify")(verify)
app.command("explain")(explain)
app.command("as-of")(as_of)
app.command("disclosures")(disclosures_)
app.command("access-log")(access_log)
app.command("export-subject")(export_subject)
app.command("erase")(erase_)
app.command("backup")(backup)
app.command("restore")(restore)
app.add_typer(quarantine, name="quarantine")
app.add_typer(keys, name="keys")
app.add_typer(topics, name="topics")
app.add_typer(deliveries, name="deliveries")
app.add_typer(holds, name="hold")
app.add_typer(retention, name="retention")

_GROUPS = (
    "story",
    "contracts",
    "schemas",
    "bench",
    "files",
    "sandbox",
    "connect",
    "sealing",
    "matching",
    "person",
    "returns",
    "risk",
    "rules",
    "archive",
    "witness",
    "deploy",
    "doctor",
)
for _name in _GROUPS:
    if importlib.util.find_spec(f"hub.{_name}") is not None:
        app.add_typer(importlib.import_module(f"hub.{_name}").app, name=_name)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
