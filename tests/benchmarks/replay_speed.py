"""How fast recorded decisions are made again: ``python -m tests.benchmarks.replay_speed [PEOPLE]``.

The records and decisions are those of a county of generated lives (tests/benchmarks/lives.py) that an in-process hub
has decided, ticks included. A replay is as ``hub replay`` runs it: a child process of its own behind its wall, judged
row by row. Its start (rules and contracts are read) is not counted. Times are CPU seconds of parent and child together.
Beside it, in the same run, the bare step: the same records through ``spine.step`` in this process, in batches as large,
with no pipe, no judge and nothing recorded to compare with. What a replay costs more is its own.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time

from hub.replay.asked import Everything
from hub.replay.engine import Plan, batches, recorded, replayed
from hub.replay.verdicts import stands
from spine.journal import MemoryJournal
from spine.step import Limits, SetAside, step
from tests.benchmarks.lives import county
from tests.replay.test_replay import CONTRACTS, Memory, code

BARS = {"matching": 5_000, "status": 20_000, "alerts": 20_000}


def measure(people: int) -> dict[str, object]:
    memory = Memory(county(people))
    found: dict[str, object] = {"people": people}
    for service, bar in BARS.items():
        bare = _bare_step(memory, service)
        empty = _cpu(Plan(service, Memory(county(1)), code(service), memory.keys))[1]
        decisions, cpu = _cpu(Plan(service, memory, code(service), memory.keys))
        rate = decisions / max(cpu - empty, 1e-9)
        found[service] = {
            "decisions": decisions,
            "per_cpu_second": round(rate),
            "step_per_cpu_second": round(bare),
            "ratio_to_step": round(rate / bare, 3),
            "bar": bar,
            "met": rate >= bar,
        }
    return found


def _bare_step(memory: Memory, service: str) -> float:
    held = [[one[3] for one in batch] for batch in batches(recorded(memory, service, Everything()))]
    catalogue, journal, aside = memory.hub.catalogue, MemoryJournal(), SetAside(Limits())
    processor = importlib.import_module(f"services.{service}.agent").processor(catalogue, CONTRACTS)
    begun = time.process_time()
    for batch in held:
        step(batch, processor, journal, catalogue, aside)
    return sum(map(len, held)) / (time.process_time() - begun)


def _cpu(plan: Plan) -> tuple[int, float]:
    """Decisions, and CPU seconds of this process and of its child, which has ended by then."""
    before = _spent()
    made = replayed(plan, 1)
    assert stands(made.judge.counts), made.judge.counts
    return made.decisions, _spent() - before


def _spent() -> float:
    mine, theirs = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.user + mine.system + theirs.ru_utime + theirs.ru_stime


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300), indent=1))
