"""Titles to filter by, what each recipient was shown, what was opened in an emergency, published measures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "console_0002"
down_revision = "console_0001"
branch_labels = None
depends_on = None

text, moment = sa.Text, sa.DateTime(timezone=True)
LINES = """jsonb_path_query_first(view, '$.lines[*] ? (@.label == "Name").value') #>> '{}'"""


def key(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, primary_key=True)


def needed(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.add_column("told", sa.Column("title", text, nullable=False, server_default=""))
    ends = f"right(view ->> 'headline', length({LINES}) + 2) = ': ' || ({LINES})"
    short = f"left(view ->> 'headline', -(length({LINES}) + 2))"
    # Safe: rows and indexes of the inbox alone, tens of thousands: the console waits for a moment.
    op.execute(f"UPDATE told SET title = CASE WHEN {ends} THEN {short} ELSE view ->> 'headline' END")
    op.drop_index("told_role_open", "told")
    order = ["open", "due_on", "raised_on", "ref"]
    op.create_index("told_team_open", "told", ["team", *order])
    op.create_index("told_worker_open", "told", ["worker", *order])

    who = [key(name, text) for name in ("event_id", "role", "team", "worker")]
    op.create_table("shown", *who, needed("alert_id", text), needed("at", moment), needed("view", JSONB))
    op.create_index("shown_alert", "shown", ["alert_id", "role", "at"])
    # Safe: the table is new, and nobody waits for it. What stands in the inbox was shown when it last changed.
    names = "event_id, role, team, worker, alert_id, at, view"
    op.execute(f"INSERT INTO shown ({names}) SELECT 'before:' || alert_id, {names[10:]} FROM told")

    op.add_column("session", sa.Column("roles", text, nullable=False, server_default=""))
    number = sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True, nullable=False)
    glass = [needed("at", moment), *(needed(name, text) for name in ("user_id", "ref", "reason"))]
    op.create_table("break_glass", number, *glass, needed("opened", sa.Boolean))
    op.create_index("break_glass_user", "break_glass", ["user_id", "ref", "at"])
    times = [needed("known_at", moment), needed("published_at", moment)]
    op.create_table("measures", key("month", sa.Date), needed("on", sa.Date), *times, needed("body", JSONB))


def downgrade() -> None:
    for name in ("measures", "break_glass", "shown"):
        op.drop_table(name)
    op.drop_column("session", "roles")
    op.drop_index("told_team_open", "told")
    op.drop_index("told_worker_open", "told")
    op.create_index("told_role_open", "told", ["role", "open", "due_on"])
    op.drop_column("told", "title")
