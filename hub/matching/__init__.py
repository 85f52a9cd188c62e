"""``hub matching``: how well matching decides and why, new weights from data, and what they would change."""

import typer

from hub.matching.difference import difference
from hub.matching.evaluate import evaluate
from hub.matching.explain import explain_command
from hub.matching.register import register_command
from hub.matching.train import train_command

__all__ = ["app"]

app = typer.Typer(
    help="How well matching decides and why; new weights, and what they would change.", no_args_is_help=True
)
app.command("evaluate")(evaluate)
app.command("explain")(explain_command)
app.command("train")(train_command)
app.command("difference")(difference)
app.command("register")(register_command)
