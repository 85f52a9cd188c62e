"""``hub topics``, ``plan`` and ``apply``: the contract shown, compared with a broker, and brought to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from hub import sharing
from hub.layout import Home, contracts_folder
from hub.machine.ports import wait_until
from hub.output import DONE, HALTED, USAGE, AsJson, fail, show_json, show_table
from hub.running import administered, head_kept_at
from hub.topics.broker import Administrator
from hub.topics.contract import read_topics
from hub.topics.plan import Plan, described, make_plan
from hub.topics.rights import Desired, desired
from hub.topics.users import held_or_made, password_file, rotate
from spine.clock import local_date, now
from spine.errors import Halt, Retry, SpineError
from spine.headed import Head, read_policy
from spine.kafka import Broker

#: Exit codes of this command: a difference that a person must decide about, and changes that wait for `apply`.
LEFT, WAITING = HALTED, 4
SETTLE_SECONDS_MAX = 15

app = typer.Typer(help="The topics of the contract, and who may speak on them.", invoke_without_command=True)

Kafka = Annotated[str, typer.Option(help="Broker; default HUB_KAFKA, or this machine's hub. HUB_KAFKA_* say as whom.")]
Accept = Annotated[
    list[str] | None,
    typer.Option(help="A topic whose keys may move, or whose older records may go; again for more."),
]
Foreign = Annotated[bool, typer.Option("--foreign", help="Take others' rights at the hub's topics, too.")]
Mtls = Annotated[bool, typer.Option("--mtls", help="Users come with certificates: keep no SCRAM credentials.")]
Passwords = Annotated[
    Path | None,
    typer.Option(envvar="HUB_KAFKA_PASSWORDS", help="Folder of <user>.password; default kafka-users in HUB_HOME."),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """One run: the administrator's connection, what the contracts want, and under which policy."""

    administrator: Administrator
    wanted: Desired
    policy: str
    head: Head | None
    heads_known: bool
    accept: frozenset[str]
    foreign: bool
    users: bool

    def plan(self) -> tuple[Plan, bool]:
        """The plan as the broker stands, and whether it has an authorizer. Raises Retry, Halt."""
        held = self.administrator.held(self.wanted.topics, users=self.users)
        return make_plan(self.wanted, held, accept=self.accept, foreign=self.foreign), held.rights is not None


@app.callback()
def topics(context: typer.Context, as_json: AsJson = False) -> None:
    """Every topic of the contract: partitions, retention, who writes and reads it.

    Exit codes: 0 shown; 2 wrong usage.
    """
    if context.invoked_subcommand:
        return
    held = read_topics(contracts_folder())
    if as_json:
        shown = ("name", "partitions", "retention_days", "writers", "readers", "input_of")
        show_json([{name: getattr(topic, name) for name in shown} for topic in held])
        return
    rows = [(t.name, t.partitions, t.retention_days, ", ".join(t.writers), ", ".join(t.readers)) for t in held]
    show_table("Topics", ("name", "partitions", "days", "written by", "read by"), rows)


@app.command()
def plan(
    kafka: Kafka = "",
    accept: Accept = None,
    foreign: Foreign = False,
    mtls: Mtls = False,
    as_json: AsJson = False,
) -> None:
    """What `hub topics apply` would change on the broker: topics, rights, users. Changes nothing.

    Exit codes: 0 the broker is as the contracts say; 1 it does not answer, or does not let this user look; 2 wrong
    usage; 3 a difference is left to a person; 4 changes wait for `hub topics apply`.
    """
    try:
        asked = _asked(kafka, accept, foreign=foreign, mtls=mtls)
        made, authorizer = asked.plan()
    except (SpineError, OSError) as error:
        fail(str(error), as_json=as_json)
    _show(asked, made, authorizer, "What would change", {}, as_json)
    raise typer.Exit(LEFT if made.left else WAITING if made.changes else DONE)


