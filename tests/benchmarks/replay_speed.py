"""How fast recorded decisions are made again: ``python -m tests.benchmarks.replay_speed [PEOPLE]``.

The records and decisions are those of a county of generated lives (tests/benchmarks/lives.py) that an in-process hub
has decided, ticks included. A replay is as ``hub replay`` runs it: a child process of its own behind its wall, judged
row by row. Its start (rules and contracts are read) is not counted. Times are CPU seconds of parent and child together.
Beside it, in the same run, a bare pass: the same records are decoded and their bytes hashed, nothing is decided.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time

from hub.replay.engine import Plan, recorded, replayed
from hub.replay.verdicts import stands
from tests.benchmarks.lives import county
from tests.replay.test_replay import Memory, code

BARS = {"matching": 5_000, "status": 20_000, "alerts": 20_000}


def measure(people: int) -> dict[str, object]:
    memory = Memory(county(people))
    found: dict[str, object] = {"people": people}
    for service, bar in BARS.items():
        bare = _bare(memory, service)
        empty = _cpu(Plan(service, Memory(county(1)), code(service), memory.keys))[1]
        decisions, cpu = _cpu(Plan(service, memory, code(service), memory.keys))
        rate = decisions / max(cpu - empty, 1e-9)
        found[service] = {
            "decisions": decisions,
            "per_cpu_second": round(rate),
            "bare_per_cpu_second": round(bare),
            "ratio_to_bare": round(rate / bare, 3),
            "bar": bar,
            "met": rate >= bar,
        }
    return found


def _bare(memory: Memory, service: str) -> float:
    rows = list(recorded(memory, service))
    begun = time.process_time()
    for _, _, _, record, _ in rows:
        opened = memory.hub.catalogue.unframe(record.value)
        assert opened is not None
        memory.hub.catalogue.decode(*opened)
        hashlib.sha256(record.value).digest()
    return len(rows) / (time.process_time() - begun)


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
