"""The record of access of commands: one row for each person shown, as the console writes one for each page."""

from __future__ import annotations

import getpass
from collections.abc import Iterable

import sqlalchemy as sa

from hub.running import database_here
from services.console.tables import ACCESS
from spine.clock import now
from spine.postgres import engine_for


def write_down(page: str, people: Iterable[str], about: str) -> None:
    """Before anything is shown: who looked at whom, by which command, and why or as whom.

    Raises Retry or sqlalchemy's errors where it cannot be written: then nothing may be shown.
    """
    who = {"at": now(), "user_id": f"operator:{getpass.getuser()}", "roles": "operator", "page": page}
    rows = [{**who, "person_id": person, "about": about.strip()[:500]} for person in dict.fromkeys(people)]
    if not rows:
        return
    engine = engine_for(database_here(), "console")
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(ACCESS), rows)
    finally:
        engine.dispose()
