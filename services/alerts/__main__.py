"""``python -m services.alerts run``: the alerts service until it is told to stop."""

from __future__ import annotations

import sys

from services.alerts.agent import processor
from spine.service import serve


def main() -> int:
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.alerts run\n")
        return 2
    return serve(processor)


if __name__ == "__main__":
    raise SystemExit(main())
