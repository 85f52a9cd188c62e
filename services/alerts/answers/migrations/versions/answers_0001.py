"""References of parties, and the record of what was shown."""

import sqlalchemy as sa
from alembic import op

revision = "answers_0001"
down_revision = "journal_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reference",
        sa.Column("observation_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("party", "ref", "person_id")),
    )
    op.create_index("reference_ref", "reference", ["party", "ref"])
    op.create_index("reference_person", "reference", ["person_id"])
    op.create_table(
        "access",
        sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("party", "principal", "role", "person_id", "asked")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("agreements", "policy")),
    )
    op.create_index("access_person", "access", ["person_id", "at"])


def downgrade() -> None:
    op.drop_table("access")
    op.drop_table("reference")
