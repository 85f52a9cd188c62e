"""What operators did, as leaves of the ledger's tree ``operations``: hashes and opaque ids, nothing personal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spine.clock import now
from spine.ledger.operations import record
from spine.migrate import migrate_ledger


def note(postgres: str, kind: str, about: Mapping[str, Any]) -> int:
    """Number of the leaf. Raises Retry while the database does not answer: then ask again."""
    migrate_ledger(postgres)
    return record(postgres, kind, about, now())
