"""A county's year folded person by person in process: status, then alerts, ticks included, real Avro in between.

``python -m tests.benchmarks.county_year [PEOPLE] [WORKERS]``. A hub in process decides the lives of two hundred people
with thirty facts each; their attributions are then folded again and again until PEOPLE have been folded, by WORKERS
processes, one person after the other as a replay by key does: states never pile up, so memory stays bounded. What is
*not* in it: the gate and matching, the journal's rows, and Kafka. The year of 100,000 people and 3 million facts is
extrapolated from the rate and marked so.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from services.alerts import decide as alerts
from services.alerts import reading as alerts_reading
from services.alerts.reading import Ticked as AlertsTicked
from services.alerts.settings import load
from services.alerts.state import State as AlertsState
from services.alerts.state import encode as encode_alerts
from services.status import decide as status
from services.status import reading as status_reading
from services.status.agent import policy_of
from services.status.policy import Policy
from services.status.reading import Ticked
from services.status.state import empty
from services.status.state import encode as encode_status
from spine.clock import local_date
from spine.record import Effect, Fact
from spine.schema import Catalogue
from spine.step import encode_effects
from tests.benchmarks.lives import BEGIN, ROOT, by_person, county

TEMPLATES = 200
UNTIL = date(2026, 8, 31)
COUNTY_PEOPLE, COUNTY_FACTS = 100_000, 3_000_000


@dataclass(slots=True)
class Fold:
    """Two services for one person at a time."""

    catalogue: Catalogue
    policy: Policy = field(default_factory=lambda: policy_of(ROOT / "contracts"))
    settings: alerts.Settings = field(default_factory=lambda: load(ROOT / "contracts"))

    def person(self, person: str, facts: Sequence[Fact]) -> tuple[int, int, int]:
        """(decisions, ticks, acts) of one year. The states are encoded at the end, as for a journal."""
        believed, standing, decided, ticks, acts = empty(person), AlertsState(person), 0, 0, 0
        day = BEGIN - timedelta(days=6)
        for fact in [*facts, None]:
            until = UNTIL if fact is None else local_date(fact.fields["known_at"])
            while (on := self.next_day(believed, standing, day)) is not None and on <= until:
                ticks, day = ticks + 1, on
                believed, told = status.decide(believed, Ticked(on.toordinal()), self.policy)
                standing, said = self.alerts(standing, f"{person}-{on}", told)
                standing, more = alerts.decide(self.settings, standing, AlertsTicked(f"t{on}", on))
                acts += len(said) + len(more)
            day = until
            if fact is None:
                break
            believed, told = status.decide(believed, status_reading.read(fact, self.catalogue), self.policy)
            standing, said = self.alerts(standing, fact.event_id, told)
            acts += len(said)
            decided += 2
        encode_status(believed), encode_alerts(standing)
        return decided, ticks, acts

    def next_day(self, believed: Any, standing: AlertsState, day: date) -> date | None:
        """First day after ``day`` on which either service has something to do."""
        days = [d for d in (believed.due_on, alerts.due_on(self.settings, standing)) if d is not None and d > day]
        return min(days, default=None)

    def alerts(self, standing: AlertsState, cause: str, told: Sequence[Effect]) -> tuple[AlertsState, list[Effect]]:
        said: list[Effect] = []
        for out in encode_effects("status", cause, told, self.catalogue):
            fact = self.catalogue.open_fact(Fact(out.kind, out.event_id, self.catalogue.decode(out.kind, out.body)))
            standing, acts = alerts.decide(self.settings, standing, alerts_reading.read(fact, self.catalogue))
            said += acts
        return standing, said


def work(number: int, people: int, workers: int) -> dict[str, float]:
    hub = county(TEMPLATES)
    lives = sorted(by_person(hub, "attributions").items())
    fold, decided, ticks, acts = Fold(hub.catalogue), 0, 0, 0
    start, clock = time.process_time(), time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in range(number, people, workers):
        person, facts = lives[n % len(lives)]
        told = fold.person(person, facts)
        decided, ticks, acts = decided + told[0], ticks + told[1], acts + told[2]
        if n % (people // 10 or 1) == number:
            print(f"worker {number}: {n} of {people} people", file=sys.stderr, flush=True)
    return {
        "decided": decided,
        "ticks": ticks,
        "acts": acts,
        "cpu": time.process_time() - start,
        "wall": time.perf_counter() - clock,
        "rss_before_mb": before / 1024,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(people: int, workers: int) -> None:
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        told = pool.starmap(work, [(n, people, workers) for n in range(workers)])
    facts = sum(row["decided"] for row in told) / 2
    wall = max(row["wall"] for row in told)
    print(
        json.dumps(
            {
                "people": people,
                "workers": workers,
                "facts": facts,
                "ticks": sum(row["ticks"] for row in told),
                "acts": sum(row["acts"] for row in told),
                "wall s": round(wall, 1),
                "cpu s": round(sum(row["cpu"] for row in told), 1),
                "facts/s by the clock, both services": round(facts / wall),
                "grown by MB a worker": [round(row["rss_mb"] - row["rss_before_mb"]) for row in told],
                "county year, extrapolated, minutes": round(COUNTY_FACTS / (facts / wall) / 60, 1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, int(sys.argv[2]) if len(sys.argv) > 2 else 2)
