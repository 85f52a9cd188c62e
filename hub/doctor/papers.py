"""Keys, agreements, and room on the disk: what ends without anybody doing anything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from ruamel.yaml.error import YAMLError

from hub import key_file, sharing
from hub.backup.erasures import standing_again, unfinished
from hub.doctor.finding import Finding, fault, sound, unseen, warning
from hub.heads import SERVICE, head_kept
from hub.key_file import KeyFault
from hub.running import kek_at_hand
from hub.subject.officers import NotProved, listed_officers
from services.ingest.channels.day_keys import overdue, readable_days
from spine.clock import LONDON
from spine.headed import Head, read_policy
from spine.postgres import PostgresJournal
from spine.telemetry import metrics
from spine.who.keys import KeyEntry

#: A run waits two minutes for the services; after this nobody is at work on it.
ERASURE_MAX = timedelta(hours=1)
KEY_DAYS, AGREEMENT_DAYS = 14, 60
DISK_WARNING, DISK_FAULT = 0.10, 0.03


def kek(postgres: str) -> Iterator[Finding]:
    """Whether the key-encryption key at hand is the one under which keys are wrapped. Raises psycopg.Error."""
    try:
        mine = kek_at_hand().name
    except (ValueError, OSError):
        yield unseen("keys", "no key-encryption key is at hand", "set HUB_KEK_FILE to look, on a machine that holds it")
        return
    with psycopg.connect(postgres, autocommit=True) as connection:
        try:
            held = {str(row[0]) for row in connection.execute("SELECT DISTINCT kek FROM keystore.agency_key")}
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            held = set()
    if strange := held - {mine}:
        what = f"keys are wrapped under {', '.join(sorted(strange))}, and the key at hand is {mine}"
        yield fault("keys", what, "give the services the right HUB_KEK_FILE, or end a rotation: `hub sealing rewrap`")
    else:
        yield sound("keys", "the key-encryption key is the one in use")


def erasures(postgres: str) -> Iterator[Finding]:
    """Whether keys of erased people stand again, and what was begun and not done. Raises psycopg.Error."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        count, waiting = len(standing_again(connection)), unfinished(connection, ERASURE_MAX)
    for erasure_id, person_id, ordered_at, step in waiting:
        what = f"{erasure_id}, ordered on {ordered_at:%Y-%m-%d}, stands at `{step}`: it was stopped, or restored"
        yield warning("erasures", what, f"take it up: `hub erase {person_id} --approve --by NAME`")
    if count:
        what = f"{count} keys of erased people stand again: an older copy of the key store was put back"
        yield fault("erasures", what, "run `hub sealing reapply`, and tell information governance (docs/recovery.md)")
    else:
        yield sound("erasures", "no key of an erased person stands")


def day_keys(postgres: str, contracts: Path, today: date) -> Iterator[Finding]:
    """Whether submissions can be read for longer than they may. Raises psycopg.Error."""
    allowed = readable_days(contracts)
    with psycopg.connect(postgres, autocommit=True) as connection:
        count = overdue(connection, today, allowed)
    if count:
        what = f"the keys of {count} days stand though submissions are to be read for {allowed} days at most"
        yield fault("submissions", what, "look why ingest does not run: it destroys them every hour (docs/sealing.md)")
    else:
        yield sound("submissions", f"none can be read for longer than {allowed} days")


def officers(contracts: Path) -> Iterator[Finding]:
    """Whether it is proved who asks and who approves."""
    try:
        listed = listed_officers(contracts).listed
    except (NotProved, OSError) as error:
        yield fault("officers", str(error), "mend the list: until then nobody can ask or approve")
        return
    if listed:
        yield sound("officers", f"{len(listed)} sign what they ask for and approve")
    else:
        mend = "let two or more make a key, and list them: `hub officers key` (docs/audit.md)"
        yield unseen("officers", "nobody is listed: names given with --by are not proved", mend)


