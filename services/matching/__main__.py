"""``python -m services.matching run``: matching as a process of its own. ``replay``: the child of ``hub replay``."""

from __future__ import annotations

import sys

from services.matching.agent import processor
from spine.service import main

if __name__ == "__main__":
    raise SystemExit(main("matching", processor, sys.argv[1:]))
