"""Life stories come out right: the shared ones, and those of our own that follow from the policy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.story import compare, play, read_story

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_expectation_of_the_story_holds(path: Path) -> None:
    story = read_story(path)
    checks = list(compare(story, play(story, ROOT / "contracts", ROOT / "schemas" / "avro")))
    assert checks
    failed = [f"{c.part}: {c.what}: {c.got}" for c in checks if not c.holds]
    assert not failed, "\n".join(failed)


DIGEST = """
import hashlib, sys
from pathlib import Path
from hub.story import play, read_story
told = play(read_story(Path(sys.argv[1])), Path("contracts"), Path("schemas/avro"))
links = [row.link.hex() for name in told.hub.services for row in told.hub.journal(name).decisions]
print(hashlib.sha256("".join(links).encode()).hexdigest())
"""


def test_a_story_gives_the_same_decisions_under_another_hash_seed() -> None:
    digests = set()
    for seed in ("0", "4711"):
        ran = subprocess.run(
            [sys.executable, "-c", DIGEST, str(FILES[0])],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(ran.stdout.strip())
    assert len(digests) == 1
