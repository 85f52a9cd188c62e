"""Weights from a file of rows, without truth: EM over pairs that blocking finds, beginning at the start model.

Three kinds of pairs are told apart: of one person, of strangers, of two members of a household. How strangers compare
is counted among pairs picked blindly and stays as it is.

Blocking finds the strangers that look alike, so that its pairs are no sample. Two things make up for that. Strangers
are expected as often as there are pairs of a record and a person at all, not as there are pairs that were found: which
ones blocking shows depends on nothing but what they show. And a pair agrees in what the pass that found it looks at,
whoever it is about: each kind of comparison is estimated only from pairs that some pass found without looking at it,
and a household's from those that share an address or a telephone. What a reader decided is known and not guessed. A
grade that is hardly seen keeps its weight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.matching.model import Grade, Model
from services.matching.train_pairs import RARITY_STEP_MILLIBITS, SHARED, Pairs, Pattern, rarities_of

#: Pairs (expected, of the class) that must show a grade, and that must compare the kind at all.
GRADE_PAIRS_MIN = 20
KIND_PAIRS_MIN = 200
ROUNDS_MAX = 60
#: EM ends when no weight moves by more.
STILL_MILLIBITS = 5
#: Of the pairs that are found, those of one person and those of a household, at the beginning.
SHARES = (0.3, 0.2)
#: Millibits of what cannot be.
NEVER = -1e9
SAME, STRANGER, HOUSEHOLD = "same", "stranger", "household"
Key = tuple[str, str]
Weights = dict[Key, float]


@dataclass(frozen=True, slots=True)
class Change:
    """One weight, old and new in millibits, and how many pairs speak for it. ``new`` None: kept, there were too few."""

    kind: str
    grade: str
    of: str
    old: int
    new: int | None
    pairs: int


@dataclass(frozen=True, slots=True)
class Trained:
    """``likelihood``: log2 of what was seen, in millibits a pair, at the beginning and at the end.

    ``found``: expected number of found pairs of one person, of strangers, of a household.
    """

    grades: Mapping[Key, Grade]
    changes: tuple[Change, ...]
    rounds: int
    likelihood: tuple[int, int]
    pairs: int
    blind_pairs: int
    reviewed: int
    found: tuple[int, int, int]


@dataclass(slots=True)
class _Counts:
    """Expected pairs by grade, and by kind."""

    grades: dict[Key, float]
    kinds: dict[str, float]
    spread: Mapping[str, bool]

    def add(self, pattern: Pattern, pairs: float, passes: frozenset[str] | None = None) -> None:
        """Where a kind has one grade only, it is there or not: of all pairs that names could be compared in."""
        for kind, grade, times in pattern.grades:
            if grade != "missing" and pattern.free(kind, passes):
                self.grades[kind, grade] += pairs * times
                self.kinds[kind] += pairs * times
        for kind, alone in self.spread.items():
            if alone and kind not in {name for name, _, _ in pattern.grades} and pattern.free(kind, passes):
                self.kinds[kind] += pairs

    def weights(self, start: Weights, kept: set[Key]) -> Weights:
        """``kept`` grows by what is hardly seen, and never shrinks: else a weight at the limit would go to and fro."""
        kept |= {key for key in start if not self._speaks(key)}
        return {
            key: weight if key in kept else 1000 * math.log2(self.grades[key] / self.kinds[key[0]])
            for key, weight in start.items()
        }

    def _speaks(self, key: Key) -> bool:
        return self.grades.get(key, 0) >= GRADE_PAIRS_MIN and self.kinds.get(key[0], 0) >= KIND_PAIRS_MIN


@dataclass(slots=True)
class _Step:
    """One round: what the weights make of every pair."""

    same: _Counts
    household: _Counts
    found: tuple[float, float, float]
    likelihood: float


def train(model: Model, pairs: Pairs, told: Callable[[int, int], None] = lambda round_, moved: None) -> Trained:
    """Raises ValueError where no pair was found. ``told`` hears of each round how far weights moved (millibits)."""
    counted = sorted(pairs.patterns.items(), key=lambda item: _in_order(item[0]))
    if not counted or not pairs.strangers.pairs:
        raise ValueError("no two records of it can be compared: there is nothing to train on")
    start = {of: _column(model, of) for of in (SAME, STRANGER, HOUSEHOLD)}
    strangers = _strangers(model, pairs, start[STRANGER])
    size, possible = sum(number for _, number in counted), float(pairs.possible)
    same, household = start[SAME], start[HOUSEHOLD]
    housed = SHARES[1] * size if pairs.households else 0.0
    first = step = _step(model, counted, same, strangers, household, (SHARES[0] * size, possible, housed))
    rounds, kept = 0, {SAME: set[Key](), HOUSEHOLD: set[Key]()}
    while rounds < ROUNDS_MAX:
        rounds += 1
        new_same, new_household = (
            step.same.weights(start[SAME], kept[SAME]),
            step.household.weights(start[HOUSEHOLD], kept[HOUSEHOLD]),
        )
        moved = max(_moved(same, new_same), _moved(household, new_household))
        same, household = new_same, new_household
        step = _step(model, counted, same, strangers, household, (step.found[0], possible, step.found[2]))
        told(rounds, round(moved))
        if moved <= STILL_MILLIBITS:
            break
    weights = {SAME: same, STRANGER: strangers, HOUSEHOLD: household}
    changes = tuple(_changes(model, pairs, step, weights, kept))
    return Trained(
        grades=_grades(model, changes),
        changes=changes,
        rounds=rounds,
        likelihood=(round(1000 * first.likelihood / size), round(1000 * step.likelihood / size)),
        pairs=size,
        blind_pairs=pairs.strangers.pairs,
        reviewed=pairs.reviewed_met,
        found=(round(step.found[0]), round(step.found[1]), round(step.found[2])),
    )


def _in_order(pattern: Pattern) -> tuple[object, ...]:
    return (pattern.grades, pattern.rarity, sorted(pattern.passes), str(pattern.same))


def _column(model: Model, of: str) -> Weights:
    return {key: float(getattr(row, of)) for key, row in model.grades.items()}


def _alone(model: Model) -> dict[str, bool]:
    """Kinds with one grade."""
    grades: dict[str, int] = defaultdict(int)
    for kind, _ in model.grades:
        grades[kind] += 1
    return {kind: number == 1 for kind, number in grades.items()}


def _strangers(model: Model, pairs: Pairs, start: Weights) -> Weights:
    """Counted, not guessed: the pairs were picked blindly. Of a grade ``by_value``: beside what chance would give."""
    out = dict(start)
    for (kind, grade), seen in pairs.strangers.grades.items():
        among = _among(model, pairs, kind, grade)
        if _speaks(pairs, kind, grade, seen) and among > 0:
            out[kind, grade] = 1000 * math.log2(seen / among)
    return out


def _among(model: Model, pairs: Pairs, kind: str, grade: str) -> float:
    """How often the grade would be seen if its weight were nothing."""
    if not model.grades[kind, grade].by_value:
        return float(_compared(model, pairs, kind))
    names = rarities_of(kind)
    return pairs.strangers.borne[kind, grade if grade in names else names[-1]] / 1e9


def _compared(model: Model, pairs: Pairs, kind: str) -> int:
    if _alone(model)[kind]:
        return pairs.strangers.pairs
    return sum(n for (of, grade), n in pairs.strangers.grades.items() if of == kind and grade != "missing")


def _speaks(pairs: Pairs, kind: str, grade: str, seen: int) -> bool:
    compared_ = sum(n for (of, g), n in pairs.strangers.grades.items() if of == kind and g != "missing")
    return grade != "missing" and seen >= GRADE_PAIRS_MIN and max(compared_, seen) >= KIND_PAIRS_MIN


def _step(
    model: Model,
    counted: Sequence[tuple[Pattern, int]],
    same: Weights,
    strangers: Weights,
    household: Weights,
    sizes: tuple[float, float, float],
) -> _Step:
    """``sizes``: pairs of one person, of strangers, of a household, whether found or not."""
    alone = _alone(model)
    of_same, of_household = (_Counts(defaultdict(float), defaultdict(float), alone) for _ in range(2))
    found, likelihood = [0.0, 0.0, 0.0], -(sizes[0] + sizes[2]) / math.log(2)
    logs = [1000 * math.log2(size) if size > 0 else NEVER for size in sizes]
    for pattern, number in counted:
        odds = [
            log + sum(weights[kind, grade] * times for kind, grade, times in pattern.grades)
            for log, weights in zip(logs, (same, strangers, household), strict=True)
        ]
        odds[1] -= pattern.rarity * RARITY_STEP_MILLIBITS
        if pattern.same is not None:
            odds = [odds[0], NEVER, NEVER] if pattern.same else [NEVER, *odds[1:]]
        top = max(odds)
        chances = [2 ** max(-300.0, (one - top) / 1000) for one in odds]
        whole = sum(chances)
        likelihood += number * (top / 1000 + math.log2(whole))
        expected = [number * chance / whole for chance in chances]
        found = [before + more for before, more in zip(found, expected, strict=True)]
        of_same.add(pattern, expected[0])
        of_household.add(pattern, expected[2], SHARED)
    return _Step(of_same, of_household, (found[0], found[1], found[2]), likelihood)


def _moved(old: Weights, new: Weights) -> float:
    return max(abs(new[key] - old[key]) for key in old)


def _changes(
    model: Model, pairs: Pairs, step: _Step, weights: Mapping[str, Weights], kept: Mapping[str, set[Key]]
) -> Iterator[Change]:
    for kind, grade in model.grades:
        if grade == "missing":
            continue
        for of in (SAME, STRANGER, HOUSEHOLD):
            old = getattr(model.grades[kind, grade], of)
            if of == STRANGER:
                seen = float(pairs.strangers.grades[kind, grade])
                speaks = _speaks(pairs, kind, grade, round(seen)) and _among(model, pairs, kind, grade) > 0
            else:
                counts = step.same if of == SAME else step.household
                seen = counts.grades[kind, grade]
                speaks = (kind, grade) not in kept[of]
            yield Change(kind, grade, of, old, round(weights[of][kind, grade]) if speaks else None, round(seen))


def _grades(model: Model, changes: Sequence[Change]) -> dict[Key, Grade]:
    out = dict(model.grades)
    for change in changes:
        if change.new is not None:
            row = out[change.kind, change.grade]
            match change.of:
                case "same":
                    row = replace(row, same=change.new)
                case "stranger":
                    row = replace(row, stranger=change.new)
                case _:
                    row = replace(row, household=change.new)
            out[change.kind, change.grade] = row
    return out
