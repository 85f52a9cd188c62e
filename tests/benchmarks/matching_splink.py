"""Splink 5 beside our matching: the same rows, the same measures (dependency group ``evaluation``).

On generated data Splink reads values as our own normalising gives them, so that only deciding is compared, and it is
told which rows are one source's record: ours knows that too. On the historical records and on FEBRL it is set after its
own tutorials (``matching_splink_tutorial``). The threshold is the one that gave its best F1 on other data of the same
kind: seed ``TUNING_SEED`` for each difficulty, the tuning half of the historical records, FEBRL 2.
``python tests/benchmarks/matching_splink.py`` finds the thresholds anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import matching_febrl as febrl  # noqa: E402
import matching_history as history  # noqa: E402
import matching_splink_tutorial as tutorial  # noqa: E402
from matching_history import TUNE, Unavailable, records  # noqa: E402
from matching_records import DIFFICULTIES, population  # noqa: E402

from services.matching.bulk import Resolved, RowRefused, observation_of  # noqa: E402
from services.matching.identity import STRONG  # noqa: E402
from services.matching.measures import Measured, Placed, measure  # noqa: E402

TUNING_SEED = 500
#: What the records hold and only Splink is told: ours has no column for it.
EXTRA = {"historical": history.EXTRA, **dict.fromkeys((*febrl.SETS, febrl.TUNE), (febrl.EXTRA,))}
#: Match weight (bits) of Splink's best F1 across sources on the tuning data.
THRESHOLDS = {"easy": 21.5, "medium": 21.5, "hard": 18.5, "historical": 2.0, "febrl3": 4.0, "febrl4": 4.0}
#: The same where it is told ``EXTRA``.
THRESHOLDS_TOLD = {"historical": 5.0, "febrl3": 0.0, "febrl4": 0.0}
#: Edges below are never looked at.
LEAST_WEIGHT = -4.0
RANDOM_PAIRS = 2e7
SEED = 1

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of row numbers with Splink's match weight (bits), heaviest first, and what it cost (seconds)."""

    pairs: tuple[tuple[float, int, int], ...]
    cpu: float
    wall: float


def prepared(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as our normalising reads them; ``unique_id`` is the row's place."""
    out = []
    for number, row in enumerate(rows):
        try:
            seen = observation_of(row, number)
        except RowRefused:
            seen = observation_of({**row, "date_of_birth": "", "source_ref": row["event_id"]}, number)
        identity, name = seen.identity, seen.identity.names[0]
        given, family = name.given, name.family
        born = identity.born
        out.append(
            {
                "unique_id": number,
                "given": given.first if given else None,
                "middle": given.others[0] if given and given.others else None,
                "family": family.joined if family else None,
                "halves": [*family.halves, family.joined] if family else None,
                "born": born.isoformat() if born else None,
                "postcode": identity.postcode,
                "address": identity.address,
                "phone": identity.phone,
                "email": identity.email,
                **dict(zip(STRONG, identity.numbers, strict=True)),
            }
        )
    return out


def scored(rows: Sequence[Row], name: str, extra: Sequence[str] = ()) -> Edges:
    """All pairs that Splink weighs, set for the data of this name. Raises Unavailable."""
    try:
        import pyarrow
        from splink import DuckDBAPI, Linker, SettingsCreator
    except ImportError as error:
        raise Unavailable("splink and pyarrow are not installed: pip install --group evaluation") from error
    cpu, wall = time.process_time(), time.perf_counter()
    if name in tutorial.SETTINGS:
        table, setting = tutorial.table(rows, extra), tutorial.SETTINGS[name](extra)
    else:
        table, setting = ours(rows)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=setting.comparisons,
        blocking_rules_to_generate_predictions=setting.blockings,
        retain_matching_columns=False,
    )
    linker = Linker(DuckDBAPI().register(pyarrow.Table.from_pylist(table)), settings, log_level=None)
    train(linker, setting)
    found = linker.inference.predict(threshold_match_weight=LEAST_WEIGHT).as_pyarrow_table()
    columns = [found.column(name).to_pylist() for name in ("match_weight", "unique_id_l", "unique_id_r")]
    pairs = sorted(zip(*columns, strict=True), key=lambda pair: (-pair[0], pair[1], pair[2]))
    return Edges(tuple(pairs), time.process_time() - cpu, time.perf_counter() - wall)


