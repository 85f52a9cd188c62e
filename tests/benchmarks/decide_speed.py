"""How fast status and alerts decide for people with thirty facts, by CPU time of one process, beside a bare keyed step.

``python -m tests.benchmarks.decide_speed [PEOPLE]``. "warm": the state is an object, as within a batch; "cold": it is
decoded before and encoded after, as from the journal. The bare step decodes the same fact's payload, appends it to a
list and encodes the list: what any keyed processor that keeps facts must do at least. The last ten facts count.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from hub.inprocess import InProcessHub
from services.alerts import decide as alerts
from services.alerts import reading as alerts_reading
from services.alerts import state as alerts_state
from services.alerts.settings import load
from services.status import decide as status
from services.status import reading as status_reading
from services.status import state as status_state
from services.status.agent import policy_of
from spine.record import Fact
from tests.benchmarks.lives import ROOT, by_person, county

LAST = 10
ROUNDS = 3


def bare(lives: Mapping[str, list[Fact]]) -> float:
    """Facts per CPU second of a step that only keeps."""
    rows = {
        p: [(f.event_id, f.fields.get("cause") or f.fields.get("act"), "x" * 120) for f in fs]
        for p, fs in lives.items()
    }
    kept = {p: orjson.dumps(r[:-LAST]) for p, r in rows.items()}

    def run() -> int:
        count = 0
        for person, facts in rows.items():
            body = kept[person]
            for fact in facts[-LAST:]:
                held = orjson.loads(body)
                held.append(fact)
                body = orjson.dumps(held)
                count += 1
        return count

    return best(run)


def best(run: Callable[[], int]) -> float:
    """Highest rate of some rounds, per second of CPU time."""
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        count = run()
        rates.append(count / (time.process_time() - start))
    return max(rates)


def rates(
    news: Mapping[str, Sequence[Any]],
    empty: Callable[[str], Any],
    decide: Callable[[Any, Any], Any],
    encode: Callable[[Any], bytes],
    decode: Callable[[bytes], Any],
) -> tuple[float, float]:
    """(warm, cold) facts per CPU second."""
    before = {}
    for person, facts in news.items():
        state = empty(person)
        for fact in facts[:-LAST]:
            state = decide(state, fact)
        before[person] = state
    kept = {person: encode(state) for person, state in before.items()}

    def warm() -> int:
        count = 0
        for person, facts in news.items():
            state = before[person]
            for fact in facts[-LAST:]:
                state = decide(state, fact)
                count += 1
        return count

    def cold() -> int:
        count = 0
        for person, facts in news.items():
            body = kept[person]
            for fact in facts[-LAST:]:
                body = encode(decide(decode(body), fact))
                count += 1
        return count

    return best(warm), best(cold)


def measure(hub: InProcessHub, contracts: Path = ROOT / "contracts") -> dict[str, Any]:
    attributions, statuses = by_person(hub, "attributions"), by_person(hub, "statuses")
    policy, settings = policy_of(contracts), load(contracts)
    told = {p: [status_reading.read(f, hub.catalogue) for f in fs] for p, fs in attributions.items()}
    believed = {p: [alerts_reading.read(f, hub.catalogue) for f in fs] for p, fs in statuses.items()}
    of_status = rates(
        told,
        status_state.empty,
        lambda state, news: status.decide(state, news, policy)[0],
        status_state.encode,
        status_state.decode,
    )
    of_alerts = rates(
        believed,
        alerts_state.State,
        lambda state, news: alerts.decide(settings, state, news)[0],
        alerts_state.encode,
        alerts_state.decode,
    )
    floor = bare(attributions)
    names = ("status warm", "status cold", "alerts warm", "alerts cold")
    found = {name: round(rate) for name, rate in zip(names, (*of_status, *of_alerts), strict=True)}
    facts = sum(len(facts) for facts in told.values()) / len(told)
    ratios = {f"{name}, ratio": round(rate / floor, 3) for name, rate in found.items()}
    return {"people": len(told), "facts a person": round(facts, 1), "bare step": round(floor), **found, **ratios}


if __name__ == "__main__":
    print(json.dumps(measure(county(int(sys.argv[1]) if len(sys.argv) > 1 else 200)), indent=1))
