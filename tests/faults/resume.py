"""How long a service stood still: from the moment a fault has passed to the next record decided.

With ``HUB_MEASURED`` (a file) each measurement is added to it as a line of JSON; docs/recovery.md is written from such
a file. Without it a measurement is only a bound that the test may assert.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.spine.conftest import Toy


def seconds_to_resume(toy: Toy, fault: str, since: float, before: int, within: float = 60) -> float:
    """Wait until more than ``before`` is decided; seconds from ``since`` (monotonic)."""
    toy.until(lambda: toy.decided() > before, within)
    return noted(fault, time.monotonic() - since)


def noted(what: str, seconds: float) -> float:
    path = os.environ.get("HUB_MEASURED")
    if path:
        with Path(path).open("a") as out:
            out.write(json.dumps({"what": what, "seconds": round(seconds, 2)}) + "\n")
    return seconds
