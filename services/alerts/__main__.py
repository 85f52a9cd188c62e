"""``python -m services.alerts run``: alerts as a process of its own. ``replay``: the child of ``hub replay``."""

from __future__ import annotations

import sys

from services.alerts.agent import processor
from spine.service import main

if __name__ == "__main__":
    raise SystemExit(main("alerts", processor, sys.argv[1:]))
