"""``hub contracts``: check, build and show the agreements; write the partner schemas from the event catalogue."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import agreement_moves, sharing
from hub.agreement_checks import (
    REVIEW_SOON_DAYS,
    REVIEW_SOON_DAYS_MAX,
    Finding,
    due_for_review,
    errors_in,
    uncovered,
)
from hub.agreement_checks import check as check_agreements
from hub.event_schemas import partner_schemas
from hub.layout import ROOT, contracts_folder, schemas_folder
from hub.output import FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.published import documents as published_documents
from hub.published.sources import read_published
from hub.schema_lint import faults_of
from hub.subject.officers import FILE, LISTED, NotProved, listed_officers
from services.ingest.channels.day_keys import SETTING, readable_days
from spine.clock import local_date, now
from spine.errors import Halt
from spine.who.rate import read_limits

app = typer.Typer(help="Agreements and event schemas.", no_args_is_help=True)
app.command("release")(agreement_moves.release)
app.command("suspend")(agreement_moves.suspend)
app.command("resume")(agreement_moves.resume)
app.command("diff")(agreement_moves.diff)
app.command("render")(agreement_moves.render)

Contracts = Annotated[Path | None, typer.Option(help="Folder of contracts; default HUB_CONTRACTS or the repository's.")]

On = Annotated[str, typer.Option(help="Day to judge dates by, YYYY-MM-DD; default today.")]


@app.command()
def check(
    contracts: Contracts = None,
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Check every agreement against the schema, the event types, the parties and the policy, and the parties' limits.

    Exit 0 no error, warnings or not; 1 an error; 2 wrong usage.
    """
    folder = contracts or contracts_folder()
    day = _day(on, as_json)
    sources = sharing.read_sources(folder)
    found = check_agreements(sources, json.loads((folder / "isa.schema.json").read_bytes()), day)
    gaps = sorted(uncovered(sources))
    found += [*_limits(folder), *_readable(folder), *_officers(folder)]
    errors = [finding for finding in found if finding.level == "error"]
    if as_json:
        show_json({"agreements": len(sources.agreements), "findings": [asdict(f) for f in found], "uncovered": gaps})
    else:
        if found:
            rows = [(f.level, f.file, f.where, f.what) for f in found]
            show_table("Findings", ["level", "file", "where", "what"], rows)
        typer.echo(f"{len(sources.agreements)} agreements, {len(errors)} errors, {len(found) - len(errors)} warnings.")
        for party, event in gaps:
            typer.echo(f"not covered by any agreement: {party} {event}")
    raise typer.Exit(FAILED if errors else 0)


def _limits(folder: Path) -> list[Finding]:
    """Limits of parties that the HTTP door could not read."""
    try:
        read_limits(folder / "parties.yaml")
    except ValueError as fault:
        return [Finding("parties.yaml", "limits", str(fault))]
    return []


def _officers(folder: Path) -> list[Finding]:
    try:
        listed_officers(folder)
    except NotProved as fault:
        return [Finding(FILE, LISTED, str(fault).partition(": ")[2])]
    return []


def _readable(folder: Path) -> list[Finding]:
    """What waits in quarantine must be readable for as long as it waits."""
    topics = sharing.read_yaml(folder / "topics.yaml")["topics"]
    kept = max(int(topics[name]["retention_days"]) for name in ("submissions", "refusals"))
    try:
        days = readable_days(folder)
    except Halt as fault:
        return [Finding("policy/governance.yaml", SETTING, str(fault))]
    what = f"{days} days, and topics keep submissions and refusals for {kept}: write at least {kept}"
    return [Finding("policy/governance.yaml", SETTING, what)] if days < kept else []


@app.command()
def review(
    contracts: Contracts = None,
    on: On = "",
    within: Annotated[
        int, typer.Option(min=0, max=REVIEW_SOON_DAYS_MAX, help="How many days ahead to look.")
    ] = REVIEW_SOON_DAYS,
    as_json: AsJson = False,
) -> None:
    """What an officer has to act on: agreements that end or ended, whose review is due, that are suspended or wrong.

    Prints nothing where there is nothing, so that a scheduler's mail is a reminder. Exit 0 nothing is due; 1 something
    is; 2 wrong usage.
    """
    folder = contracts or contracts_folder()
    schema = json.loads((folder / "isa.schema.json").read_bytes())
    sources = sharing.read_sources(folder)
    found = due_for_review(sources, schema, _day(on, as_json), within)
    if as_json:
        show_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            title = sources.agreements[finding.file].get("title", "")
            typer.echo(f"{finding.file.removesuffix('.isa.yaml')} ({title}): {finding.what}")
    raise typer.Exit(FAILED if found else 0)


@app.command()
def build(contracts: Contracts = None, as_json: AsJson = False) -> None:
    """Compile the agreements into contracts/compiled and point the head at the result. Exit 1 if they have errors."""
    folder = contracts or contracts_folder()
    if errors := errors_in(folder, local_date(now())):
        fail(f"{len(errors)} errors; see hub contracts check", as_json=as_json)
    sources, built = sharing.read_sources(folder), sharing.build(folder)
    out = {"policy": built.policy_hash, "bytes": len(built.body), "agreements": len(sources.agreements)}
    if as_json:
        show_json(out)
    else:
        typer.echo(f"policy {built.policy_hash} ({len(built.body)} bytes) from {len(sources.agreements)} agreements")


