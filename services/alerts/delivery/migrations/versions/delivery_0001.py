"""Tables of the sender."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0001"
down_revision = "journal_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "waiting",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("ready_at", moment, nullable=False),
        sa.Column("leased_until", moment),
    )
    op.create_index("waiting_recipient", "waiting", ["recipient"])
    op.create_index("waiting_ready", "waiting", ["urgent", "ready_at"])
    op.create_table(
        "mailed",
        sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
    )
    op.create_index("mailed_recipient_at", "mailed", ["recipient", "at"])


def downgrade() -> None:
    op.drop_table("mailed")
    op.drop_table("waiting")
