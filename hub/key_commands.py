"""``hub keys``: partners' API keys, given, changed and taken back while the door runs."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from hub import key_file
from hub.key_file import KeyFault, Made
from hub.layout import Home, contracts_folder
from hub.output import USAGE, AsJson, fail, show_json, show_table
from spine.clock import local_date, now
from spine.who.keys import KeyEntry
from spine.who.principal import ANSWERS, MODES, REDRIVE, SCOPES, Mode, Scope

#: How long an old key counts after a rotation, if nothing is said; and how long a sandbox key lives.
KEEP_DAYS, SANDBOX_DAYS = 14, 30
NAMED: frozenset[Scope] = SCOPES | {ANSWERS, REDRIVE}

app = typer.Typer(help="API keys of partners.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--file", help="The door's file of keys; default HUB_API_KEYS, or this hub's.")
]
KeyId = Annotated[str, typer.Argument(help="Name of the key, as `hub keys list` shows it.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which the key counts.")]


@app.command("list")
def list_keys(
    party: Annotated[str, typer.Option(help="Only this party's.")] = "", file: File = None, as_json: AsJson = False
) -> None:
    """Every key by name: whose, live, test or sandbox, until when; never the key. Exit 0, or 1 for a bad file."""
    today = local_date(now())
    try:
        entries = [entry for entry in key_file.read(_path(file)) if party in ("", entry.party)]
    except KeyFault as fault:
        fail(str(fault), as_json=as_json)
    rows = [_shown(entry, today) for entry in entries]
    if as_json:
        show_json(rows)
    else:
        show_table("API keys", ["party", "key", "mode", "scopes", "until", "state"], [tuple(r.values()) for r in rows])


@app.command()
def add(
    party: Annotated[str, typer.Option(help="Whose, as in contracts/parties.yaml.")],
    mode: Annotated[str, typer.Option(help="live, test or sandbox.")] = "live",
    scope: Annotated[
        list[str] | None, typer.Option(help="events:write, receipts:read, answers:read, refusals:redrive; repeat.")
    ] = None,
    until: Day = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it this once. A sandbox key ends after 30 days if nothing else is said.

    A running door knows it within seconds. Exit 0 when made, 1 for a bad file, 2 for wrong usage.
    """
    today = local_date(now())
    chosen, scopes = _mode(mode, as_json), _scopes(scope, as_json)
    _known_party(party, as_json)
    ends = _ends(chosen, until, today, as_json)
    try:
        made = key_file.add(_path(file), party, chosen, scopes, ends)
    except (KeyFault, OSError) as fault:
        fail(str(fault), as_json=as_json)
    _show_made(made, today, {}, as_json)


@app.command()
def rotate(
    key_id: KeyId,
    keep_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of the old key; default 14 days from now.")
    ] = None,
    until: Day = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that follows another one, which still counts for a while: the partner changes over without a gap.

    Exit 0 when made, 1 if there is no such key or it no longer counts, 2 for wrong usage.
    """
    today = local_date(now())
    ends = keep_until.date() if keep_until else today + timedelta(days=KEEP_DAYS)
    if ends < today:
        fail(f"{ends} is over: to end a key now, revoke it", as_json=as_json, code=USAGE)
    try:
        mode = next((entry.mode for entry in key_file.read(_path(file)) if entry.key_id == key_id), "live")
        made = key_file.rotate(_path(file), key_id, ends, _ends(mode, until, today, as_json), today)
    except (KeyFault, OSError) as fault:
        fail(str(fault), as_json=as_json)
    _show_made(made, today, {"replaces": key_id, "old_counts_until": ends.isoformat()}, as_json)


@app.command()
def revoke(key_id: KeyId, file: File = None, as_json: AsJson = False) -> None:
    """Take a key back: a running door refuses it within seconds. Exit 0 when revoked, 1 if there is no such key."""
    today = local_date(now())
    try:
        gone = key_file.revoke(_path(file), key_id, today)
    except (KeyFault, OSError) as fault:
        fail(str(fault), as_json=as_json)
    if as_json:
        show_json(_shown(gone, today))
    else:
        typer.echo(f"{key_id} of {gone.party} counts no longer.")


def _path(file: Path | None) -> Path:
    return file or Path(os.environ.get("HUB_API_KEYS") or Home.of_environment().api_keys)


def _ends(mode: str, until: datetime | None, today: date, as_json: bool) -> date | None:
    if until is None:
        return today + timedelta(days=SANDBOX_DAYS) if mode == "sandbox" else None
    if until.date() < today:
        fail(f"{until.date()} is over", as_json=as_json, code=USAGE)
    return until.date()


def _mode(text: str, as_json: bool) -> Mode:
    for mode in MODES:
        if mode == text:
            return mode
    fail(f"a mode is one of {', '.join(MODES)}", as_json=as_json, code=USAGE)


def _scopes(words: list[str] | None, as_json: bool) -> frozenset[Scope]:
    chosen = frozenset(scope for scope in NAMED if scope in (words or SCOPES))
    if words and len(chosen) != len(set(words)):
        fail(f"scopes are {', '.join(sorted(NAMED))}", as_json=as_json, code=USAGE)
    return chosen


def _known_party(party: str, as_json: bool) -> None:
    known = YAML(typ="safe").load(contracts_folder() / "parties.yaml")["parties"]
    if party not in known:
        fail(f"{party} is not in parties.yaml; there are: {', '.join(sorted(known))}", as_json=as_json, code=USAGE)


def _show_made(made: Made, today: date, more: dict[str, str], as_json: bool) -> None:
    shown = _shown(made.entry, today)
    if as_json:
        show_json({**shown, **more, "api_key": made.key})
        return
    typer.echo(f"{shown['key_id']} of {shown['party']}, {shown['mode']}, until {shown['until'] or 'it is revoked'}:")
    typer.echo(made.key)
    typer.echo("It is shown this once. Hand it over on a way that is not the one of its events.", err=True)
    if more:
        typer.echo(f"{more['replaces']} counts until {more['old_counts_until']}.", err=True)


def _shown(entry: KeyEntry, today: date) -> dict[str, Any]:
    over = entry.expires_on is not None and entry.expires_on < today
    return {
        "party": entry.party,
        "key_id": entry.key_id,
        "mode": entry.mode,
        "scopes": " ".join(sorted(entry.scopes)),
        "until": entry.expires_on.isoformat() if entry.expires_on else "",
        "state": "revoked" if entry.revoked_on else "expired" if over else "counts",
    }
