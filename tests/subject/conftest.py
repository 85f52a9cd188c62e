"""Lives that the questions about a person are asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.story import Told, play, read_story

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"


def lived(story: str) -> Told:
    return play(read_story(ROOT / "tests" / "stories" / f"{story}.yaml"), CONTRACTS, SCHEMAS)


@pytest.fixture(scope="module")
def college_leaver() -> Told:
    """S02: Jobcentre Plus knows in October, the college tells a month late that he left."""
    return lived("S02")
