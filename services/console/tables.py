"""Read models of the console, in its own schema beside its journal."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

META = sa.MetaData()
_TEXT, _DAY, _INT, _BOOL = sa.Text, sa.Date, sa.Integer, sa.Boolean
_MOMENT = sa.DateTime(timezone=True)


def _needed(name: str, kind: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False)  # type: ignore[arg-type]


#: Who was told of an alert, each with the view that was disclosed to them and nothing else. (``inbox`` is the
#: journal's own.)
INBOX = sa.Table(
    "told",
    META,
    sa.Column("alert_id", _TEXT, primary_key=True),
    sa.Column("role", _TEXT, primary_key=True),
    sa.Column("team", _TEXT, primary_key=True, comment="Empty: no team."),
    sa.Column("worker", _TEXT, primary_key=True, comment="Empty: nobody is assigned."),
    sa.Column("number", sa.BigInteger, sa.Identity(), nullable=False, comment="Order of arrival, for the live count."),
    sa.Column("ref", _TEXT, nullable=False, comment="Name of the alert in paths; says nothing."),
    _needed("person_id", _TEXT),
    _needed("rule", _TEXT),
    _needed("severity", _TEXT),
    _needed("raised_on", _DAY),
    _needed("due_on", _DAY),
    _needed("open", _BOOL),
    _needed("act", _TEXT),
    _needed("times", _INT),
    sa.Column("handed_on", _BOOL, nullable=False, comment="The matter moved to somebody else."),
    _needed("at", _MOMENT),
    _needed("view", JSONB),
    sa.Column("title", _TEXT, nullable=False, comment="Headline without the name: what the reader may filter by."),
    sa.Index("told_ref", "ref"),
    sa.Index("told_person", "person_id"),
    sa.Index("told_team_open", "team", "open", "due_on", "raised_on", "ref"),
    sa.Index("told_worker_open", "worker", "open", "due_on", "raised_on", "ref"),
    sa.Index("told_number", "number"),
)

#: What each recipient was shown, as often as it changed: what could be known here at a moment.
SHOWN = sa.Table(
    "shown",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    sa.Column("role", _TEXT, primary_key=True),
    sa.Column("team", _TEXT, primary_key=True),
    sa.Column("worker", _TEXT, primary_key=True),
    _needed("alert_id", _TEXT),
    _needed("at", _MOMENT),
    _needed("view", JSONB),
    sa.Index("shown_alert", "alert_id", "role", "at"),
)

HISTORY = sa.Table(
    "history",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("alert_id", _TEXT),
    _needed("act", _TEXT),
    _needed("on", _DAY),
    _needed("at", _MOMENT),
    _needed("severity", _TEXT),
    _needed("due_on", _DAY),
    sa.Index("history_alert", "alert_id", "at"),
)

#: What workers did here. It shows at once; alerts hears of it through the outbox.
ACTION = sa.Table(
    "action",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("alert_id", _TEXT),
    _needed("role", _TEXT),
    _needed("worker", _TEXT),
    _needed("verb", _TEXT),
    _needed("value", _TEXT),
    _needed("at", _MOMENT),
    sa.Index("action_alert", "alert_id", "at"),
)

DELIVERY = sa.Table(
    "delivery",
    META,
    sa.Column("delivery_id", _TEXT, primary_key=True),
    sa.Column("state", _TEXT, primary_key=True),
    sa.Column("attempt", _INT, primary_key=True),
    _needed("alert_id", _TEXT),
    _needed("role", _TEXT),
    _needed("team", _TEXT),
    _needed("worker", _TEXT),
    _needed("channel", _TEXT),
    _needed("reason", _TEXT),
    _needed("at", _MOMENT),
    sa.Index("delivery_alert", "alert_id"),
)

REVIEW = sa.Table(
    "review",
    META,
    sa.Column("review_id", _TEXT, primary_key=True),
    _needed("state", _TEXT),
    _needed("authority", _TEXT),
    _needed("source", _TEXT),
    sa.Column("source_ref", _TEXT),
    sa.Column("message_id", _TEXT),
    _needed("opened_at", _MOMENT),
    sa.Column("closed_at", _MOMENT),
    _needed("safeguarding", _BOOL),
    _needed("reason", _TEXT),
    _needed("subject", JSONB),
    _needed("candidates", JSONB),
    _needed("outcome", _TEXT),
    sa.Index("review_state", "state", "safeguarding", "opened_at"),
)

DECISION_SENT = sa.Table(
    "decision_sent",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    _needed("review_id", _TEXT),
    _needed("user_id", _TEXT),
    _needed("choice", _TEXT),
    _needed("at", _MOMENT),
    sa.Index("decision_sent_review", "review_id"),
)

REFUSAL = sa.Table(
    "refusal",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("party", _TEXT),
    _needed("type", _TEXT),
    _needed("reason", _TEXT),
    _needed("received_at", _MOMENT),
    sa.Column("faults", JSONB, nullable=False, comment="Pointer and code of each fault; never a value."),
    _needed("message_id", _TEXT),
    sa.Column("kept", _BOOL, nullable=False, comment="The sealed original waits in quarantine."),
    sa.Column("mended", _BOOL, nullable=False, server_default=sa.false(), comment="Accepted since, under the same id."),
    sa.Index("refusal_party", "party", "received_at"),
    sa.Index("refusal_message", "party", "message_id"),
)

#: Who wants refused events brought before the gate again, who agreed, and how many were sent. Never deleted.
REDRIVE = sa.Table(
    "redrive",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    _needed("party", _TEXT),
    _needed("reason", _TEXT),
    sa.Column("message_id", _TEXT, nullable=False, comment="Empty: all that wait of the reason."),
    _needed("asked_by", _TEXT),
    _needed("asked_at", _MOMENT),
    _needed("expires_at", _MOMENT),
    sa.Column("approved_by", _TEXT, nullable=False, server_default=""),
    sa.Column("done_at", _MOMENT),
    sa.Column("sent", _INT),
    sa.Index("redrive_party", "party", "message_id"),
)

#: The last accepted events of each partner: that they came, and nothing of what they say.
ACCEPTED = sa.Table(
    "accepted",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("party", _TEXT),
    sa.Column("message_id", _TEXT, nullable=False, comment="The partner's own id, which holds no identifier."),
    _needed("type", _TEXT),
    _needed("received_at", _MOMENT),
    sa.Index("accepted_party", "party", "received_at"),
)

#: Accepted events of each partner by day of receipt (London) and kind.
ACCEPTED_DAY = sa.Table(
    "accepted_day",
    META,
    sa.Column("party", _TEXT, primary_key=True),
    sa.Column("on", _DAY, primary_key=True),
    sa.Column("type", _TEXT, primary_key=True),
    _needed("count", _INT),
    _needed("last_at", _MOMENT),
)

#: Batches that came of a party, whichever door they came through.
EXTRACT = sa.Table(
    "extract",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("party", _TEXT),
    _needed("on", _DAY),
    _needed("shape", _TEXT),
    _needed("rows", sa.BigInteger),
    sa.Index("extract_party", "party", "on"),
)

#: Announced holidays and closures of a party: nothing is expected of it.
PAUSE = sa.Table(
    "pause",
    META,
    sa.Column("event_id", _TEXT, primary_key=True),
    _needed("party", _TEXT),
    _needed("on", _DAY),
    _needed("until", _DAY),
    sa.Index("pause_party", "party", "until"),
)

#: How a worker chose to be told of what is not urgent. It shows at once; delivery hears of it through the outbox.
TELLING = sa.Table(
    "telling",
    META,
    sa.Column("worker", _TEXT, primary_key=True),
    _needed("how", JSONB),
    _needed("digest", _TEXT),
    sa.Column("channel", _TEXT, nullable=False, server_default=""),
    _needed("at", _MOMENT),
)

#: The last date that the ticker announced.
TODAY = sa.Table("today", META, sa.Column("one", _BOOL, primary_key=True), _needed("on", _DAY))

SESSION = sa.Table(
    "session",
    META,
    sa.Column("digest", sa.LargeBinary, primary_key=True, comment="sha256 of the session's number; never the number."),
    _needed("user_id", _TEXT),
    _needed("csrf", _TEXT),
    _needed("began_at", _MOMENT),
    _needed("seen_at", _MOMENT),
    sa.Column("flash", _TEXT, nullable=False, server_default=""),
    sa.Column("roles", _TEXT, nullable=False, server_default="", comment="At most these; empty: all of the user's."),
)

SIGN_IN = sa.Table(
    "sign_in",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    _needed("address", _TEXT),
    _needed("at", _MOMENT),
    sa.Index("sign_in_address", "address", "at"),
)

#: Who looked at whom. Never changed, never deleted by the console.
ACCESS = sa.Table(
    "access",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    _needed("at", _MOMENT),
    _needed("user_id", _TEXT),
    _needed("roles", _TEXT),
    _needed("page", _TEXT),
    _needed("person_id", _TEXT),
    _needed("about", _TEXT),
    sa.Index("access_person", "person_id", "at"),
    sa.Index("access_user", "user_id", "at"),
)

#: Who opened another team's alert, and why: for an hour, under the eyes of information governance.
BREAK_GLASS = sa.Table(
    "break_glass",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    _needed("at", _MOMENT),
    _needed("user_id", _TEXT),
    _needed("ref", _TEXT),
    _needed("reason", _TEXT),
    sa.Column("opened", _BOOL, nullable=False, comment="Whether there was anything to open."),
    sa.Index("break_glass_user", "user_id", "ref", "at"),
)

#: Measures as published by ``hub measures --publish``: small numbers are hidden before they come here.
MEASURES = sa.Table(
    "measures",
    META,
    sa.Column("month", _DAY, primary_key=True, comment="First of the month of the day counted: one set a month."),
    _needed("on", _DAY),
    _needed("known_at", _MOMENT),
    _needed("published_at", _MOMENT),
    _needed("body", JSONB),
)

#: One secret that signs cookies, made by the first start where none is given.
SECRET = sa.Table("secret", META, sa.Column("one", _BOOL, primary_key=True), _needed("value", sa.LargeBinary))
