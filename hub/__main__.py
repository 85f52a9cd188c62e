"""The command ``hub``: the whole hub on one machine, and its operations."""

from __future__ import annotations

import importlib
import importlib.util

import typer

from hub.deliveries import app as deliveries
from hub.demo.command import demo
from hub.issuer.command import issuer
from hub.key_commands import app as keys
from hub.measures.command import measures
from hub.publish import publish
from hub.quarantine.command import app as quarantine
from hub.resolve import resolve
from hub.sample.command import sample
from hub.ticks import tick
from hub.topics.command import app as topics
from hub.up import commands as up_commands
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
app.command("publish")(publish)
app.command("issuer")(issuer)
app.add_typer(quarantine, name="quarantine")
app.add_typer(keys, name="keys")
app.add_typer(topics, name="topics")
app.add_typer(deliveries, name="deliveries")

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