@app.command()
def show(
    contracts: Contracts = None,
    party: Annotated[str, typer.Option(help="Only this provider.")] = "",
    event: Annotated[str, typer.Option(help="Who may tell this event type, and who may read which fields.")] = "",
    as_json: AsJson = False,
) -> None:
    """The sharing policy in force, as compiled. Exit 0; 2 for wrong usage."""
    folder = contracts or contracts_folder()
    content = sharing.compile_policy(folder).content
    if event:
        rows = _readers(content, event, party)
        columns = ["provider", "agreement", "role", "rules", "consent", "fields"]
    else:
        rows, columns = (
            _agreements(content, party),
            ["agreement", "provider", "status", "over-sharing", "from", "to", "events"],
        )
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table("Sharing policy", columns, rows)


def _day(on: str, as_json: bool) -> date:
    try:
        return date.fromisoformat(on) if on else local_date(now())
    except ValueError:
        fail("--on is a day, YYYY-MM-DD", as_json=as_json, code=USAGE)


def _agreements(content: dict[str, Any], party: str) -> list[tuple[Any, ...]]:
    counts: dict[str, int] = {}
    for grant in content["grants"]:
        counts[grant["agreement"]] = counts.get(grant["agreement"], 0) + 1
    return [
        (
            name,
            a["provider"],
            a["status"],
            a["over_sharing"],
            a["effective_from"],
            a["effective_to"],
            counts.get(name, 0),
        )
        for name, a in sorted(content["agreements"].items())
        if party in ("", a["provider"])
    ]


def _readers(content: dict[str, Any], event: str, party: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for grant in content["grants"]:
        if grant["type"] != event or party not in ("", grant["provider"]):
            continue
        for row in content["agreements"][grant["agreement"]]["recipients"]:
            fields = sorted(f for f, category in grant["items"].items() if category in row["shows"])
            rules = ", ".join(row["rules"] or ()) or "any"
            rows.append((grant["provider"], grant["agreement"], row["role"], rules, row["consent"], ", ".join(fields)))
    return rows


@app.command()
def schemas(
    contracts: Contracts = None,
    target: Annotated[Path | None, typer.Option("--schemas", help="Folder of Avro schemas.")] = None,
    only_check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if a file differs.")] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Replace released files: before the first release only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write schemas/avro/partner from contracts/catalogue.yaml. A released file is never edited.

    Exit 1 if a schema has faults, or a released one would change.
    """
    root = target or schemas_folder()
    folder, ledger = root / "partner", root / "released.json"
    wanted = partner_schemas(sharing.read_yaml((contracts or contracts_folder()) / "catalogue.yaml"))
    faults = [f"{name} {fault}" for name, text in wanted.items() for fault in faults_of(json.loads(text))]
    held = {path.name: path.read_text() for path in folder.glob("*.avsc")} if folder.exists() else {}
    changed = sorted(name for name, text in wanted.items() if held.get(name) != text)
    released = json.loads(ledger.read_text()) if ledger.exists() else {}
    edited = [name for name in changed if f"partner/{name}" in released]
    if faults or (only_check and changed) or (edited and not rewrite):
        show_json({"faults": faults, "changed": changed, "released_and_changed": edited})
        raise typer.Exit(FAILED)
    if not only_check:
        folder.mkdir(parents=True, exist_ok=True)
        for name in changed:
            (folder / name).write_text(wanted[name])
            released[f"partner/{name}"] = hashlib.sha256(wanted[name].encode()).hexdigest()
        ledger.write_text(json.dumps(released, indent=2, sort_keys=True) + "\n")
    if as_json:
        show_json({"schemas": len(wanted), "written": [] if only_check else changed})
    else:
        typer.echo(f"{len(wanted)} schemas, {0 if only_check else len(changed)} written.")


@app.command()
def documents(
    contracts: Contracts = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default docs/generated of the repository.")] = None,
    only_check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if a file differs.")] = False,
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Write what partners read: event contracts (ODCS), the topics (AsyncAPI), JSON Schemas, a guide per agreement.

    The folder holds nothing else: other files in it are removed, so it must be empty, new, or one of these. Exit 0
    done; 1 if --check finds a difference; 2 if the folder is somebody else's.
    """
    folder = out or ROOT / "docs" / "generated"
    ours = not folder.exists() or not any(folder.iterdir()) or (folder / "events.schema.json").exists()
    if not only_check and not ours:
        fail(f"{folder} holds other files, and they would be removed", as_json=as_json, code=USAGE)
    published = read_published(contracts or contracts_folder(), schemas_folder())
    wanted = published_documents.documents(published, _day(on, as_json))
    changed = published_documents.stale(wanted, folder)
    schema = wanted["events.schema.json"]
    if published_documents.CLIENT_SCHEMA.read_text() != schema and out is None:
        changed.append("hub/client/events.schema.json")
    if not only_check:
        published_documents.write(wanted, folder)
        if out is None:
            published_documents.CLIENT_SCHEMA.write_text(schema)
    if as_json:
        show_json({"documents": len(wanted), "changed": changed, "written": not only_check})
    else:
        typer.echo(f"{len(wanted)} documents, {len(changed)} {'differ' if only_check else 'written'}.")
        for name in changed if only_check else []:
            typer.echo(name)
    raise typer.Exit(FAILED if only_check and changed else 0)
