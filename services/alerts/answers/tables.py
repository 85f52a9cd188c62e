"""Tables of the read API: whom a party means by a reference of its own, what was believed of people, and who was
shown what of whom."""

from __future__ import annotations

import sqlalchemy as sa

META = sa.MetaData()

#: One row for each observation under a party's reference, with whom it was given to. ``ref`` is a keyed hash.
REFERENCE = sa.Table(
    "reference",
    META,
    sa.Column("observation_id", sa.Text, primary_key=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
)
#: What was believed of a person, as often as it changed; nothing where it was of another, and taken apart since.
BELIEVED = sa.Table(
    "believed",
    META,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(), nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Index("believed_person", "person_id", "number"),
)
#: Written before an answer leaves.
ACCESS = sa.Table(
    "access",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("asked", sa.Text, nullable=False, comment="person, with day and moment; or alerts"),
    sa.Column("agreements", sa.Text, nullable=False, comment="Relied on, in order, between commas."),
    sa.Column("policy", sa.Text, nullable=False),
)
