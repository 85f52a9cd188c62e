"""The ledger under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.ledgered import Ledgered, ledgered_on


@pytest.fixture
def ledgered(fresh_database: str, tmp_path: Path) -> Iterator[Ledgered]:
    with ledgered_on(fresh_database, tmp_path) as held:
        yield held
