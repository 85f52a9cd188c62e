"""``python -m tests.simulation [toy|hub|canaries] --seeds 20000 [--first N] [--jobs 2] [--plant LAYER]``.

Toy: two small services, some twenty worlds a second and core. Hub: the five services of the hub and its life stories.
Canaries: the same services and people in whom every value is unique, for what may leave. Progress goes to stderr. A
failure prints what was seen and the command that shows it again, and ends with 1; with ``--plant`` that is the aim.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.simulation.canary_world import PLANTS as LEAKS
from tests.simulation.canary_world import run as run_canaries
from tests.simulation.hub_world import run as run_hub
from tests.simulation.world import PLANTS
from tests.simulation.world import run as run_toy

RUN: dict[str, Callable[[int, frozenset[str]], Any]] = {"toy": run_toy, "hub": run_hub, "canaries": run_canaries}
SEEDS = {"toy": "seeds.txt", "hub": "seeds_hub.txt", "canaries": "seeds_canaries.txt"}
TELL_SECONDS = 10.0
SEEDS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one seed."""

    seed: int
    kills: int = 0
    failure: str = ""


def one(world: str, plants: frozenset[str], seed: int) -> Told:
    try:
        return Told(seed, RUN[world](seed, plants).chance.kills)
    except BaseException as error:
        return Told(seed, failure=f"{''.join(traceback.format_exception(error, limit=-4))}")


def worlds(options: argparse.Namespace) -> Iterator[Told]:
    seeds = range(options.first, options.first + options.seeds)
    ask = partial(one, options.world, frozenset(options.plant))
    if options.jobs == 1:
        yield from map(ask, seeds)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        try:
            yield from pool.map(ask, seeds, chunksize=SEEDS_AT_ONCE)
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> int:
    """0 if every seed holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("world", nargs="?", choices=list(RUN), default="toy")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--plant", action="append", choices=[*PLANTS, *LEAKS], default=[], help="break the spine")
    options = parser.parse_args()
    begun = told = time.monotonic()
    kills = 0
    for done, world in enumerate(worlds(options), start=1):
        kills += world.kills
        if world.failure:
            _tell_failure(options, world)
            return 1
        if (now := time.monotonic()) - told > TELL_SECONDS:
            told, speed = now, done / (now - begun)
            left = (options.seeds - done) / speed / 60
            print(f"{done:,} seeds, {kills:,} kills, {speed:.0f}/s, about {left:.0f} min left", file=sys.stderr)
    seconds = time.monotonic() - begun
    print(f"{options.seeds:,} seeds, {kills:,} kills, no failure, {seconds:.1f} s")
    return 0


def _tell_failure(options: argparse.Namespace, world: Told) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    plants = "".join(f" --plant {plant}" for plant in options.plant)
    print(world.failure, file=sys.stderr)
    print(f"seed {world.seed} of {options.world} fails at commit {commit.stdout.strip() or 'unknown'}", file=sys.stderr)
    print(f"again: python -m tests.simulation {options.world} --first {world.seed} --seeds 1{plants}", file=sys.stderr)
    if not plants:
        print(f"add it to {Path('tests/simulation') / SEEDS[options.world]}: it is run for ever", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
