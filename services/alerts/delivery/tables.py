"""Tables of the sender, in the schema of the service ``delivery`` beside its journal."""

from __future__ import annotations

import sqlalchemy as sa

META = sa.MetaData()

#: One row per delivery that is still to be attempted; written in the batch's transaction, leased by a sender.
WAITING = sa.Table(
    "waiting",
    META,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("leased_until", sa.DateTime(timezone=True)),
    sa.Column("received_ms", sa.BigInteger, comment="When the door took the cause; null for what no door took."),
    sa.Column("trace", sa.Text, comment="The trace that the delivery belongs to; null where nobody traces."),
    sa.Index("waiting_recipient", "recipient"),
    sa.Index("waiting_ready", "urgent", "ready_at"),
)

#: Mails that left, for the hourly limit. No address and no content.
MAILED = sa.Table(
    "mailed",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False),
    sa.Index("mailed_recipient_at", "recipient", "at"),
)

#: What outside teams were told. No person: see ``feed``.
FEED = sa.Table(
    "feed",
    META,
    sa.Column("recipient", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
    sa.Column("alert_id", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("due_on", sa.Text),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

#: The last number of each team.
FEED_END = sa.Table(
    "feed_end",
    META,
    sa.Column("recipient", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

#: Heartbeats: one a day and recipient, and what came of it.
BEATS = sa.Table(
    "beats",
    META,
    sa.Column("recipient", sa.Text, primary_key=True),
    sa.Column("on", sa.Date, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
)
