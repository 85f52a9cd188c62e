"""``hub deliveries``: tellings that were given up, as a worklist, and sending again. They name nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from hub.moments import moment
from hub.output import FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.running import running_hub
from hub.whole_topic import facts_of
from services.alerts.delivery.decide import KIND, RETRIED, TOPIC, named
from spine.clock import now
from spine.errors import SpineError
from spine.log import Log
from spine.record import Fact, Outgoing
from spine.schema import Catalogue

COLUMNS = ("delivery_id", "role", "team", "worker", "rule", "act", "severity", "channel", "attempt", "reason", "at")

app = typer.Typer(help="Tellings that were given up, and trying them again.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery whose last word on the log is that it was given up, or delivered."""

    fields: dict[str, Any]

    @property
    def delivery_id(self) -> str:
        return str(self.fields["delivery_id"])

    @property
    def recipient(self) -> str:
        return named(self.fields["worker"], self.fields["team"], self.fields["role"])

    def again(self, catalogue: Catalogue) -> Outgoing:
        """The fact that sets it going. Its id follows from the attempt: asked twice, it is tried once."""
        attempt = self.fields["attempt"]
        identity = hashlib.sha256(f"retry\x1f{self.delivery_id}\x1f{attempt}".encode()).hexdigest()[:32]
        at = now()
        whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
        fields = {**self.fields, "event_id": identity, "state": "sending", "reason": RETRIED, "at": whole}
        return Outgoing(0, identity, TOPIC, self.fields["alert_id"], KIND, catalogue.encode(KIND, fields))


def ended(log: Log, catalogue: Catalogue, *states: str) -> list[Ended]:
    """All that stand in one of these states, oldest first. It reads the whole topic."""
    last: dict[str, Fact] = {}
    for fact in (one for one in facts_of(log, catalogue, TOPIC) if one.kind == KIND):
        held = last.get(fact.fields["delivery_id"])
        if held is None or _follows(held, fact):
            last[fact.fields["delivery_id"]] = fact
    found = [Ended(dict(fact.fields)) for fact in last.values() if fact.fields["state"] in states]
    return sorted(found, key=lambda one: (one.fields["at"], one.delivery_id))


def _follows(held: Fact, fact: Fact) -> bool:
    """What was delivered stays delivered, an attempt in flight may be told after it; but a person may send it again."""
    if held.fields["state"] != "delivered":
        return True
    state, attempt = str(fact.fields["state"]), int(fact.fields["attempt"])
    return state == "delivered" or (state == "sending" and attempt >= int(held.fields["attempt"]))


def given_up(log: Log, catalogue: Catalogue) -> list[Ended]:
    """The worklist of ``hub deliveries failed``."""
    return ended(log, catalogue, "given_up")


def taken(log: Log, catalogue: Catalogue, recipient: str, since: datetime) -> list[Ended]:
    """What ``recipient`` (worker:…, team:… or role:…) took by a message since then. The inbox loses nothing."""
    return [
        one
        for one in ended(log, catalogue, "delivered")
        if one.fields["channel"] != "inbox" and one.fields["at"] >= since and one.recipient == recipient
    ]


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
            held: Sequence[Ended] = given_up(hub.log, hub.catalogue)
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


@app.command()
def resend(
    recipient: Annotated[str, typer.Argument(help="Who lost what they took: worker:…, team:… or role:….")],
    since: Annotated[str, typer.Option(help="From when on: a day or a moment, London's unless it says otherwise.")],
    as_json: AsJson = False,
) -> None:
    """Send again what a receiver took (a webhook's above all) and lost; under ids of the deliveries that it knows.

    Exit codes: 0 asked; 1 no hub answers, or nothing was taken since then; 2 the recipient or the moment is none.
    """
    kind, _, name = recipient.partition(":")
    if kind not in ("worker", "team", "role") or not name:
        fail("write the recipient as worker:…, team:… or role:…", as_json=as_json, code=USAGE)
    try:
        start = moment(since if len(since) > 10 else f"{since}T00:00:00")
    except ValueError:
        fail("write --since as 2026-11-26 or 2026-11-26T14:30", as_json=as_json, code=USAGE)
    try:
        with running_hub() as hub:
            chosen = taken(hub.log, hub.catalogue, recipient, start)
            if not chosen:
                fail("this recipient took nothing since then: see --since", as_json=as_json)
            hub.log.append([one.again(hub.catalogue) for one in chosen])
    except (SpineError, FileNotFoundError) as error:
        fail(str(error), as_json=as_json, code=FAILED)
    if as_json:
        show_json({"resent": [one.delivery_id for one in chosen]})
    else:
        typer.echo(f"{len(chosen)} sent again")
