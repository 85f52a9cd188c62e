"""Tables of the read API: whom a party means by a reference of its own, and who was shown what of whom."""

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
    sa.Column("asked", sa.Text, nullable=False, comment="person or alerts"),
    sa.Column("agreements", sa.Text, nullable=False, comment="Relied on, in order, between commas."),
    sa.Column("policy", sa.Text, nullable=False),
)
