"""``python -m services.matching run``: matching as a process of its own."""

from __future__ import annotations

import sys

from services.matching.agent import processor
from spine.service import serve


def main() -> int:
    if sys.argv[1:] != ["run"]:
        sys.stderr.write("usage: python -m services.matching run\n")
        return 2
    serve("matching", processor)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
