"""What the documents name is there: every link, every heading linked to, every file and every command."""

from __future__ import annotations

import logging
import re
from functools import cache
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from typer.main import get_command

from hub.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        ROOT / "contracts/promises.md",
    ]
)
#: Folders whose files may be named in a document, a docstring or a comment.
FOLDERS = ("services", "spine", "hub", "tests", "docs", "contracts", "schemas", "deploy", "models")
NAMED = re.compile(rf"(?<![\w/.<-])((?:{'|'.join(FOLDERS)})/[A-Za-z0-9_./-]+\.(?:py|md|yaml|json|avsc|sh|svg))\b")
#: Files that stand for others of their kind, or that the reader is to make.
EXAMPLES = {"models/2026-12-01-weights.json", "models/DATE-weights.json", "schemas/adaptive-card.json"} | {
    # Written by `hub contracts release`, and in no checkout.
    "contracts/compiled/head.json"
}
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".yaml", ".md", ".sh")
    and not {"generated", "__pycache__", "node_modules"} & {*path.parts}
)


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M)


@cache
def headings(page: Path) -> frozenset[str]:
    """Anchors as they are made of headings: lower case, spaces to hyphens, no other signs."""
    found = re.findall(r"^#+ +(.+?) *#*$", prose(page), flags=re.M)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in headings(found)):
            dead.append(link)
    assert not dead


def test_the_site_is_built_every_page_is_in_its_navigation_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True)
    # As ``make docs``: a warning is an error.
    assert run_build(config) == []
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md")))
    loaded = re.compile(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+href=\"(?:https?:)?//")
    assert not [page.name for page in pages if loaded.search(page.read_text("utf-8"))]


def run_build(config: MkDocsConfig) -> list[str]:
    """What the build warns of."""
    said: list[str] = []

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    hears = Hears(logging.WARNING)
    logging.getLogger("mkdocs").addHandler(hears)
    try:
        build(config)
    finally:
        logging.getLogger("mkdocs").removeHandler(hears)
    return said


def test_every_file_that_is_named_anywhere_is_there() -> None:
    missing = {
        (name, str(path.relative_to(ROOT)))
        for path in (*SOURCES, *PAGES)
        for name in NAMED.findall(path.read_text("utf-8"))
        if name not in EXAMPLES and not (ROOT / name).exists()
    }
    assert not missing


def test_every_command_that_a_page_names_is_one_of_hubs() -> None:
    top = get_command(app)
    unknown = []
    for page in PAGES:
        for first, second in re.findall(
            r"(?:^|`|\$ )hub ([a-z][a-z-]+)(?: ([a-z][a-z0-9-]+))?", page.read_text("utf-8"), re.M
        ):
            group = top.get_command(None, first)  # type: ignore[attr-defined]
            inner = getattr(group, "commands", None)
            if group is None or (second and inner is not None and second not in inner):
                unknown.append(f"{page.relative_to(ROOT)}: hub {first} {second}".strip())
    assert not unknown
