"""``hub quarantine``: refused submissions that wait. Reasons and counts are shown, content never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from hub.heads import NotAllowed
from hub.output import DONE, FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.quarantine.refused import Chosen, Waiting, classes, one_of, redrive, refusals, rehearse
from hub.running import RunningHub, running_hub, sealer_at_hand, where
from hub.subject import approvals
from hub.subject.officers import officers_at_hand
from hub.subject.operations import note
from hub.subject.registers import registers
from hub.subject.rules_of_two import rules_of_two
from services.ingest.agent import Gates, Opener
from services.ingest.gate import Gate
from spine import traces
from spine.clock import now
from spine.errors import SpineError
from spine.seal import SealBroken

app = typer.Typer(help="Refused submissions that wait, sealed.", no_args_is_help=True)

REDRIVE = "redrive"

Reason = Annotated[str, typer.Option("--class", help="Only this class: invalid, not_in_agreement, suspended, …")]
Party = Annotated[str, typer.Option(help="Only what this party sent.")]
Event = Annotated[str, typer.Option(help="Only this event type.")]


@app.command("list")
def list_(reason: Reason = "", party: Party = "", event: Event = "", as_json: AsJson = False) -> None:
    """How many refusals stand, by class, party and event type. Exit codes: 0 shown; 1 no hub answers; 2 wrong usage."""
    with _hub(as_json) as hub:
        held = refusals(hub.log, hub.catalogue, hub.ingest, Chosen(reason, party, event))
    columns = ("class", "party", "event", "state", "count", "oldest")
    rows = classes(held)
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table("Quarantine", columns, rows)


@app.command()
def show(
    ref: Annotated[str, typer.Argument(help="Reference of one refusal; without it all that are chosen.")] = "",
    reason: Reason = "",
    party: Party = "",
    event: Event = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Refusals one by one: reference, message id, reasons, attempts; nothing of what was sent.

    Exit codes: 0 shown; 1 no hub answers, or no refusal has this reference; 2 wrong usage.
    """
    with _hub(as_json) as hub:
        held = _held(hub, Chosen(reason, party, event), ref, as_json)
    rows = [_shown(one) for one in held[-limit:]]
    if as_json:
        show_json(rows)
    else:
        columns = ("ref", "party", "message_id", "event", "class", "state", "attempt", "received_at", "faults")
        told = [[*(row[name] for name in columns[:-1]), "; ".join(row["faults"])] for row in rows]
        show_table("Refusals", columns, told)


@app.command("redrive")
def redrive_(
    ref: Annotated[str, typer.Argument(help="Reference of one refusal; without it all that are chosen.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks, or approves.")] = "",
    approve: Annotated[bool, typer.Option("--approve", help=approvals.APPROVE)] = False,
    reason: Reason = "",
    party: Party = "",
    event: Event = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would now be accepted; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring what waits before the gate again, after a fix. Asking twice redrives once.

    Many at once (contracts/policy/governance.yaml says how many) are asked for by one person, and redriven when
    another approves of the same choice.
    Exit codes: 0 done, or asked; 1 no hub answers, or no refusal has this reference; 2 wrong usage, nobody has asked,
    or the same person approves.
    """
    if not dry_run and not by.strip():
        fail("say who asks: --by NAME", as_json=as_json, code=USAGE)
    chosen = Chosen(reason, party, event)
    with _hub(as_json) as hub:
        held = _held(hub, chosen, ref, as_json)
        gate = _gate(hub)
        if dry_run:
            _rehearse(hub, held, gate, as_json)
            return
        people = by.strip()
        many = sum(one.state == "waits" for one in held) > rules_of_two(hub.contracts).redrive_alone_max
        if approve or many:
            agreed = _two(hub, chosen, by, approve, as_json)
            if agreed is None:
                return
            people = agreed
        traces.begin("redrive")
        try:
            sent = redrive(hub.log, hub.catalogue, held, people, now(), gate.stand)
        finally:
            traces.end()
        if many:
            note(where().postgres, "redrive", {"class": reason, "party": party, "event": event, "sent": len(sent)})
    show_json({"redriven": len(sent), "by": people}) if as_json else typer.echo(
        f"{len(sent)} redriven; `hub quarantine list` shows what remains"
    )
    raise typer.Exit(DONE)


def _two(hub: RunningHub, chosen: Chosen, by: str, approve: bool, as_json: bool) -> str | None:
    """Both names once another approves; None after asking. The approval is for this choice of refusals only."""
    what = f"class={chosen.reason} party={chosen.party} event={chosen.event}"
    valid = rules_of_two(hub.contracts).valid
    try:
        officers = officers_at_hand(hub.contracts)
        with registers(where().postgres) as engine, engine.begin() as connection:
            if approve:
                request = approvals.approve(connection, officers, REDRIVE, what, by, now())
                # Before it is sent: sent twice it is judged once, and an approval must not be left over.
                approvals.done(connection, request.number, now())
                return f"{request.asked_by}+{request.approved_by}"
            request = approvals.ask(connection, officers, REDRIVE, what, by, now(), valid)
    except NotAllowed as error:
        fail(str(error), as_json=as_json, code=USAGE)
    if as_json:
        show_json({"request": request.number, "asked_by": request.asked_by, "expires_at": request.expires_at})
    else:
        typer.echo(approvals.in_words(request, "hub quarantine redrive (with the same choice)"))
    return None


def _held(hub: RunningHub, chosen: Chosen, ref: str, as_json: bool) -> list[Waiting]:
    """What waits and is meant: all that are chosen, or the one of this reference."""
    held = list(refusals(hub.log, hub.catalogue, hub.ingest, chosen))
    if not ref:
        return held
    one = one_of(held, ref)
    if one is None:
        fail("no single refusal has this reference", as_json=as_json)
    return [one]


def _gate(hub: RunningHub) -> Gate:
    return Gates(hub.catalogue, hub.contracts).under(hub.heads.current())


def _rehearse(hub: RunningHub, held: Sequence[Waiting], gate: Gate, as_json: bool) -> None:
    opener = Opener(sealer_at_hand(), hub.catalogue)
    try:
        verdicts = list(rehearse(held, opener, gate, now()))
    except SealBroken:
        fail("the sealing key does not open what waits: set HUB_SEAL_KEY_FILE to the hub's key", as_json=as_json)
    counted = Counter((one.party, one.fields["type"], said, ", ".join(codes)) for one, said, codes in verdicts)
    columns = ("party", "event", "would be", "because", "count")
    rows = [(*key, number) for key, number in sorted(counted.items())]
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table("If redriven now", columns, rows)


def _shown(one: Waiting) -> dict[str, Any]:
    fields = one.fields
    return {
        "ref": one.ref,
        "party": one.party,
        "message_id": fields["message_id"],
        "event": fields["type"],
        "class": fields["reason"],
        "state": one.state,
        "attempt": fields["attempt"],
        "received_at": fields["received_at"],
        "agreement": fields["agreement"],
        "faults": [f"{found['pointer'] or '/'} {found['code']}" for found in fields["faults"]],
    }


@contextmanager
def _hub(as_json: bool) -> Iterator[RunningHub]:
    try:
        with running_hub() as hub:
            yield hub
    except (SpineError, FileNotFoundError) as error:
        fail(str(error), as_json=as_json, code=FAILED)