def ours(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], tutorial.Setting]:
    """Generated rows as our normalising reads them, and a setting for all their columns."""
    from splink import block_on

    table = prepared(rows)
    filled = {column for column in table[0] if any(row[column] is not None for row in table)}
    numbers = [column for column in STRONG if column in filled]
    rules = [block_on("born"), block_on("given", "family")]
    setting = tutorial.Setting(
        comparisons=comparisons(filled, numbers),
        blockings=blockings(filled, numbers),
        sure=[block_on(column) for column in numbers] + [block_on("given", "family", "born")],
        recall=0.8,
        training=rules + [block_on(column) for column in ("upn", "postcode") if column in filled],
    )
    return [{column: row[column] for column in row if column in filled} for row in table], setting


def comparisons(filled: set[str], numbers: Sequence[str]) -> list[Any]:
    import splink.comparison_level_library as levels
    import splink.comparison_library as library

    def exact(column: str) -> Any:
        return levels.ExactMatchLevel(column, term_frequency_adjustments=True)

    initial = "(length(given_l) = 1 or length(given_r) = 1) and given_l[1] = given_r[1]"
    crossed = levels.ColumnsReversedLevel("given", "family", symmetrical=True)
    given = [
        levels.NullLevel("given"),
        exact("given"),
        crossed,
        levels.JaroWinklerLevel("given", 0.92),
        levels.JaroWinklerLevel("given", 0.88),
        levels.CustomLevel(initial, "initial"),
    ]
    if "middle" in filled:
        given.append(levels.CustomLevel("given_l = middle_r or middle_l = given_r", "middle name in use"))
    given += [levels.JaroWinklerLevel("given", 0.7), levels.ElseLevel()]
    family = [
        levels.NullLevel("family"),
        exact("family"),
        levels.ColumnsReversedLevel("family", "given", symmetrical=True),
        levels.JaroWinklerLevel("family", 0.92),
        levels.ArrayIntersectLevel("halves", 1),
        levels.JaroWinklerLevel("family", 0.88),
        levels.JaroWinklerLevel("family", 0.7),
        levels.ElseLevel(),
    ]
    born = library.DateOfBirthComparison("born", input_is_string=True).configure(term_frequency_adjustments=True)
    out = [library.CustomComparison(given, "given"), library.CustomComparison(family, "family"), born]
    home: list[Any] = [exact("address")] if "address" in filled else []
    if "postcode" in filled:
        home += [exact("postcode"), levels.CustomLevel("left(postcode_l, 4) = left(postcode_r, 4)", "postcode area")]
    if home:
        either = "(postcode_l is null or postcode_r is null)" if "postcode" in filled else "true"
        also = "(address_l is null or address_r is null)" if "address" in filled else "true"
        null = levels.CustomLevel(f"{either} and {also}", "no home").configure(is_null_level=True)
        out.append(library.CustomComparison([null, *home, levels.ElseLevel()], "home"))
    out += [
        library.ExactMatch(column).configure(term_frequency_adjustments=True)
        for column in ("phone", "email")
        if column in filled
    ]
    return [*out, *(library.ExactMatch(column) for column in numbers)]


def blockings(filled: set[str], numbers: Sequence[str]) -> list[Any]:
    from splink import block_on

    rules = [block_on(column) for column in numbers]
    rules += [
        block_on("born", "substr(family,1,2)"),
        block_on("born", "substr(given,1,2)"),
        block_on("given", "family", "substr(born,1,4)"),
        block_on("given", "family", "substr(born,6,5)"),
        block_on("substr(given,1,3)", "substr(family,1,3)", "substr(born,1,7)"),
    ]
    keyed = {"postcode": ("family", "born", "given"), "address": ("given",), "phone": ("given", "born")}
    keyed["email"] = ("given", "born")
    rules += [block_on(column, other) for column, others in keyed.items() if column in filled for other in others]
    return rules


