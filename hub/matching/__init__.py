"""``hub matching``: how well matching decides, and why it decides as it does."""

import typer

from hub.matching.evaluate import evaluate
from hub.matching.explain import explain_command

__all__ = ["app"]

app = typer.Typer(help="How well matching decides, and why.", no_args_is_help=True)
app.command("evaluate")(evaluate)
app.command("explain")(explain_command)
