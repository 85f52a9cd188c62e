"""What partners sent and the gate accepted, their extracts and pauses; whether a refusal still waits."""

import sqlalchemy as sa
from alembic import op

revision = "console_0003"
down_revision = "console_0002"
branch_labels = None
depends_on = None

text, day, moment = sa.Text, sa.Date, sa.DateTime(timezone=True)


def key(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, primary_key=True)


def needed(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.add_column("refusal", sa.Column("message_id", text, nullable=False, server_default=""))
    for name in ("kept", "mended"):
        op.add_column("refusal", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    # Safe: thirty days of refusals, thousands of rows: the console waits for a moment.
    op.create_index("refusal_message", "refusal", ["party", "message_id"])
    came = [needed("party", text), needed("message_id", text), needed("type", text), needed("received_at", moment)]
    op.create_table("accepted", key("event_id", text), *came)
    op.create_index("accepted_party", "accepted", ["party", "received_at"])
    which = [key("party", text), key("on", day), key("type", text)]
    op.create_table("accepted_day", *which, needed("count", sa.Integer), needed("last_at", moment))
    shape = [needed("shape", text), needed("rows", sa.BigInteger)]
    op.create_table("extract", key("event_id", text), needed("party", text), needed("on", day), *shape)
    op.create_index("extract_party", "extract", ["party", "on"])
    op.create_table("pause", key("event_id", text), needed("party", text), needed("on", day), needed("until", day))
    op.create_index("pause_party", "pause", ["party", "until"])


def downgrade() -> None:
    for name in ("pause", "extract", "accepted_day", "accepted"):
        op.drop_table(name)
    op.drop_index("refusal_message", "refusal")
    for name in ("mended", "kept", "message_id"):
        op.drop_column("refusal", name)
