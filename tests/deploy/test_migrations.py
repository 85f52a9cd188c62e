"""Migrations expand: while pods roll, the version before works on the same tables.

A step that could stop it, locks a large table, or is none that this lint knows says above it why it is safe (a comment
that begins with "Safe:"). Migrations run in a transaction, so no index is made concurrently in one: on a large table an
operator makes it by hand before.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTE = "# Safe:"
FILES = sorted(path for package in ("spine", "services") for path in (ROOT / package).rglob("migrations/versions/*.py"))
#: What the version before may still use, or what it can't fill.
TAKES_AWAY = {"drop_column", "drop_table", "rename_table", "drop_constraint", "drop_index"}
#: Checked on every row of a table that is in use, under a lock.
CHECKS_ROWS = {"create_unique_constraint", "create_foreign_key", "create_check_constraint", "create_exclude_constraint"}
#: These change nothing that stands, or are looked at below. What another step will do, nobody has read.
LOOKED_AT = {"create_table", "create_table_comment", "add_column", "alter_column", "create_index"}
#: Stands in a column and locks the table while every row is written anew, or checked.
REWRITES = {"Identity", "Computed"}
CHECKED = {"ForeignKey", "CheckConstraint"}
#: Words of a new column that make an index.
INDEXES = {"primary_key", "unique", "index"}
#: One value for all rows that stand: a default that is another for each writes the table anew.
SAME_FOR_ALL = {"now", "current_timestamp", "current_date", "true", "false", "null"}
CHANGES = {"nullable", "type_", "new_column_name", "server_default"}


def unsafe(source: str) -> list[str]:
    """Unsafe steps of a migration without a note, each with its line."""
    tree, lines = ast.parse(source), source.splitlines()
    first = any(
        isinstance(node, ast.Assign)
        and getattr(node.targets[0], "id", "") == "down_revision"
        and getattr(node.value, "value", "") is None
        for node in tree.body
    )
    # What stands beside it may be called by it.
    upgrade = [node for node in tree.body if getattr(node, "name", "") != "downgrade"]
    made = {_text(call.args[0]) for name, call in _steps(upgrade) if name == "create_table"}
    found = [
        f"{call.lineno}: {why}"
        for name, call in _steps(upgrade)
        if (why := _why(name, call, made)) and not _noted(lines, call.lineno)
    ]
    # The first of a schema finds nothing that could be in use.
    return [] if first else found


def _steps(upgrade: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.Call]]:
    for node in (inner for outer in upgrade for inner in ast.walk(outer)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "op":
            yield node.func.attr, node


def _why(name: str, call: ast.Call, made: set[str]) -> str:
    given = {word.arg: word.value for word in call.keywords}
    if name in TAKES_AWAY:
        return f"{name} takes away what the version before uses"
    if name == "alter_column" and (changed := sorted(CHANGES & given.keys())):
        return f"alter_column changes {', '.join(changed)} under the version before"
    if name == "add_column" and _text(call.args[0]) not in made and (why := _column(call.args[1])):
        return f"add_column: {why}"
    on = _text(call.args[1]) if len(call.args) > 1 else ""
    if name == "create_index" and on not in made:
        return f"create_index locks {on}, which is in use; concurrently it can't be made in a transaction"
    if name in CHECKS_ROWS:
        return "" if on in made else f"{name} locks {on}, which is in use, and looks at every row"
    return "" if name in LOOKED_AT else f"{name} can do anything"


def _column(column: ast.expr) -> str:
    """Why a column may not be added to a table that is in use; empty if it may."""
    if not (isinstance(column, ast.Call) and isinstance(column.func, ast.Attribute) and column.func.attr == "Column"):
        return "what is no plain column can be anything"
    given = {word.arg: word.value for word in column.keywords}
    inside = {_called(node) for node in ast.walk(column) if isinstance(node, ast.Call)}
    if stands := sorted(inside & REWRITES):
        return f"{stands[0]} writes every row anew under a lock"
    if stands := sorted(inside & CHECKED):
        return f"{stands[0]} looks at every row under a lock"
    if stands := sorted(word for word in INDEXES & given.keys() if ast.unparse(given[word]) != "False"):
        return f"{stands[0]} makes an index under a lock"
    default = given.get("server_default")
    if default is not None and not isinstance(default, ast.Constant) and not _same_for_all(default):
        return "a default that is another for each row writes every row anew under a lock"
    nullable = "nullable" not in given or ast.unparse(given["nullable"]) == "True"
    filled = default is not None and ast.unparse(default) != "None"
    return "" if nullable or filled else "the version before can't fill it; nullable, or with a server default"


def _same_for_all(default: ast.expr) -> bool:
    return isinstance(default, ast.Call) and _called(default) in SAME_FOR_ALL


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


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
        'op.create_index("things_name", "things", ["name"], postgresql_concurrently=True)',
        'op.create_primary_key("one", "things", ["name"])',
        'op.batch_alter_table("things")',
        'op.add_column("things", sa.Column("number", sa.BigInteger, sa.Identity()))',
        'op.add_column("things", sa.Column("name", sa.Text, server_default=sa.func.gen_random_uuid()))',
        'op.add_column("things", sa.Column("name", sa.Text, server_default=sa.text("random()::text")))',
        'op.add_column("things", sa.Column("name", sa.Text, sa.ForeignKey("names.name")))',
        'op.add_column("things", sa.Column("name", sa.Text, unique=True))',
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
        'op.add_column("things", sa.Column("name", sa.Text))',
        'op.add_column("things", sa.Column("at", sa.DateTime, nullable=False, server_default=sa.func.now()))',
        'op.add_column("things", sa.Column("name", sa.Text, nullable=False, server_default=""))',
    ],
)
def test_what_the_version_before_does_not_notice_needs_no_note(step: str) -> None:
    assert unsafe(f"{HEAD}    {step}\n") == []


def test_a_step_in_a_function_beside_is_found_too() -> None:
    beside = 'def more() -> None:\n    op.drop_table("things")\n\n'
    assert len(unsafe(f"{HEAD.replace('def upgrade', beside + 'def upgrade')}    more()\n")) == 1
