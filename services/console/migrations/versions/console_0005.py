"""By which channel workers chose to be told."""

import sqlalchemy as sa
from alembic import op

revision = "console_0005"
down_revision = "console_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("telling", sa.Column("channel", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("telling", "channel")
