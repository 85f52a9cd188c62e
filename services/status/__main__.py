"""``python -m services.status run``: status as a process of its own."""

from __future__ import annotations

import sys

from services.status.agent import SERVICE, processor
from spine.service import serve


def main() -> int:
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.status run\n")
        return 2
    serve(SERVICE, processor)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
