"""Matching with PostgreSQL as its truth: ``python tests/benchmarks/matching_speed_postgres.py --people 100000``.

Puts a generated county into a PostgreSQL of its own, as rows that the service would have written, all sealed; builds
the index from them, as a worker does that takes a partition over; then decides fresh observations in batches, with the
real processor and journal. An observation's time is its own, and its share of what the batch takes together. Exit 0 if
the bars are met, 1 if one is not.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import psycopg  # noqa: E402
from matching_service import KEK, a_database, observation  # noqa: E402
from matching_speed import Known, resident_bytes  # noqa: E402

from services.matching.agent import MatchingProcessor, processor  # noqa: E402
from services.matching.cluster import Face, Person, SourceRecord  # noqa: E402
from services.matching.rows import STORED, encode_person  # noqa: E402
from spine.keystore.kek import LocalKek  # noqa: E402
from spine.keystore.postgres import PostgresKeys  # noqa: E402
from spine.postgres import PostgresJournal  # noqa: E402
from spine.record import Decided, Fact, Record  # noqa: E402
from spine.schema import Catalogue  # noqa: E402
from spine.step import Limits, Position, SetAside, step  # noqa: E402

SEED = 901
BATCH = 500
#: Milliseconds of CPU time an observation.
P50_MS, P99_MS = 1.0, 5.0
PLACE = ("observations", 0)


@dataclass(frozen=True, slots=True)
class Reached:
    """``stored``: observations on file that loading passes over. Times of an observation are of CPU."""

    people: int
    records: int
    stored: int
    warm_seconds: float
    warm_cpu_seconds: float
    warm_seconds_per_100000: float
    bytes_a_person: int
    observations: int
    p50_ms: float
    p99_ms: float
    per_second: int


class Timed:
    """A processor whose ``apply`` is timed."""

    def __init__(self, inner: MatchingProcessor) -> None:
        self._inner = inner
        self.times: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, fact: Fact) -> Decided:
        begun = time.thread_time_ns()
        try:
            return self._inner.apply(fact)
        finally:
            self.times.append(time.thread_time_ns() - begun)


def fill(url: str, catalogue: Catalogue, known: Known, codec: Any) -> tuple[int, int]:
    """Rows of everybody, as the service writes them; returns how many records and stored observations."""
    records, children = 0, iter(known.children)
    with psycopg.connect(url) as connection:
        while chunk := list(islice(children, 1_000)):
            people = [(child, list(known.rows(child))) for child in chunk]
            numbered = [(f"e{records + n}", row) for n, row in enumerate(r for _, rows in people for r in rows)]
            made = [observation(catalogue, row | {"event_id": name}, 0, True) for name, row in numbered]
            catalogue.keys.make({fields["sealed_under"] for fields in made})
            bodies = iter([catalogue.encode("observation.v1", fields) for fields in made])
            rows: list[tuple[str, bytes]] = []
            for child, shown in people:
                person = Person(f"p-{hashlib.sha256(str(child.truth).encode()).hexdigest()[:20]}")
                for row in shown:
                    body = next(bodies)
                    subject = catalogue.decode("observation.v1", body)["subject"]
                    uid = hashlib.sha256(f"{records}".encode()).hexdigest()[:32]
                    key = (row["source"], row["source_ref"])
                    identity = codec.read_identity(subject)
                    person.records.append(SourceRecord(key, uid, [Face(subject, records, identity)], 1))
                    rows.append((f"{STORED}:{uid}:0", body))
                    records += 1
                rows.append((f"p:northshire:{person.person_id}", encode_person(person, codec)))
            with connection.cursor().copy("COPY matching.state (key, topic, partition, body) FROM STDIN") as copy:
                for key_, body in rows:
                    copy.write_row((key_, *PLACE, body))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE matching.state")
    return records, records


def batches(catalogue: Catalogue, known: Known, number: int) -> Iterator[list[Record]]:
    rows = known.fresh(number)
    first = 0
    while chunk := list(islice(rows, BATCH)):
        made = [observation(catalogue, row, n, True) for n, row in enumerate(chunk)]
        catalogue.keys.make({fields["sealed_under"] for fields in made})
        framed = [catalogue.frame("observation.v1", catalogue.encode("observation.v1", f)) for f in made]
        yield [Record(*PLACE, first + n, "northshire", value) for n, value in enumerate(framed)]
        first += len(chunk)


def decided(catalogue: Catalogue, journal: PostgresJournal, timed: Timed, known: Known, number: int) -> list[float]:
    """Milliseconds of CPU of each observation."""
    aside, out = SetAside(Limits()), list[float]()
    for records in batches(catalogue, known, number):
        timed.times.clear()
        begun = time.thread_time_ns()
        step(records, timed, journal, catalogue, aside)
        together = time.thread_time_ns() - begun - sum(timed.times)
        out += [(alone + together / len(records)) / 1e6 for alone in timed.times]
    return sorted(out)


def measure(url: str, people: int, fresh: int) -> Reached:
    catalogue, known = Catalogue([ROOT / "schemas" / "avro"]), Known(SEED, people)
    catalogue.keys = keys = PostgresKeys(url, LocalKek(base64.b64decode(KEK)))
    records, stored = fill(url, catalogue, known, _matching(catalogue).codec)
    keys.close()
    # A worker that begins: nothing is remembered.
    catalogue = Catalogue([ROOT / "schemas" / "avro"])
    catalogue.keys = PostgresKeys(url, LocalKek(base64.b64decode(KEK)))
    journal, timed, before = PostgresJournal(url, "matching"), Timed(_matching(catalogue)), resident_bytes()
    wall, cpu = time.perf_counter(), time.thread_time()
    with journal.transaction() as transaction:
        transaction.set_offsets({PLACE: Position(0)})
        timed.begin(PLACE, [], transaction)
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    weight = resident_bytes() - before
    begun = time.perf_counter()
    times = decided(catalogue, journal, timed, known, fresh)
    seconds = time.perf_counter() - begun
    journal.close()
    return Reached(
        people=people,
        records=records,
        stored=stored,
        warm_seconds=round(wall, 1),
        warm_cpu_seconds=round(cpu, 1),
        warm_seconds_per_100000=round(wall * 100_000 / people, 1),
        bytes_a_person=round(weight / people),
        observations=len(times),
        p50_ms=_at(times, 50),
        p99_ms=_at(times, 99),
        per_second=round(len(times) / seconds),
    )


def _matching(catalogue: Catalogue) -> MatchingProcessor:
    made = processor(catalogue, ROOT / "contracts")
    assert isinstance(made, MatchingProcessor)
    return made


def _at(times: Sequence[float], percent: int) -> float:
    return round(times[len(times) * percent // 100], 3)


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=100_000)
    ask.add_argument("--fresh", type=int, default=10_000, help="observations to time")
    asked = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="matching-speed-"))
    try:
        with a_database(folder) as url:
            reached = measure(url, asked.people, asked.fresh)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(asdict(reached), indent=1))
    met = reached.p50_ms <= P50_MS and reached.p99_ms <= P99_MS
    print(f"bars: p50 {P50_MS} ms, p99 {P99_MS} ms: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