def api_keys(path: Path, today: date) -> Iterator[Finding]:
    if not path.exists():
        yield unseen("API keys", f"{path} is not here", "set HUB_API_KEYS to look, on the door's machine")
        return
    try:
        entries = key_file.read(path)
    except KeyFault as error:
        yield fault("API keys", str(error), "mend the file; until then what it said before stays in force")
        return
    found = list(ending(entries, today))
    yield from found or [sound("API keys", f"{len(entries)}, none about to end")]


def ending(entries: Sequence[KeyEntry], today: date) -> Iterator[Finding]:
    for entry in entries:
        if entry.revoked_on is not None or entry.expires_on is None:
            continue
        newer = any(e.party == entry.party and (e.expires_on or date.max) > entry.expires_on for e in entries)
        if entry.expires_on <= today + timedelta(days=KEY_DAYS) and not newer:
            what = f"{entry.key_id} ends on {entry.expires_on} and {entry.party} has no later one"
            yield warning("API keys", what, f"run `hub keys rotate {entry.key_id}` and hand the new key over")


def agreements(contracts: Path, postgres: str, today: date) -> Iterator[Finding]:
    """Those in force, by the head that the database holds. Raises Retry."""
    try:
        built = sharing.ensure_built(contracts)
    except (AttributeError, KeyError, TypeError, ValueError, YAMLError) as error:
        yield fault("agreements", f"the files do not compile: {type(error).__name__}", "run `hub contracts check`")
        return
    head = _kept(postgres)
    yield from in_force(head, built)
    policy = json.loads(read_policy(contracts, head.policy if head and head.policy else built))
    yield from dated(policy["agreements"], today)


def _kept(postgres: str) -> Head | None:
    """As ``hub.running.head_kept_at``, but makes nothing where nothing is."""
    journal = PostgresJournal(postgres, SERVICE)
    try:
        return head_kept(journal)
    except sa.exc.ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise error.orig from error
        return None
    finally:
        journal.close()


def in_force(head: Head | None, built: str) -> Iterator[Finding]:
    if head is None or not head.policy:
        mend = "run `hub contracts release`: until then the gate lets nothing in"
        yield fault("agreements", "no sharing policy is in force", mend)
        return
    if head.policy != built:
        what = f"{head.policy[:12]} is in force, and the files compile to {built[:12]}"
        yield warning("agreements", what, "run `hub contracts diff`, then `hub contracts release`")
    for name in (*head.agreements, *head.parties):
        yield warning("agreements", f"{name} is suspended", "run `hub contracts resume` when its cause is gone")


def dated(held: Mapping[str, Mapping[str, Any]], today: date) -> Iterator[Finding]:
    mend = "sign a new version, then `hub contracts release`; what comes after the end is refused"
    count = 0
    for name, agreement in sorted(held.items()):
        end = date.fromisoformat(agreement["effective_to"])
        if agreement["status"] != "active":
            continue
        count += 1
        metrics().gauge("hub_agreement_end_timestamp_seconds", _midnight(end), agreement=name)
        if end < today:
            yield fault("agreements", f"{name} ended on {end}", mend)
        elif end <= today + timedelta(days=AGREEMENT_DAYS):
            yield warning("agreements", f"{name} ends on {end}", mend)
    yield sound("agreements", f"{count} active")


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), LONDON).timestamp()


def disk(folders: Sequence[Path]) -> Iterator[Finding]:
    seen: set[int] = set()
    for folder in folders:
        if not folder.exists() or (device := os.stat(folder).st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(folder)
        yield room(folder, usage.free, usage.total)


def room(folder: Path, free: int, total: int) -> Finding:
    part = free / total
    what = f"{part:.0%} ({free / 1e9:.0f} GB) free at {folder}"
    mend = "make room or a larger disk: a full one stops the broker, the database and the doors (docs/runbooks/disk.md)"
    if part < DISK_FAULT:
        return fault("disk", what, mend)
    return warning("disk", what, mend) if part < DISK_WARNING else sound("disk", what)
