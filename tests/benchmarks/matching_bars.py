"""What matching reaches next to the bars it is held to: ``python tests/benchmarks/matching_bars.py --people 20000``.

Generated populations (easy, medium, hard), the test half of the historical records, FEBRL 3 and 4. Seeds from 900 on
are for reports alone; whoever chooses weights uses others. ``--beside splink`` measures Splink on the same rows in the
same run, ``--opened`` what the engine does on the historical records and FEBRL where the policy does not bind (ADR 22).
Exit 0 if every bar that was measured is met, 1 if one is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import matching_febrl as febrl  # noqa: E402
import matching_opened as opened  # noqa: E402
import matching_splink as splink  # noqa: E402
from matching_history import TEST, Unavailable, records  # noqa: E402
from matching_names import real_frequencies  # noqa: E402
from matching_records import DIFFICULTIES, population  # noqa: E402

from services.matching.agent import MODEL, matcher_of  # noqa: E402
from services.matching.bulk import Bulk, Resolved, RowRefused  # noqa: E402
from services.matching.measures import Measured, Placed, answered, curve, measure  # noqa: E402
from services.matching.search import WEIGHABLE, Matcher  # noqa: E402

#: The first seed that no weights were chosen on.
SEED = 900
MANY = 500_000


@dataclass(frozen=True, slots=True)
class Bar:
    """``least``: the figure must be at least ``wanted``, else at most."""

    measure: str
    wanted: float
    least: bool

    def met(self, reached: float) -> bool:
        return reached >= self.wanted if self.least else reached <= self.wanted


F1, RECALL, B3 = "F1 across sources", "recall across sources", "B³ F1"
MERGES, TWINS, REVIEW = "false merges per 10,000 people", "twins merged", "review share"
BARS: dict[str, tuple[Bar, ...]] = {
    "easy": (Bar(F1, 0.998, True),),
    "medium": (Bar(F1, 0.995, True), Bar(MERGES, 12, False), Bar(TWINS, 0.01, False), Bar(REVIEW, 0.01, False)),
    "hard": (Bar(F1, 0.982, True), Bar(MERGES, 45, False)),
    "many": (Bar(RECALL, 0.95, True), Bar(MERGES, 12, False), Bar(REVIEW, 0.03, False)),
    "historical": (Bar(F1, 0.92, True), Bar(B3, 0.93, True)),
    **dict.fromkeys(febrl.SETS, (Bar(F1, 0.9999, True),)),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """A bar beside what was measured: while reviews wait, and with every review answered rightly."""

    data: str
    measure: str
    wanted: str
    waits: float
    answered: float
    met: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What another matcher, or ours without the policy, reaches on the same rows. Seconds hold reading, training,
    weighing and clustering."""

    name: str
    figures: Mapping[str, float]
    cpu_seconds: float
    wall_seconds: float
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One resolution of one set of data."""

    data: str
    records: int
    people: int
    rows_per_second: int
    reached: tuple[Reached, ...]
    groups: tuple[str, ...]
    trade: str
    beside: tuple[Beside, ...] = ()


def figures(of: Measured) -> Mapping[str, float]:
    twins = of.twins.merged / of.twins.pairs if of.twins.pairs else 0.0
    return {
        F1: of.cross_source.f1,
        RECALL: of.cross_source.recall,
        B3: of.b_cubed.f1,
        MERGES: of.false_merges_per_10000,
        TWINS: twins,
        REVIEW: of.review_share,
    }


def compare(data: str, placed: list[Placed], bars: Iterable[Bar], seconds: float) -> Run:
    waits, after = measure(placed), measure(answered(placed))
    now, then = figures(waits), figures(after)
    reached = tuple(
        Reached(
            data,
            bar.measure,
            f"{'≥' if bar.least else '≤'} {bar.wanted:g}",
            now[bar.measure],
            then[bar.measure],
            bar.met(now[bar.measure]),
        )
        for bar in bars
    )
    groups, speed = groups_of(waits), round(len(placed) / seconds)
    return Run(data, waits.records, waits.people, speed, reached, groups, _trade(placed, waits))


def groups_of(of: Measured) -> tuple[str, ...]:
    return tuple(
        f"{g.name} {g.value}: {g.people} people, precision {g.pairs.precision:.4f}, recall {g.pairs.recall:.4f}, "
        f"mixed {g.mixed_per_10000:.1f} per 10,000, review {g.review_share:.2%}"
        for g in of.groups
    )


def _trade(placed: list[Placed], of: Measured) -> str:
    """The best recall that the weights alone would give with no more than a number of false merges."""
    out = []
    points = curve(placed, 1_000)
    for limit in (4, 12, 45):
        good = [p for p in points if p.false_merges * 10_000 <= limit * of.people]
        if good:
            out.append(f"≤ {limit} per 10,000: recall {good[-1].pairs.recall:.4f} at {good[-1].threshold} millibits")
    return "; ".join(out) or "none"


def generated(name: str, people: int, seed: int, matcher: Matcher, beside: bool) -> Run:
    """Raises Unavailable."""
    made = population(seed, people, DIFFICULTIES[name])
    resolved, seconds = _resolve(made.rows, matcher)
    bars = BARS["many"] if people >= MANY and name == "medium" else BARS[name]
    run = compare(f"{name}, {people} people, seed {seed}", made.placed(resolved), bars, seconds)
    return replace(run, beside=(splinked(made.rows, made.placed(resolved), name),)) if beside else run


def recorded(name: str, matcher: Matcher, beside: bool, alone: bool) -> Run:
    """The historical records or a set of FEBRL. Raises Unavailable."""
    pairs = list(records(TEST) if name == "historical" else febrl.records(name))
    rows, truth = [row for row, _ in pairs], {row["event_id"]: cluster for row, cluster in pairs}
    resolved, seconds = _resolve(rows, matcher)
    placed = [
        Placed(truth[r.event_id], r.person_id, r.event_id, r.decision, r.weight_millibits, r.candidates)
        for r in resolved
    ]
    data = "historical_50k, test half" if name == "historical" else name
    run = compare(data, placed, BARS[name], seconds)
    others: list[Beside] = []
    for extra in ((), opened.EXTRA[name]):
        if alone:
            others.append(decided_alone(name, pairs, extra))
        if beside:
            others.append(splinked(rows, placed, name, extra))
    return replace(run, beside=tuple(others))


def decided_alone(name: str, rows: opened.Rows, extra: Sequence[str]) -> Beside:
    """Raises Unavailable."""
    cpu, wall = time.process_time(), time.perf_counter()
    of = measure(opened.decided(name, rows, extra))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    named = f"opened, told {' and '.join(extra)}" if extra else "opened"
    return Beside(named, figures(of), round(cpu, 1), round(wall, 1), groups_of(of))


def splinked(
    rows: Sequence[Mapping[str, str]], placed: Sequence[Placed], name: str, extra: Sequence[str] = ()
) -> Beside:
    """Raises Unavailable."""
    cpu, wall = time.process_time(), time.perf_counter()
    threshold = (splink.THRESHOLDS_TOLD if extra else splink.THRESHOLDS)[name]
    put = splink.clustered(rows, splink.scored(rows, name, extra), threshold)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    of = measure([replace(row, person=to.person_id, decision=to.decision) for row, to in zip(placed, put, strict=True)])
    named = f"Splink {splink.version()} from {threshold:g} bits on"
    if extra:
        named += f", told {' and '.join(extra)}"
    return Beside(named, figures(of), round(cpu, 1), round(wall, 1), groups_of(of))


def _resolve(rows: Iterable[Mapping[str, str]], matcher: Matcher) -> tuple[list[Resolved], float]:
    bulk, out, begun = Bulk(matcher), [], time.process_time()
    for row in rows:
        try:
            out.append(bulk.resolve(row))
        except RowRefused:
            # A row without a readable date still counts: it is matched without it.
            out.append(bulk.resolve({**row, "date_of_birth": "", "source_ref": row["event_id"]}))
    return out, max(time.process_time() - begun, 1e-9)


def show(run: Run) -> None:
    print(f"\n{run.data}: {run.records} records of {run.people} people, {run.rows_per_second} records/s of CPU time")
    for of in run.reached:
        verdict = "met" if of.met else "NOT met"
        print(f"  {of.measure:32} {of.wanted:>9}  {of.waits:9.4f}  (answered {of.answered:.4f})  {verdict}")
    print(f"  by weight alone, {run.trade}")
    for line in run.groups:
        print(f"    {line}")
    for other in run.beside:
        print(f"  {other.name}: {other.cpu_seconds} s of CPU time, {other.wall_seconds} s on the clock")
        for name, figure in other.figures.items():
            if name != REVIEW:
                print(f"    {name:32} {figure:9.4f}")
        for line in other.groups:
            print(f"      {line}")


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=20_000)
    ask.add_argument("--seed", type=int, default=SEED)
    ask.add_argument("--model", type=Path, default=MODEL)
    ask.add_argument("--only", choices=(*DIFFICULTIES, "historical", *febrl.SETS), action="append")
    ask.add_argument("--beside", choices=("splink",), help="measure this matcher on the same rows, too")
    ask.add_argument("--opened", action="store_true", help="measure what the engine does without the policy, too")
    ask.add_argument("--weighed", action="store_true", help="let the weights answer I7 and I8, too (ADR 12)")
    ask.add_argument("--json", action="store_true", help="print one JSON document")
    asked = ask.parse_args()
    matcher = matcher_of(ROOT / "contracts", asked.model)[0]
    if asked.weighed:
        matcher = replace(matcher, weighed=WEIGHABLE)
    names = asked.only or [*DIFFICULTIES, "historical", *febrl.SETS]
    runs: list[Run] = []
    for name in names:
        beside = asked.beside is not None
        try:
            if name in DIFFICULTIES:
                run = generated(name, asked.people, asked.seed, matcher, beside)
            else:
                run = recorded(name, matcher, beside, asked.opened)
        except Unavailable as reason:
            print(f"{name}: skipped, {reason}", file=sys.stderr)
            continue
        runs.append(run)
        if not asked.json:
            show(run)
    if asked.json:
        print(json.dumps({"real_names": real_frequencies(), "runs": [asdict(run) for run in runs]}, indent=1))
    elif not real_frequencies():
        print("\nwithout the evaluation data: surnames are made up")
    return 0 if all(of.met for run in runs for of in run.reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
