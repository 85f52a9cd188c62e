"""What operators did, as leaves of the ledger's tree ``operations``: hashes and opaque ids, nothing personal."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

from spine.clock import now

LEDGER = "spine.ledger.operations"


def note(postgres: str, kind: str, about: Mapping[str, Any]) -> int | None:
    """Number of the leaf; None in a hub that keeps no ledger. Raises what the database raises: then ask again."""
    if importlib.util.find_spec("spine.ledger") is None or importlib.util.find_spec(LEDGER) is None:
        return None
    record = importlib.import_module(LEDGER).record
    return int(record(postgres, kind, about, now()))
