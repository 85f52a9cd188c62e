"""Agreements as pages that an information-governance officer reads in a browser. Pure: sources in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from hub.agreement_checks import notices
from hub.sharing import Sources, provider_of

TEMPLATES = Path(__file__).resolve().parent / "templates"


def pages(sources: Sources, on: date) -> Mapping[str, str]:
    """File name -> page: one for each agreement, and index.html."""
    # An agreement leaves out what does not apply: an absent key reads as nothing.
    env = Environment(autoescape=True, loader=FileSystemLoader(TEMPLATES), trim_blocks=True)
    made: dict[str, str] = {}
    rows = []
    names = {party: info["name"] for party, info in sources.parties["parties"].items()}
    for file, agreement in sorted(sources.agreements.items()):
        page = file.replace(".isa.yaml", ".html")
        found = warnings(agreement, on)
        made[page] = _page(env, agreement, sources, names, found)
        rows.append({"page": page, "a": agreement, "provider": names[provider_of(agreement)], "warnings": found})
    made["index.html"] = env.get_template("index.html").render(title="Agreements", rows=rows, on=on.isoformat())
    return made


def _page(env: Environment, agreement: Mapping[str, Any], sources: Sources, names: Any, found: list[str]) -> str:
    items = env.get_template("items.html")
    every = [*agreement["commonItems"], *(item for entry in agreement["sharing"] for item in entry["items"])]
    return env.get_template("agreement.html").render(
        title=agreement["title"],
        a=agreement,
        names=names,
        provider=provider_of(agreement),
        warnings=found,
        chosen=sorted({item["field"] for item in every if item.get("subjectChoice") == "opt-out"}),
        purposes={purpose["id"]: purpose["description"] for purpose in agreement["purposes"]},
        roles={role: role.replace("-", " ").capitalize() for role in sources.catalogue["roles"]},
        abouts={event: entry["about"].partition(".")[0] for event, entry in sources.catalogue["types"].items()},
        period=period,
        items=lambda caption, rows: Markup(items.render(caption=caption, rows=rows)),
    )


def warnings(agreement: Mapping[str, Any], on: date) -> list[str]:
    """What `hub contracts check` says of its dates and status, as sentences."""
    return [f"{told[0].upper()}{told[1:]}." for told in notices(agreement, on)]


def period(text: str) -> str:
    """An ISO period in words: P30D is 30 days."""
    number = int("".join(c for c in text if c.isdigit()))
    unit = {"Y": "year", "M": "month", "D": "day", "H": "hour"}[text[-1]]
    return f"{number} {unit}" + ("" if number == 1 else "s")
