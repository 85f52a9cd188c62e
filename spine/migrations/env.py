"""Alembic's environment for every service: its connection and schema come from ``spine.migrate``."""

from __future__ import annotations

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table="migration",
    version_table_schema=config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
