"""``hub publish``: a partner's file of events through the client to the door."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer

from hub.client import Client, Misused, NotAllowed, Patience, Receipt, Unavailable
from hub.client.door import Check
from hub.client.faults import Answer
from hub.output import DONE, FAILED, HALTED, USAGE, AsJson, fail, plain, show_json

Door = Annotated[str, typer.Option(envvar="HUB_DOOR", help="Address of the door, https://…")]
Party = Annotated[str, typer.Option(envvar="HUB_PARTY", help="Who you are: the source of your events.")]
KeyFile = Annotated[Path | None, typer.Option(help="File that holds the API key; default: the key in HUB_API_KEY.")]


#: What came of a run so far: counts, and the refusals with every fault.
Ran = dict[str, Any]


class FileWrong(Exception):
    """The file can not be read as events; the text says where, never what."""


def publish(
    file: Annotated[str, typer.Argument(help="Events: JSON lines, one JSON event, or a JSON list; - reads the input.")],
    door: Door = "",
    party: Party = "",
    key_file: KeyFile = None,
    check: Annotated[str, typer.Option(help="Before sending: local, door (all or nothing), or none.")] = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask what the gate would say.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what the hub makes of them.")] = 0.0,
    patience: Annotated[float, typer.Option(help="Seconds to go on while the door says not now.")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Send a file of events. Sending the same file again is safe: nothing is taken twice.

    Exit 0: all taken (with --wait: all accepted; with --dry-run: all valid). 1: something was refused, and every fault
    is listed. 2: wrong usage, or no file of events. 3: the door does not answer; run the same again. What was taken and
    what was refused until then is told with 2 and 3, too.
    """
    if check not in ("none", "local", "door"):
        fail("--check is local, door or none", as_json=as_json, code=USAGE)
    ran: Ran = {}
    try:
        with client(door, party, key_file, patience) as hub, opened(file) as source:
            if dry_run:
                _try(hub, source, ran)
            else:
                _send(hub, source, cast(Check, check), wait, ran)
    except (FileWrong, Misused, NotAllowed) as wrong:
        _stop(ran, str(wrong), USAGE, as_json)
    except Unavailable as away:
        _stop(ran, str(away), HALTED, as_json)
    show_json(ran) if as_json else typer.echo(plain("\n".join(_text(ran))))
    raise typer.Exit(FAILED if ran["refused"] or ran.get("undecided") else DONE)


def _stop(ran: Ran, why: str, code: int, as_json: bool) -> NoReturn:
    """Say why it ended, and what had come of it by then."""
    if ran and as_json:
        show_json({"error": why, **ran})
        raise typer.Exit(code)
    if ran:
        typer.echo(plain("\n".join(_text(ran))))
    fail(why, as_json=as_json, code=code)


def client(door: str, party: str, key_file: Path | None, patience_seconds: float) -> Client:
    """A client from what the command line and the environment say. Raises Misused."""
    if not door or not party:
        raise Misused("give --door and --party, or HUB_DOOR and HUB_PARTY")
    try:
        key = key_file.read_text().strip() if key_file else os.environ.get("HUB_API_KEY", "")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"the key file can not be read: {type(error).__name__}") from None
    if not key:
        raise Misused("give the key in a file (--key-file) or in HUB_API_KEY; never on the command line")
    return Client(door, key, party, patience=Patience(total_seconds=patience_seconds))


@contextmanager
def opened(file: str) -> Iterator[TextIO]:
    if file == "-":
        yield sys.stdin
        return
    try:
        with Path(file).open(encoding="utf-8-sig") as source:
            yield source
    except FileNotFoundError:
        raise FileWrong(f"there is no file {Path(file).name}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileWrong(f"{Path(file).name} can not be read: {type(error).__name__}") from None


def events_of(source: TextIO) -> Iterator[dict[str, Any]]:
    """The events of a file. JSON lines are read one at a time; a list or one written over lines is read whole."""
    first = source.readline()
    while first and not first.strip():
        first = source.readline()
    if first.lstrip().startswith("[") or not _is_json(first):
        yield from _whole(first + source.read())
        return
    for number, line in enumerate([first], start=1):
        yield _event(line, f"line {number}")
    for number, line in enumerate(source, start=2):
        if line.strip():
            yield _event(line, f"line {number}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(text: str) -> Iterator[dict[str, Any]]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise FileWrong("the file is neither JSON lines nor one JSON document") from None
    for number, event in enumerate(read if isinstance(read, list) else [read], start=1):
        if not isinstance(event, dict):
            raise FileWrong(f"entry {number} of the list is no event")
        yield event


def _event(line: str, where: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise FileWrong(f"{where} is no event; lines before it may have been sent: mend it and run the same again")
    return read


def _try(hub: Client, source: TextIO, ran: Ran) -> None:
    verdicts = hub.validate(events_of(source))
    refused = [asdict(v) for v in verdicts if not v.valid]
    dropped = sorted({name for v in verdicts for name in v.dropped})
    ran |= {"valid": len(verdicts) - len(refused), "refused": refused, "dropped": dropped}


def _send(hub: Client, source: TextIO, check: Check, wait: float, ran: Ran) -> None:
    """Answers go into ``ran`` as they come: what ends this early takes none of them away."""
    taken: list[str] = []
    ran |= {"taken": 0, "refused": []}
    for answer in _answers(hub, source, check):
        if answer.taken:
            taken.append(answer.id)
            ran["taken"] += 1
        else:
            ran["refused"].append(asdict(answer))
    if wait > 0 and taken:
        ran |= {"accepted": 0, "undecided": len(set(taken))}
        receipts = hub.wait(taken, seconds=wait)
        ran |= _decided(taken, receipts)
        ran["refused"] += [asdict(r) for r in receipts.values() if r.state == "refused"]


def _answers(hub: Client, source: TextIO, check: Check) -> Iterator[Answer]:
    if check != "door":
        yield from hub.stream(events_of(source), check=_without_door(check))
        return
    try:
        yield from hub.publish(events_of(source), check=check).answers
    except (Unavailable, NotAllowed) as ended:
        yield from ended.report.answers
        raise


def _without_door(check: Check) -> Any:
    return "none" if check == "none" else "local"


def _decided(taken: list[str], receipts: dict[str, Receipt]) -> dict[str, int]:
    accepted = sum(receipt.state == "accepted" for receipt in receipts.values())
    decided = sum(receipt.decided for receipt in receipts.values())
    return {"accepted": accepted, "undecided": len(set(taken)) - decided}


def _text(ran: dict[str, Any]) -> list[str]:
    counts = [f"{n} {word}" for word, n in ran.items() if isinstance(n, int)]
    out = [", ".join([*counts, f"{len(ran['refused'])} refused"])]
    for entry in ran["refused"]:
        out.append(f"{entry['id'] or 'event ' + str(entry.get('index', '?'))}: {entry['reason']}")
        out += [f"  {f['pointer'] or '/'} {f['code']}: {f['message']}" for f in entry["faults"]]
    if ran.get("dropped"):
        out.append("the agreement would drop: " + ", ".join(ran["dropped"]))
    return out
