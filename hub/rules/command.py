"""``hub rules list``, ``explain``, ``try``, ``document``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hub.layout import ROOT
from hub.output import DONE, FAILED, USAGE, AsJson, show_json, show_table
from hub.rules import sheet as sheets
from hub.rules.trial import attempt, story_of
from services.alerts.settings import load
from services.alerts.sharing import Closed

app = typer.Typer(help="The alert rules: what each means, and what they say to a story.", no_args_is_help=True)

Contracts = Annotated[Path, typer.Option(help="Folder of contracts.", exists=True)]
CONTRACTS, EXAMPLES, PAGE = ROOT / "contracts", ROOT / "tests" / "alerts" / "examples", ROOT / "docs" / "rules.md"


@app.command("list")
def list_rules(as_json: AsJson = False, contracts: Contracts = CONTRACTS) -> None:
    """Every rule: severity, working days to its due day, whom it tells, whether days alone can raise it. Exit 0."""
    found = sheets.sheets(load(contracts, Closed()).policy)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    rows = [(one.id, one.name, one.severity, one.sla, "; ".join(one.to), "timer" if one.timer else "") for one in found]
    show_table("Alert rules", ("rule", "name", "severity", "days", "to", ""), rows)


@app.command("explain")
def explain(
    rule: Annotated[str, typer.Argument(help="A rule's id, such as A09.")],
    as_json: AsJson = False,
    contracts: Contracts = CONTRACTS,
) -> None:
    """One rule: meaning, source, today's numbers, recipients, what closes it, examples. Exit 2: no such rule."""
    policy = load(contracts, Closed()).policy
    name = rule.upper()
    if name not in policy.rules:
        typer.echo(f"hub rules: no rule {name}: write one of {', '.join(policy.rules)}", err=True)
        raise typer.Exit(USAGE)
    one, shown = sheets.sheet(policy, name), sheets.examples(EXAMPLES, name)
    if as_json:
        show_json({**asdict(one), "examples": [{"name": text, "raised": days} for text, days in shown]})
        return
    rows = [("source", one.source), ("severity", one.severity), ("to", "; ".join(one.to))]
    rows += [("raised", one.raised), ("closes", one.closes), ("silent", "; ".join(one.silent))]
    rows += [(key.replace("_", " "), str(value)) for key, value in one.numbers.items()]
    rows += [("raised in", text) for text, days in shown if days] + [
        ("not in", text) for text, days in shown if not days
    ]
    show_table(f"{one.id} {one.name}", ("", ""), [row for row in rows if row[1]])


@app.command("try")
def try_story(
    file: Annotated[Path, typer.Argument(help="A story: id, events, until (see tests/stories).", exists=True)],
    as_json: AsJson = False,
    contracts: Contracts = CONTRACTS,
    schemas: Annotated[Path, typer.Option(help="Folder of Avro schemas.", exists=True)] = ROOT / "schemas" / "avro",
) -> None:
    """What would be raised, for whom and why; which rules stay silent. Exit 0; 1: nothing raised; 2: unusable."""
    try:
        story = story_of(YAML(typ="safe").load(file))
        raised, silent = attempt(story, contracts, schemas, load(contracts))
    except (ValueError, KeyError, YAMLError) as error:
        typer.echo(f"hub rules: {file.name} is not usable: {error}", err=True)
        raise typer.Exit(USAGE) from error
    if as_json:
        show_json({"raised": [asdict(one) for one in raised], "silent": [asdict(one) for one in silent]})
    else:
        rows = [(r.person, r.rule, r.raised_on, r.due_on, ", ".join(r.to), r.because, r.outcome) for r in raised]
        show_table("Raised", ("person", "rule", "on", "due", "to", "why", "at the end"), rows)
        show_table("Silent", ("person", "rule", "why not"), [(s.person, s.rule, s.why) for s in silent])
    raise typer.Exit(DONE if raised else FAILED)


@app.command("document")
def document(
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
    as_json: AsJson = False,
    contracts: Contracts = CONTRACTS,
) -> None:
    """Write docs/rules.md from the rules' docstrings and the policy. Exit 0."""
    out.write_text(sheets.document(load(contracts, Closed()).policy), "utf-8")
    if as_json:
        show_json({"written": out.name})
