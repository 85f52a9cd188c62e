"""The command ``hub``: the whole hub on one machine, and its operations."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

#: Where each command stands: a function, or ``app`` for a group of commands. Loaded when it is asked for: all of them
#: together take seconds, most of any command's time.
COMMANDS = {
    "up": "hub.up.commands:up",
    "down": "hub.up.commands:down",
    "status": "hub.up.commands:status",
    "demo": "hub.demo.command:demo",
    "sample": "hub.sample.command:sample",
    "resolve": "hub.resolve:resolve",
    "tick": "hub.ticks:tick",
    "measures": "hub.measures.command:measures",
    "worklist": "hub.worklist:worklist",
    "replay": "hub.replay.command:replay",
    "compare": "hub.replay.command:compare",
    "publish": "hub.publish:publish",
    "issuer": "hub.issuer.command:issuer",
    "verify": "hub.verify.command:verify",
    "explain": "hub.subject.explain:explain",
    "as-of": "hub.subject.as_of:as_of",
    "disclosures": "hub.subject.logs:disclosures_",
    "access-log": "hub.subject.logs:access_log",
    "export-subject": "hub.subject.export:export_subject",
    "erase": "hub.subject.erase:erase_",
    "backup": "hub.backup.command:backup",
    "restore": "hub.backup.command:restore",
    "quarantine": "hub.quarantine.command:app",
    "keys": "hub.key_commands:app",
    "topics": "hub.topics.command:app",
    "deliveries": "hub.deliveries:app",
    "hold": "hub.subject.holds:app",
    "officers": "hub.officers:app",
    "retention": "hub.subject.retention:app",
    "story": "hub.story:app",
    "contracts": "hub.contracts:app",
    "bench": "hub.bench:app",
    "files": "hub.files:app",
    "sandbox": "hub.sandbox:app",
    "connect": "hub.connect:app",
    "sealing": "hub.sealing:app",
    "matching": "hub.matching:app",
    "person": "hub.person:app",
    "returns": "hub.returns:app",
    "risk": "hub.risk:app",
    "rules": "hub.rules:app",
    "archive": "hub.archive:app",
    "witness": "hub.witness:app",
    "deploy": "hub.deploy:app",
    "doctor": "hub.doctor:app",
}


class _Loaded(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            module, _, name = COMMANDS[cmd_name].partition(":")
            self.commands[cmd_name] = _command(cmd_name, getattr(importlib.import_module(module), name))
        return self.commands[cmd_name]


def _command(name: str, found: Any) -> Any:
    outer = typer.Typer(pretty_exceptions_show_locals=False)
    if isinstance(found, typer.Typer):
        outer.add_typer(found, name=name)
    else:
        outer.command(name)(found)
    # A callback keeps it a group where it holds one command only.
    outer.callback()(lambda: None)
    group = typer.main.get_group(outer)
    return group.commands[name]


app = typer.Typer(
    name="hub",
    cls=_Loaded,
    help="EET Hub: events of agencies in, explained alerts out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def hub() -> None:
    """EET Hub: events of agencies in, explained alerts out."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
