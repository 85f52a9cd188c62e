"""Who wants refused events brought before the gate again, and who agrees."""

import sqlalchemy as sa
from alembic import op

revision = "console_0006"
down_revision = "console_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redrive",
        sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text, nullable=False, server_default=""),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("sent", sa.Integer),
    )
    op.create_index("redrive_party", "redrive", ["party", "message_id"])


def downgrade() -> None:
    op.drop_table("redrive")
