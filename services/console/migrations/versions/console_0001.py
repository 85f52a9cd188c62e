"""Read models, sessions and the access log of the console."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "console_0001"
down_revision = "journal_0001"
branch_labels = None
depends_on = None

text, day, whole, flag, big = sa.Text, sa.Date, sa.Integer, sa.Boolean, sa.BigInteger
moment = sa.DateTime(timezone=True)


def key(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, primary_key=True)


def needed(name: str, kind: object, **more: object) -> sa.Column:
    return sa.Column(name, kind, nullable=False, **more)


def number(primary: bool = True) -> sa.Column:
    return sa.Column("number", big, sa.Identity(), primary_key=primary, nullable=False)


def upgrade() -> None:
    key_names = ["alert_id", "role", "team", "worker"]
    facts = [needed("person_id", text), needed("rule", text), needed("severity", text), needed("raised_on", day)]
    facts += [needed("due_on", day), needed("open", flag), needed("act", text), needed("times", whole)]
    facts += [needed("handed_on", flag), needed("at", moment), needed("view", JSONB)]
    op.create_table("told", *[key(name, text) for name in key_names], number(False), needed("ref", text), *facts)
    op.create_index("told_ref", "told", ["ref"])
    op.create_index("told_person", "told", ["person_id"])
    op.create_index("told_role_open", "told", ["role", "open", "due_on"])
    op.create_index("told_number", "told", ["number"])

    acts = [needed("alert_id", text), needed("act", text), needed("on", day), needed("at", moment)]
    op.create_table("history", key("event_id", text), *acts, needed("severity", text), needed("due_on", day))
    op.create_index("history_alert", "history", ["alert_id", "at"])

    done = [needed(name, text) for name in ("alert_id", "role", "worker", "verb", "value")]
    op.create_table("action", key("event_id", text), *done, needed("at", moment))
    op.create_index("action_alert", "action", ["alert_id", "at"])

    lives = [needed(name, text) for name in ("alert_id", "role", "team", "worker", "channel", "reason")]
    life = [key("delivery_id", text), key("state", text), key("attempt", whole)]
    op.create_table("delivery", *life, *lives, needed("at", moment))
    op.create_index("delivery_alert", "delivery", ["alert_id"])

    review = [key("review_id", text), needed("state", text), needed("authority", text), needed("source", text)]
    review += [sa.Column("source_ref", text), sa.Column("message_id", text)]
    review += [needed("opened_at", moment), sa.Column("closed_at", moment), needed("safeguarding", flag)]
    review += [needed("reason", text), needed("subject", JSONB), needed("candidates", JSONB), needed("outcome", text)]
    op.create_table("review", *review)
    op.create_index("review_state", "review", ["state", "safeguarding", "opened_at"])
    sent = [needed("review_id", text), needed("user_id", text), needed("choice", text), needed("at", moment)]
    op.create_table("decision_sent", number(), *sent)
    op.create_index("decision_sent_review", "decision_sent", ["review_id"])

    no = [needed("party", text), needed("type", text), needed("reason", text), needed("received_at", moment)]
    op.create_table("refusal", key("event_id", text), *no, needed("faults", JSONB))
    op.create_index("refusal_party", "refusal", ["party", "received_at"])
    op.create_table("today", key("one", flag), needed("on", day))

    session = [needed("user_id", text), needed("csrf", text), needed("began_at", moment), needed("seen_at", moment)]
    flash = needed("flash", text, server_default="")
    op.create_table("session", key("digest", sa.LargeBinary), *session, flash)
    op.create_table("sign_in", number(), needed("address", text), needed("at", moment))
    op.create_index("sign_in_address", "sign_in", ["address", "at"])
    seen = [needed(name, text) for name in ("user_id", "roles", "page", "person_id", "about")]
    op.create_table("access", number(), needed("at", moment), *seen)
    op.create_index("access_person", "access", ["person_id", "at"])
    op.create_index("access_user", "access", ["user_id", "at"])
    op.create_table("secret", key("one", flag), needed("value", sa.LargeBinary))


def downgrade() -> None:
    names = "told history action delivery review decision_sent refusal today session sign_in access secret"
    for name in names.split():
        op.drop_table(name)
