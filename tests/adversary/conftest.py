"""One world of canaries for all tests that only look at it: building it takes longer than most of them."""

from __future__ import annotations

import pytest

from tests.adversary.world_of_canaries import World, build


@pytest.fixture(scope="session")
def canaries() -> World:
    return build()
