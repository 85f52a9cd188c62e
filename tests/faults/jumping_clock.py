"""``python -m tests.faults.jumping_clock``: the ticker with a wall clock that stands where file HUB_TEST_CLOCK says.

It looks each half second instead of each twenty. What it asks of the clock is ``spine.clock.now`` alone.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from spine import clock, ticker


def main() -> int:
    told = Path(os.environ["HUB_TEST_CLOCK"])
    clock.now = lambda: datetime.fromisoformat(told.read_text())
    ticker.LOOK_SECONDS = 0.5
    return ticker.main()


if __name__ == "__main__":
    sys.exit(main())
