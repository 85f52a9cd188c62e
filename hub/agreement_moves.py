"""``hub contracts release | suspend | resume | diff | render``: the agreements of a running hub, moved by people."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from hub import sharing
from hub.agreement_checks import errors_in
from hub.agreement_pages import pages
from hub.heads import Move, NotAllowed
from hub.layout import contracts_folder
from hub.machine.ports import wait_until
from hub.output import DONE, FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.policy_diff import differences, in_words, overlaps
from hub.quarantine.refused import Chosen, gate_has_seen, redrive, refusals
from hub.running import RunningHub, Where, head_in_force, running_hub, where
from hub.subject import approvals
from hub.subject.officers import officers_at_hand
from hub.subject.operations import note
from hub.subject.registers import registers
from hub.subject.rules_of_two import rules_of_two
from services.ingest.processor import TOPIC
from spine.clock import local_date, now
from spine.errors import SpineError
from spine.headed import Head, read_policy

REDRIVE = "`hub quarantine redrive --class suspended --by NAME`"
RESUME = "resume"
EVENTS_NAMED_MAX = 3
SEEN_SECONDS_MAX, SEEN_LOOK_SECONDS = 30, 0.2

By = Annotated[str, typer.Option("--by", help="Who asks, for the record.")]
Because = Annotated[str, typer.Option(help="Why, about the agreement and never about a person.")]
What = Annotated[str, typer.Argument(help="An agreement by its id (isa-2024-011), or a party (northvale-college).")]
Contracts = Annotated[Path | None, typer.Option(help="Folder of contracts; default HUB_CONTRACTS or the repository's.")]


def release_compiled(at: Where, by: str = "hub up") -> Head:
    """Build what is stale and put it in force on the log of a running hub. The same policy again is no move.

    Raises NotAllowed where the files have errors.
    """
    policy = _compiled()
    with running_hub(at) as hub:
        return hub.heads.release(policy, Move("moved", by, now()))


def release(by: By = "", because: Because = "", as_json: AsJson = False) -> None:
    """Put the agreements as they stand in the files in force on the running hub; suspensions stay.

    Exit codes: 0 in force; 1 no hub answers, or the files have errors; 2 wrong usage.
    """
    try:
        policy = _compiled()
        with running_hub() as hub:
            head = hub.heads.release(policy, Move("moved", by or getpass.getuser(), now(), because=because))
    except (SpineError, NotAllowed) as error:
        fail(str(error), as_json=as_json)
    _say(head, 0, as_json)


def _compiled() -> str:
    """The policy that the files compile to. What `hub contracts check` rejects is never put in force."""
    if errors := errors_in(contracts_folder(), local_date(now())):
        raise NotAllowed(f"the agreements have {len(errors)} errors; see hub contracts check")
    return sharing.ensure_built(contracts_folder())


def suspend(what: What, by: By, because: Because = "", as_json: AsJson = False) -> None:
    """Stop an agreement, or all that a party tells, on the running hub. Takes effect within seconds.

    What comes in meanwhile waits sealed; what stands open and relied on it is pulled back.
    Exit codes: 0 suspended; 1 no hub answers; 2 wrong usage, or no such agreement or party.
    """
    try:
        with running_hub() as hub:
            _released(hub)
            head = hub.heads.suspend(Move("suspended", _named(by), now(), what, None, because), _content(hub))
    except NotAllowed as error:
        fail(str(error), as_json=as_json, code=USAGE)
    except SpineError as error:
        fail(f"{error}; run the command again", as_json=as_json)
    _say(head, 0, as_json)


def resume(
    what: What,
    by: By,
    approve: Annotated[bool, typer.Option("--approve", help=approvals.APPROVE)] = False,
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Lift a suspension. One person asks, another approves; what waited because of it is redriven.

    Exit codes: 0 asked, or resumed; 1 no hub answers, or its gate has not read the move within half a minute; 2 wrong
    usage, not suspended, nobody has asked, or the same person approves.
    """
    try:
        with running_hub() as hub, registers(where().postgres) as engine:
            if not approve:
                _ask(hub, engine, what, _named(by), as_json)
                return
            head, people = _resumed(hub, engine, what, _named(by), because)
            # What arrived before the move and is judged after this look would wait on: ingest must be past it first.
            seen = wait_until(lambda: _gate_is_past(hub, head), SEEN_SECONDS_MAX, SEEN_LOOK_SECONDS)
            sent = redrive_waiting(hub, what, people)
    except NotAllowed as error:
        fail(str(error), as_json=as_json, code=USAGE)
    except SpineError as error:
        fail(f"{error}; run the command again, or when it says that nothing is suspended, {REDRIVE}", as_json=as_json)
    if not seen:
        late = f"the gate has not read the move yet; when it has, {REDRIVE}"
        fail(f"resumed, and {sent} redriven, but {late}", as_json=as_json)
    _say(head, sent, as_json)


def _ask(hub: RunningHub, engine: sa.Engine, what: str, by: str, as_json: bool) -> None:
    hub.heads.suspended(what, _content(hub))
    with engine.begin() as connection:
        valid = rules_of_two(hub.contracts).valid
        request = approvals.ask(connection, officers_at_hand(hub.contracts), RESUME, what, by, now(), valid)
    if as_json:
        show_json({"request": request.number, "asked_by": request.asked_by, "expires_at": request.expires_at})
    else:
        typer.echo(approvals.in_words(request, f"hub contracts resume {what}"))


