"""What was believed of people, as often as it changed."""

import sqlalchemy as sa
from alembic import op

revision = "answers_0002"
down_revision = "answers_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "believed",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("believed_person", "believed", ["person_id", "number"])


def downgrade() -> None:
    op.drop_table("believed")
