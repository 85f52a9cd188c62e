"""The journal's tables. A service's first own revision has ``down_revision = "journal_0001"``."""

from alembic import context, op

from spine.postgres import journal_tables

revision = "journal_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    journal_tables(context.config.attributes["schema"]).create_all(op.get_bind())


def downgrade() -> None:
    journal_tables(context.config.attributes["schema"]).drop_all(op.get_bind())
