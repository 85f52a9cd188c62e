"""What travels beside a delivery: when its cause was taken, and its trace."""

import sqlalchemy as sa
from alembic import op

revision = "delivery_0004"
down_revision = "delivery_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("waiting", sa.Column("received_ms", sa.BigInteger))
    op.add_column("waiting", sa.Column("trace", sa.Text))


def downgrade() -> None:
    op.drop_column("waiting", "trace")
    op.drop_column("waiting", "received_ms")
