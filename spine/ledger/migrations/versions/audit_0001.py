"""The ledger's tables: trees, where their leaves stand, checkpoints, and operations, which nobody may change."""

import sqlalchemy as sa
from alembic import op

revision = "audit_0001"
down_revision = None
branch_labels = None
depends_on = None

KEPT = ("operation", "run")


def upgrade() -> None:
    text, blob, many, moment = sa.Text, sa.LargeBinary, sa.BigInteger, sa.DateTime(timezone=True)
    op.create_table(
        "tree",
        sa.Column("name", text, primary_key=True, comment="A service's schema, or operations."),
        sa.Column("size", many, nullable=False),
        sa.Column("nodes", blob, nullable=False, comment="Roots of its complete subtrees, the largest first."),
    )
    op.create_table(
        "run",
        sa.Column("tree", text, primary_key=True),
        sa.Column("first", many, primary_key=True, comment="Leaf of the decision at offset; the next stand behind it."),
        sa.Column("topic", text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", many, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "place",
        sa.Column("tree", text, primary_key=True),
        sa.Column("topic", text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next", many, nullable=False, comment="Offset of the decision that becomes a leaf next."),
    )
    op.create_table(
        "checkpoint",
        sa.Column("tree", text, primary_key=True),
        sa.Column("size", many, primary_key=True),
        sa.Column("note", text, nullable=False),
        sa.Column("made_at", moment, nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "operation",
        sa.Column("number", many, primary_key=True, autoincrement=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("about", text, nullable=False, comment="Canonical JSON; identifiers and hashes, never content."),
        sa.Column("at", moment, nullable=False),
    )
    op.create_table(
        "beat",
        sa.Column("one", sa.Integer, primary_key=True, server_default="1"),
        sa.Column("made_at", moment, nullable=False, comment="When every tree last stood under its checkpoint."),
        sa.Column("problem", text, nullable=False, server_default="", comment="Why it does not now; empty if it does."),
    )
    op.execute(
        "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the ledger only grows'; END $$"
    )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION kept()"
        )


def downgrade() -> None:
    for table in ("beat", "operation", "checkpoint", "place", "run", "tree"):
        op.drop_table(table)
    op.execute("DROP FUNCTION kept()")