def _resumed(hub: RunningHub, engine: sa.Engine, what: str, by: str, because: str) -> tuple[Head, str]:
    """The head after the move, and both names. An approval is used up, also where the move was made already."""
    with engine.begin() as connection:
        request = approvals.approve(connection, officers_at_hand(hub.contracts), RESUME, what, by, now())
    second = request.approved_by or by
    try:
        head = hub.heads.resume(Move("resumed", request.asked_by, now(), what, second, because), _content(hub))
    except NotAllowed:
        with engine.begin() as connection:
            approvals.done(connection, request.number, now())
        raise
    with engine.begin() as connection:
        approvals.done(connection, request.number, now())
    about = {"act": "resumed", "what": what, "head": head.number, "request": request.number}
    note(where().postgres, "agreement_change", about)
    return head, f"{request.asked_by}+{second}"


def _gate_is_past(hub: RunningHub, head: Head) -> bool:
    return gate_has_seen(head, hub.ingest, hub.log.partitions(TOPIC))


def redrive_waiting(hub: RunningHub, what: str, by: str) -> int:
    """Redrive what was refused as suspended under ``what``. How many were sent."""
    held = refusals(hub.log, hub.catalogue, hub.ingest, Chosen("suspended"))
    meant = [one for one in held if what in (one.party, str(one.fields["agreement"]).partition("@")[0])]
    head = hub.heads.current()
    stand = head.name if head else ""
    return len(redrive(hub.log, hub.catalogue, meant, by, now(), stand))


def diff(
    old: Annotated[
        str,
        typer.Argument(help="Policy by the beginning of its hash; default: what the running hub has, or last built."),
    ] = "",
    new: Annotated[str, typer.Argument(help="Likewise; default: what the files compile to now.")] = "",
    contracts: Contracts = None,
    as_json: AsJson = False,
) -> None:
    """What one compiled policy lets pass or show that another does not, per party, event, field and role.

    And where two agreements of the new one cover the same on the same days: which of them counts.
    Exit codes: 0 shown; 1 no such policy; 2 wrong usage.
    """
    folder = contracts or contracts_folder()
    # Many commands build what is stale: what was built last need not be what the hub judges by.
    old = old or ("" if contracts else _policy_in_force())
    before, after = _policy(folder, old, as_json), _policy(folder, new, as_json, files=not new)
    masks = sharing.read_yaml(folder / "policy" / "policy.yaml")["masks"]
    found, double = differences(before, after, masks), overlaps(after)
    if as_json:
        show_json([asdict(one) for one in (*found, *double)])
        return
    widens = sum(one.direction == "widens" for one in found)
    rows = [(one.direction, one.party, one.event, one.role or "(may send)", in_words(one)) for one in found]
    show_table("What changes", ("", "party", "event", "role", "what"), rows)
    typer.echo(f"{widens} widen, {len(found) - widens} narrow or change" if found else "no difference")
    for one in double:
        events = one.event.split(", ")
        what = one.event if len(events) <= EVENTS_NAMED_MAX else f"{len(events)} event types"
        typer.echo(f"overlap: {one.party}, {what}: {one.condition}")


def render(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("agreements-html"),
    contracts: Contracts = None,
    as_json: AsJson = False,
) -> None:
    """Write one page for each agreement, and an index, for officers to read in a browser.

    Exit codes: 0 written; 1 the folder can't be written; 2 wrong usage.
    """
    folder = contracts or contracts_folder()
    made = pages(sharing.read_sources(folder), local_date(now()))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (out / name).write_text(text)
    except OSError as error:
        fail(f"{out}: {error.strerror}", as_json=as_json)
    show_json({"pages": len(made), "folder": str(out)}) if as_json else typer.echo(f"{len(made)} pages in {out}")
    raise typer.Exit(DONE)


def _named(by: str) -> str:
    if not by.strip():
        raise NotAllowed("say who asks: --by NAME")
    return by


def _released(hub: RunningHub) -> None:
    """A hub whose head was never moved starts from what is built."""
    if hub.heads.current() is None:
        hub.heads.release(sharing.ensure_built(hub.contracts), Move("moved", "hub contracts", now()))


def _content(hub: RunningHub) -> Mapping[str, Any]:
    head = hub.heads.current()
    if head is None:
        raise NotAllowed("nothing was ever suspended on this hub")
    read = json.loads(read_policy(hub.contracts, head.policy))
    assert isinstance(read, dict)
    return read


def _policy_in_force() -> str:
    """Hash of the policy that the hub of this machine judges by; empty where none answers."""
    try:
        head = head_in_force()
    except SpineError:
        return ""
    return head.policy if head else ""


def _policy(folder: Path, begins: str, as_json: bool, *, files: bool = False) -> Mapping[str, Any]:
    """Content of a compiled policy: of this hash, of the files as they are, or of the one that was built last."""
    compiled = folder / "compiled"
    if files:
        return sharing.compile_policy(folder).content
    if not begins:
        head = compiled / "head.json"
        if not head.exists():
            fail("nothing was built yet: run `hub contracts build`", as_json=as_json)
        begins = str(json.loads(head.read_bytes())["policy"])
    found = sorted(compiled.glob(f"policy-{begins}*.json")) if begins.isalnum() else []
    if len(found) != 1:
        fail(f"{len(found)} compiled policies begin with {begins}", as_json=as_json, code=FAILED)
    read = json.loads(found[0].read_bytes())
    assert isinstance(read, dict)
    return read


def _say(head: Head, redriven: int, as_json: bool) -> None:
    if as_json:
        show_json({**asdict(head), "redriven": redriven})
        return
    typer.echo(f"head {head.number}: policy {head.policy[:12]}")
    for name in (*head.agreements, *head.parties):
        typer.echo(f"suspended: {name}")
    if redriven:
        typer.echo(f"{redriven} redriven")