@app.command()
def apply(
    kafka: Kafka = "",
    accept: Accept = None,
    foreign: Foreign = False,
    mtls: Mtls = False,
    passwords: Passwords = None,
    rotated: Annotated[
        list[str] | None, typer.Option("--rotate", help="Give this user a new password, in its file; again for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As `hub topics plan`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the broker to the contracts: create topics, give and take rights, make users. A second time: nothing.

    No topic is deleted or made smaller, and no record is lost, unless a person accepts it for that topic.
    New passwords go to private files, <user>.password, and nowhere else.
    Exit codes: 0 the broker is as the contracts say; 1 it does not answer, or refuses; 2 wrong usage; 3 done, but a
    difference is left to a person.
    """
    if dry_run:
        plan(kafka, accept, foreign, mtls, as_json)
    folder = passwords or Home.of_environment().kafka_users
    try:
        asked = _asked(kafka, accept, foreign=foreign, mtls=mtls)
        if unknown := sorted(set(rotated or ()) - asked.wanted.known):
            fail(f"no user of the contracts: {', '.join(unknown)}", as_json=as_json, code=USAGE)
        made, authorizer = asked.plan()
        files = carry_out(asked, made, folder, rotated or [])
        settled = wait_until(lambda: not asked.plan()[0].changes, SETTLE_SECONDS_MAX)
    except (SpineError, OSError) as error:
        fail(str(error), as_json=as_json)
    if not settled:
        fail("the broker took the changes, but does not show them; see `hub topics plan`", as_json=as_json)
    _show(asked, made, authorizer, "What changed", files, as_json)
    raise typer.Exit(LEFT if made.left else DONE)


def carry_out(asked: Asked, made: Plan, folder: Path, users: Sequence[str]) -> dict[str, str]:
    """Make the changes; returns the file of each password that was set. Raises Retry, Halt, OSError."""
    files: dict[str, str] = {}

    def password(user: str) -> str:
        files[user] = str(password_file(folder, user))
        return held_or_made(folder, user)

    asked.administrator.make(made.changes, password)
    for user in users:
        rotate(folder, user, asked.administrator.set_password)
        files[user] = str(password_file(folder, user))
    return files


def bring(where: Broker, contracts: Path, postgres: str, passwords: Path) -> None:
    """What `apply` does, for `hub up`. Raises Retry; Halt where a difference is left to a person."""
    asked = _of(where, contracts, postgres, frozenset(), foreign=False, mtls=False)
    made, _ = asked.plan()
    if made.left:
        raise Halt("; ".join(f"topic {one.name} {one.reason}" for one in made.left))
    carry_out(asked, made, passwords, [])
    if not wait_until(lambda: not asked.plan()[0].changes, SETTLE_SECONDS_MAX):
        raise Retry("the broker took the changes, but does not show them; see `hub topics plan`")


def _asked(kafka: str, accept: list[str] | None, *, foreign: bool, mtls: bool) -> Asked:
    where, postgres = administered()
    if kafka:
        where = replace(where, address=kafka)
    return _of(where, contracts_folder(), postgres, frozenset(accept or ()), foreign=foreign, mtls=mtls)


def _of(where: Broker, contracts: Path, postgres: str, accept: frozenset[str], *, foreign: bool, mtls: bool) -> Asked:
    head = head_kept_at(postgres) if postgres else None
    policy = head.policy if head is not None and head.policy else sharing.ensure_built(contracts)
    content = json.loads(read_policy(contracts, policy))
    wanted = desired(read_topics(contracts), content, head, local_date(now()))
    return Asked(Administrator(where), wanted, policy, head, bool(postgres), accept, foreign, not mtls)


def _show(asked: Asked, made: Plan, authorizer: bool, title: str, files: Mapping[str, str], as_json: bool) -> None:
    rows = [described(change) for change in made.changes]
    foreign = [(right.principal, str(right)) for right in made.foreign]
    if as_json:
        show_json(
            {
                "policy": asked.policy,
                "head": asked.head.number if asked.head else None,
                "suspensions_known": asked.heads_known,
                "authorizer": authorizer,
                "changes": [dict(zip(("action", "kind", "name", "detail"), row, strict=True)) for row in rows],
                "left": [{"name": one.name, "reason": one.reason} for one in made.left],
                "foreign": [{"principal": principal, "right": right} for principal, right in foreign],
                "password_files": dict(files),
            }
        )
        return
    if rows:
        show_table(title, ("", "what", "name", "detail"), rows)
    if foreign:
        show_table("Rights of others at the hub's topics (--foreign takes them)", ("who", "right"), foreign)
    for one in made.left:
        typer.echo(f"left to you: {one.name} {one.reason}")
    for user, path in files.items():
        typer.echo(f"password of {user}: {path}")
    if not authorizer:
        typer.echo("the broker has no authorizer: everybody may do everything, and no right or user was looked at")
    if not asked.heads_known:
        typer.echo("no database is named (HUB_POSTGRES): what `hub contracts suspend` stopped is not known here")
    if not rows and not made.left:
        typer.echo("the broker is as the contracts say")
