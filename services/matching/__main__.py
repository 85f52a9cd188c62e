"""``python -m services.matching run``: matching as a process of its own. ``replay``: the child of ``hub replay``."""

from __future__ import annotations

import sys

from services.matching.agent import processor
from spine.replay import serve as serve_replay
from spine.service import serve


def main() -> int:
    match sys.argv[1:]:
        case ["run"]:
            serve("matching", processor)
            return 0
        case ["replay"]:
            return serve_replay(processor)
        case _:
            sys.stderr.write("usage: python -m services.matching run | replay\n")
            return 2


if __name__ == "__main__":
    raise SystemExit(main())
