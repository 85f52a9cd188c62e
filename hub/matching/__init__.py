"""``hub matching``: how well matching decides, and why it decides as it does."""

import typer

from hub.matching.evaluate import evaluate

__all__ = ["app"]

app = typer.Typer(help="How well matching decides, and why.", no_args_is_help=True)
app.command("evaluate")(evaluate)


@app.callback()
def _several() -> None:
    """How well matching decides, and why."""
