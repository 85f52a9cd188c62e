"""``python -m tests.simulation [hub] --seeds 20000 [--first N]``: a failure prints its seed and ends with 1.

``hub``: worlds of the whole hub instead of the toy's, some two a second.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.hub_world import run as run_hub
from tests.simulation.world import PLANTS, run

SEEDS = {"toy": "seeds.txt", "hub": "seeds_hub.txt"}


def main() -> int:
    """0 if every seed holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("world", nargs="?", choices=["toy", "hub"], default="toy")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--plant", action="append", choices=PLANTS, default=[], help="take a layer of defence away")
    options = parser.parse_args()
    begun, kills = time.monotonic(), 0
    for seed in range(options.first, options.first + options.seeds):
        try:
            world = run_hub(seed) if options.world == "hub" else run(seed, frozenset(options.plant))
            kills += world.chance.kills
        except BaseException as error:
            traceback.print_exc()
            print(f"seed {seed} fails ({error}); add it to tests/simulation/{SEEDS[options.world]}", file=sys.stderr)
            return 1
    seconds = time.monotonic() - begun
    print(f"{options.seeds} seeds, {kills} kills, no failure, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
