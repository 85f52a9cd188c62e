"""How long one observation takes: ``python tests/benchmarks/matching_speed.py --people 100000``.

Fills an index with a generated county as agencies know it, then decides fresh observations about its people and
counts the CPU time of each, reading and normalising included. Exit 0 if the bars are met, 1 if one is not.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from matching_population import Child, County  # noqa: E402
from matching_records import MEDIUM, SOURCES, Writer  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.blocking import queries_of  # noqa: E402
from services.matching.bulk import Bulk, observation_of  # noqa: E402
from services.matching.cluster import Face, Person, SourceRecord  # noqa: E402

SEED = 900
FRESH = 5_000
#: Milliseconds of CPU time an observation: at half, and at 99 of 100.
P50_MS, P99_MS = 0.25, 2.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Times are of CPU, in milliseconds an observation. ``bytes_a_person``: of the process, its caches included."""

    people: int
    records: int
    observations: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    candidates: float
    candidates_p99: int
    bytes_a_person: int
    filled_seconds: float


class Known:
    """A county whose people are known to their agencies, each record by one face."""

    def __init__(self, seed: int, people: int) -> None:
        self.children = County(seed, people).children
        self.writer = Writer(seed, self.children, MEDIUM)
        self._random = Random(f"known {seed}")

    def rows(self, child: Child) -> Iterator[dict[str, str]]:
        """One row for each agency that knows the child; the inclusion team, if nobody else."""
        sources = [source for source, chance in SOURCES.items() if self._random.random() < chance] or ["inclusion"]
        return (self.row(child, source) for source in sources)

    def row(self, child: Child, source: str) -> dict[str, str]:
        row = self.writer.row(child, source, self._random.random())
        return row | {"event_id": "e", "source": source, "source_ref": f"{source[:3]}-{child.truth}"}

    def fresh(self, number: int) -> Iterator[dict[str, str]]:
        """Observations that nobody has seen, about people whom somebody knows."""
        for n in range(number):
            yield self.row(self._random.choice(self.children), self._random.choice(list(SOURCES))) | {
                "event_id": f"f{n}"
            }


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def filled(known: Known, bulk: Bulk) -> int:
    """Put everybody into the index without asking who is who; returns the number of records."""
    records = 0
    for child in known.children:
        person = Person(f"p-{child.truth:020x}")
        for row in known.rows(child):
            records += 1
            seen = observation_of({**row, "date_of_birth": row["date_of_birth"]}, records)
            person.records.append(SourceRecord(seen.key, f"e{records}", [Face(b"", records, seen.identity)], 1))
        bulk.ledger.index.add(person)
    return records


def in_process(people: int, seed: int, fresh: int) -> Speed:
    known, bulk = Known(seed, people), Bulk(matcher_of(ROOT / "contracts")[0])
    before, begun = resident_bytes(), time.perf_counter()
    records = filled(known, bulk)
    seconds, weight = time.perf_counter() - begun, resident_bytes() - before
    bulk.rows = records
    gc.collect()
    gc.freeze()
    times, met = [], []
    for row in known.fresh(fresh):
        began = time.thread_time_ns()
        bulk.resolve(row)
        times.append(time.thread_time_ns() - began)
    # Others than those that were timed: reading them here would have their values remembered there.
    for row in known.fresh(fresh):
        seen = observation_of(row, bulk.rows)
        met.append(sum(1 for _ in bulk.ledger.index.candidates(queries_of(seen.identity, None))))
    times.sort()
    met.sort()
    return Speed(
        people=people,
        records=records,
        observations=fresh,
        p50_ms=times[fresh // 2] / 1e6,
        p99_ms=times[fresh * 99 // 100] / 1e6,
        worst_ms=times[-1] / 1e6,
        candidates=sum(met) / fresh,
        candidates_p99=met[fresh * 99 // 100],
        bytes_a_person=round(weight / people),
        filled_seconds=round(seconds, 1),
    )


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=100_000)
    ask.add_argument("--seed", type=int, default=SEED)
    ask.add_argument("--fresh", type=int, default=FRESH, help="observations to time")
    asked = ask.parse_args()
    speed = in_process(asked.people, asked.seed, asked.fresh)
    print(json.dumps(asdict(speed), indent=1))
    met = speed.p50_ms <= P50_MS and speed.p99_ms <= P99_MS
    print(f"bars: p50 {P50_MS} ms, p99 {P99_MS} ms: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
