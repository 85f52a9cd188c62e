"""Migrations expand: while pods roll, the version before works on the same tables.

A step that could stop it, or locks a large table, says above it why it is safe (a comment that begins with "Safe:").
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTE = "# Safe:"
FILES = sorted(path for package in ("spine", "services") for path in (ROOT / package).rglob("migrations/versions/*.py"))
#: What the version before may still use, or what it can't fill.
TAKES_AWAY = {"drop_column", "drop_table", "rename_table", "drop_constraint", "drop_index"}
#: Checked on every row of a table that is in use, under a lock.
CHECKS_ROWS = {"create_unique_constraint", "create_foreign_key", "create_check_constraint", "create_exclude_constraint"}
#: Nobody reads what these will do.
UNREAD = {"execute", "get_bind", "bulk_insert"}
CHANGES = {"nullable", "type_", "new_column_name", "server_default"}


def unsafe(source: str) -> list[str]:
    """Unsafe steps of a migration's upgrade without a note, each with its line."""
    tree, lines = ast.parse(source), source.splitlines()
    first = any(
        isinstance(node, ast.Assign)
        and getattr(node.targets[0], "id", "") == "down_revision"
        and getattr(node.value, "value", "") is None
        for node in tree.body
    )
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    made = {_text(call.args[0]) for name, call in _steps(upgrade) if name == "create_table"}
    found = [
        f"{call.lineno}: {why}"
        for name, call in _steps(upgrade)
        if (why := _why(name, call, made)) and not _noted(lines, call.lineno)
    ]
    # The first of a schema finds nothing that could be in use.
    return [] if first else found


def _steps(upgrade: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(upgrade):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "op":
            yield node.func.attr, node


def _why(name: str, call: ast.Call, made: set[str]) -> str:
    given = {word.arg: word.value for word in call.keywords}
    if name in TAKES_AWAY:
        return f"{name} takes away what the version before uses"
    if name == "alter_column" and (changed := sorted(CHANGES & given.keys())):
        return f"alter_column changes {', '.join(changed)} under the version before"
    if name == "add_column" and _text(call.args[0]) not in made and not _fills(call.args[1]):
        return "add_column: the version before can't fill it; nullable, or with a server default"
    on = _text(call.args[1]) if len(call.args) > 1 else ""
    if name == "create_index" and on not in made and "postgresql_concurrently" not in given:
        return f"create_index locks {on}, which is in use: postgresql_concurrently"
    if name in CHECKS_ROWS and on not in made:
        return f"{name} locks {on}, which is in use, and looks at every row"
    return f"{name} can do anything" if name in UNREAD else ""


def _fills(column: ast.expr) -> bool:
    """Whether a row may be written that says nothing of the column. What is no plain column may not."""
    if not (isinstance(column, ast.Call) and isinstance(column.func, ast.Attribute) and column.func.attr == "Column"):
        return False
    given = {word.arg: word.value for word in column.keywords}
    nullable = ast.unparse(given["nullable"]) if "nullable" in given else "True"
    default = ast.unparse(given["server_default"]) if "server_default" in given else "None"
    return nullable == "True" or default != "None"


def _noted(lines: list[str], number: int) -> bool:
    """Whether a note stands in the paragraph of a line, above it."""
    for line in reversed(lines[: number - 1]):
        if not line.strip():
            return False
        if line.strip().startswith(NOTE):
            return True
    return False


def _text(node: ast.expr) -> str:
    return str(getattr(node, "value", ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_migration_stops_the_version_before_without_saying_why_it_is_safe(path: Path) -> None:
    assert unsafe(path.read_text()) == []


HEAD = 'down_revision = "things_0001"\n\ndef upgrade() -> None:\n'


@pytest.mark.parametrize(
    "step",
    [
        'op.drop_column("things", "old")',
        'op.rename_table("things", "matters")',
        'op.alter_column("things", "name", new_column_name="title")',
        'op.alter_column("things", "name", nullable=False)',
        'op.alter_column("things", "name", server_default=None)',
        'op.add_column("things", sa.Column("name", sa.Text, nullable=False))',
        'op.add_column("things", needed("name", sa.Text))',
        'op.create_index("things_name", "things", ["name"])',
        'op.create_unique_constraint("one", "things", ["name"])',
        'op.execute("UPDATE things SET name = 1")',
    ],
)
def test_each_unsafe_step_is_found_and_passes_with_a_note(step: str) -> None:
    assert len(unsafe(f"{HEAD}    {step}\n")) == 1
    assert unsafe(f"{HEAD}    {NOTE} five rows.\n    {step}\n") == []
    assert len(unsafe(f"{HEAD}    {NOTE} five rows.\n    x = 1\n\n    {step}\n")) == 1


@pytest.mark.parametrize(
    "step",
    [
        'op.create_table("things")\n    op.create_index("things_name", "things", ["name"])',
        'op.create_index("things_name", "things", ["name"], postgresql_concurrently=True)',
        'op.add_column("things", sa.Column("name", sa.Text))',
        'op.add_column("things", sa.Column("name", sa.Text, nullable=False, server_default=""))',
    ],
)
def test_what_the_version_before_does_not_notice_needs_no_note(step: str) -> None:
    assert unsafe(f"{HEAD}    {step}\n") == []
