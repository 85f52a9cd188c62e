"""Keys of days, under which the bodies of submissions are sealed."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0001"
down_revision = "journal_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "day_key",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, comment="Null once destroyed: the row stays, so that no new key is made."),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("destroyed_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("day_key")
