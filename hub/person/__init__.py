"""``hub person``: what the hub believed of somebody, on any day, as known at any moment, and why."""

import typer

from hub.person.command import show

__all__ = ["app"]

app = typer.Typer(help="What the hub believed of somebody: on any day, as known at any moment.", no_args_is_help=True)
app.callback()(lambda: None)
app.command("show")(show)
