"""Pairs of a register to train a model on (``train``): as blocking finds them, and picked blindly."""

from __future__ import annotations

import hashlib
from itertools import islice

from services.matching.register import Register
from services.matching.train_pairs import BLIND_PAIRS, Gathering, Pairs, pattern_of
from services.matching.weigh import Part

#: More pairs say no more about a few dozen weights.
PAIRS_MAX = 100_000
#: Passes over a further column look at it, and no pattern says at which: what they find is no sample of anything.
_FURTHER = frozenset("xz")


def register_pairs(register: Register) -> Pairs:
    """Of a register whose rows have been added. No truth is asked for."""
    register.begin()
    near = register.near()
    found = sorted(((one, other) for one, others in near.items() for other in others if one < other), key=_by_chance)
    gathering = Gathering(register.matcher, register.frequencies, {})
    pairs, groups = gathering.pairs, register.groups
    pairs.possible = len(groups) * (len(groups) - 1) // 2
    for one, other in found[:PAIRS_MAX]:
        passes = frozenset(key[0] for key in groups[one].keys & groups[other].keys) - _FURTHER
        pairs.patterns[pattern_of(register.matcher.model, _parts(register, one, other), passes)] += 1
    # Neighbours in an order of chance are strangers, but for one in as many as there are people.
    by_chance = sorted(groups, key=lambda name: _by_chance((name, "")))
    for step in range(1, 1 + min(BLIND_PAIRS, PAIRS_MAX // max(1, len(groups)))):
        for one, other in zip(by_chance, islice(by_chance, step, None), strict=False):
            gathering.count_stranger(next(iter(groups[one].faces)), _parts(register, one, other))
    return pairs


def _by_chance(pair: tuple[str, str]) -> bytes:
    return hashlib.sha256("\0".join(pair).encode()).digest()


def _parts(register: Register, one: str, other: str) -> list[Part]:
    parts: list[Part] = []
    register.compare(next(iter(register.groups[one].faces)), register.groups[other], parts)
    return [part for part in parts if (part.kind, part.grade) in register.matcher.model.grades]
