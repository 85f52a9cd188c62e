"""The key store's tables: keys of agencies, and the data keys wrapped under them."""

import sqlalchemy as sa
from alembic import op

revision = "keystore_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agency_key",
        sa.Column("agency", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False, comment="Under the key-encryption key named beside."),
        sa.Column("kek", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "data_key",
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, comment="Null once destroyed: the row stays, so that no new key is made."),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("destroyed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["agency", "number"], ["agency_key.agency", "agency_key.number"]),
    )
    op.create_index("data_key_agency", "data_key", ["agency", "number"])


def downgrade() -> None:
    op.drop_table("data_key")
    op.drop_table("agency_key")
