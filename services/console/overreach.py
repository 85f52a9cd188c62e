"""What somebody tried and their role may not have, as a fact under a key of their own (docs/adr/0020)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.console.people import User
from spine.clock import local_date

KIND, TOPIC = "overreach.v1", "statuses"


def tried(user: User, party: str, doing: str, what: str, at: datetime) -> Mapping[str, Any]:
    """The fact, with its id: the same thing on the same day has the same. ``what`` is told as a hash alone."""
    roles, named = " ".join(sorted(user.roles)), _hash("what", what)[:32]
    return {
        "event_id": _hash("overreach", user.key, roles, local_date(at).isoformat(), named)[:32],
        # So begins the key of whatever is about no young person (docs/adr/0014).
        "person_id": "feed:" + _hash("role", user.key, roles)[:20],
        **{"who": user.key, "role": roles, "party": party, "doing": doing, "what": named, "at": at},
    }


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
