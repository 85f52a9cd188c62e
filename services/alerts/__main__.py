"""``python -m services.alerts run``: the alerts service until it is told to stop."""

from __future__ import annotations

import sys

from services.alerts.agent import SERVICE, processor
from spine.service import serve

if __name__ == "__main__":
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.alerts run\n")
        raise SystemExit(2)
    serve(SERVICE, processor)
