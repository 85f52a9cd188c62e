"""``python -m services.status run``: status as a process of its own. ``replay``: the child of ``hub replay``."""

from __future__ import annotations

import sys

from services.status.agent import processor
from spine.service import main

if __name__ == "__main__":
    raise SystemExit(main("status", processor, sys.argv[1:]))
