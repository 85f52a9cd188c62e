"""``hub deliveries``: tellings that were given up, as a worklist, and trying one of them again. They name nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from hub.output import FAILED, AsJson, fail, show_json, show_table
from hub.running import running_hub
from hub.whole_topic import facts_of
from services.alerts.delivery.decide import KIND, RETRIED, TOPIC
from spine.clock import now
from spine.errors import SpineError
from spine.log import Log
from spine.record import Fact, Outgoing
from spine.schema import Catalogue

COLUMNS = ("delivery_id", "role", "team", "worker", "rule", "act", "severity", "channel", "attempt", "reason", "at")

app = typer.Typer(help="Tellings that were given up, and trying them again.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A delivery whose last word on the log is that it was given up."""

    fields: dict[str, Any]

    @property
    def delivery_id(self) -> str:
        return str(self.fields["delivery_id"])

    def again(self, catalogue: Catalogue) -> Outgoing:
        """The fact that sets it going. Its id follows from the attempt: asked twice, it is tried once."""
        attempt = self.fields["attempt"]
        identity = hashlib.sha256(f"retry\x1f{self.delivery_id}\x1f{attempt}".encode()).hexdigest()[:32]
        at = now()
        whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
        fields = {**self.fields, "event_id": identity, "state": "sending", "reason": RETRIED, "at": whole}
        return Outgoing(0, identity, TOPIC, self.fields["alert_id"], KIND, catalogue.encode(KIND, fields))


def given_up(log: Log, catalogue: Catalogue) -> list[GivenUp]:
    """All that stand as given up, oldest first. It reads the whole topic."""
    last: dict[str, Fact] = {}
    for fact in (one for one in facts_of(log, catalogue, TOPIC) if one.kind == KIND):
        # What was delivered after all stays delivered: an attempt in flight may be told after the giving up.
        held = last.get(fact.fields["delivery_id"])
        if held is None or held.fields["state"] != "delivered":
            last[fact.fields["delivery_id"]] = fact
    found = [GivenUp(dict(fact.fields)) for fact in last.values() if fact.fields["state"] == "given_up"]
    return sorted(found, key=lambda one: (one.fields["at"], one.delivery_id))


@app.command()
def failed(as_json: AsJson = False) -> None:
    """What nobody could be told, with the reason of the last attempt. Exit codes: 0 shown; 1 no hub answers."""
    try:
        with running_hub() as hub:
            held = given_up(hub.log, hub.catalogue)
    except (SpineError, FileNotFoundError) as error:
        fail(str(error), as_json=as_json, code=FAILED)
    rows = [{name: one.fields[name] for name in COLUMNS} for one in held]
    if as_json:
        show_json(rows)
    else:
        show_table("Given up", COLUMNS, [list(row.values()) for row in rows])


@app.command()
def retry(
    delivery: Annotated[str, typer.Argument(help="Id of one delivery; without it all that were given up.")] = "",
    as_json: AsJson = False,
) -> None:
    """Try once more, at once, under the same reference; after a mended address or receiver. Asking twice tries once.

    Exit codes: 0 asked; 1 no hub answers, or no delivery that was given up has this id.
    """
    try:
        with running_hub() as hub:
            held: Sequence[GivenUp] = given_up(hub.log, hub.catalogue)
            chosen = [one for one in held if not delivery or one.delivery_id == delivery]
            if delivery and not chosen:
                fail("no delivery that was given up has this id: see `hub deliveries failed`", as_json=as_json)
            hub.log.append([one.again(hub.catalogue) for one in chosen])
    except (SpineError, FileNotFoundError) as error:
        fail(str(error), as_json=as_json, code=FAILED)
    if as_json:
        show_json({"retried": [one.delivery_id for one in chosen]})
    else:
        typer.echo(f"{len(chosen)} tried again; `hub deliveries failed` shows what remains")