def train(linker: Any, setting: tutorial.Setting) -> None:
    """The prior from sure rules, u from random pairs, m by EM on several blockings."""
    linker.training.estimate_probability_two_random_records_match(setting.sure, recall=setting.recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=SEED, min_count_per_level=None)
    for rule in setting.training:
        linker.training.estimate_parameters_using_expectation_maximisation(rule, max_pairs=2e6)


def version() -> str:
    return metadata.version("splink")


class Components:
    """Connected components, as Splink's own clustering: the smallest row number names a component."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def root(self, at: int) -> int:
        while self.parent[at] != at:
            self.parent[at] = self.parent[self.parent[at]]
            at = self.parent[at]
        return at

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parent[high] = low


def references(rows: Iterable[Row]) -> Iterator[tuple[int, int]]:
    """Pairs of rows under one reference of one source."""
    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        if row.get("source_ref"):
            known = first.setdefault((row["source"], row["source_ref"]), number)
            if known != number:
                yield known, number


def clustered(rows: Sequence[Row], edges: Edges, threshold: float) -> list[Resolved]:
    """Where Splink puts every row at a threshold (match weight, bits)."""
    components = Components(len(rows))
    for one, other in references(rows):
        components.join(one, other)
    for weight, one, other in edges.pairs:
        if weight < threshold:
            break
        components.join(one, other)
    return [
        Resolved(row["event_id"], f"s{components.root(number)}", "link", None, None) for number, row in enumerate(rows)
    ]


def scan(rows: Sequence[Row], placed: Sequence[Placed], edges: Edges) -> list[tuple[float, Measured]]:
    """The measures over the threshold, half a bit apart."""
    plain = [replace(row, groups=()) for row in placed]
    out = []
    for half in range(math.ceil(LEAST_WEIGHT * 2), 61):
        put = clustered(rows, edges, half / 2)
        of = measure([replace(row, person=to.person_id) for row, to in zip(plain, put, strict=True)])
        out.append((half / 2, of))
    return out


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=20_000)
    ask.add_argument("--seed", type=int, default=TUNING_SEED)
    every = (*DIFFICULTIES, "historical", febrl.TUNE)
    ask.add_argument("--only", choices=every, action="append")
    asked = ask.parse_args()
    for name in asked.only or every:
        rows, placed, data = tuning(name, asked.people, asked.seed)
        for extra in ((), EXTRA[name]) if name in EXTRA else ((),):
            edges = scored(rows, name, extra)
            curve = scan(rows, placed, edges)
            threshold, best = max(curve, key=lambda point: point[1].cross_source.f1)
            told = {
                "data": data,
                "told": extra,
                "threshold": threshold,
                "cpu_seconds": round(edges.cpu, 1),
                "wall_seconds": round(edges.wall, 1),
                "edges": len(edges.pairs),
                **figures(best),
            }
            print(json.dumps(told), flush=True)
    return 0


def tuning(name: str, people: int, seed: int) -> tuple[list[dict[str, str]], list[Placed], str]:
    """Rows to choose a threshold on, each beside its truth. Raises Unavailable."""
    if name in DIFFICULTIES:
        made = population(seed, people, DIFFICULTIES[name])
        alone = [Resolved(row["event_id"], row["event_id"], "new", None, None) for row in made.rows]
        return made.rows, made.placed(alone), f"{name}, {people} people, seed {seed}"
    pairs = list(records(TUNE) if name == "historical" else febrl.records(name))
    placed = [Placed(cluster, row["event_id"], row["source"]) for row, cluster in pairs]
    return [row for row, _ in pairs], placed, name


def figures(of: Measured) -> dict[str, Any]:
    return {
        "records": of.records,
        "f1_across_sources": round(of.cross_source.f1, 4),
        "precision": round(of.cross_source.precision, 4),
        "recall": round(of.cross_source.recall, 4),
        "b_cubed": round(of.b_cubed.f1, 4),
        "false_merges_per_10000": round(of.false_merges_per_10000, 1),
        "twins": f"{of.twins.merged} of {of.twins.pairs}",
    }


if __name__ == "__main__":
    raise SystemExit(main())
