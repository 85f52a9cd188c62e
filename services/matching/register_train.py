"""Pairs of a register to train a model on (``train``): as blocking finds them, and picked blindly."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import islice

from services.matching.register import Register
from services.matching.train_pairs import BLIND_PAIRS, Gathering, Pairs, pattern_of
from services.matching.weigh import Part

#: More pairs say no more about a few dozen weights.
PAIRS_MAX = 100_000
#: First letters of keys from further columns, whose names follow.
_FURTHER = frozenset("uvxz")


def register_pairs(register: Register) -> Pairs:
    """Of a register whose rows have been added. No truth is asked for."""
    register.begin()
    near = register.near()
    found = sorted(((one, other) for one, others in near.items() for other in others if one < other), key=_by_chance)
    gathering = Gathering(register.matcher, register.frequencies, {})
    pairs, groups = gathering.pairs, register.groups
    pairs.possible = _pairs_of(len(groups))
    pairs.households = register.settings.households
    if register.settings.once:
        pairs.possible -= sum(
            map(_pairs_of, Counter(source for of in groups.values() for source in of.sources).values())
        )
    for one, other in found[:PAIRS_MAX]:
        keys = groups[one].keys & groups[other].keys
        passes = frozenset(_pass(key) for key in keys if register.settings.slips or key[0] not in _FURTHER)
        pairs.patterns[pattern_of(register.matcher.model, _parts(register, one, other), passes)] += 1
    # Neighbours in an order of chance are strangers, but for one in as many as there are people.
    by_chance = sorted(groups, key=lambda name: _by_chance((name, "")))
    for step in range(1, 1 + min(BLIND_PAIRS, PAIRS_MAX // max(1, len(groups)))):
        for one, other in zip(by_chance, islice(by_chance, step, None), strict=False):
            gathering.count_stranger(next(iter(groups[one].faces)), _parts(register, one, other))
    return pairs


def _pass(key: str) -> str:
    """``x:occupation``; ``u:birth_place:occupation``, where a key is of two columns."""
    if key[0] == "u":
        return ":".join(["u", *(part.partition("=")[0] for part in key[1:].split(":"))])
    return f"{key[0]}:{key[1:].partition(':')[0]}" if key[0] in _FURTHER else key[0]


def _pairs_of(number: int) -> int:
    return number * (number - 1) // 2


def _by_chance(pair: tuple[str, str]) -> bytes:
    return hashlib.sha256("\0".join(pair).encode()).digest()


def _parts(register: Register, one: str, other: str) -> list[Part]:
    parts: list[Part] = []
    register.compare(next(iter(register.groups[one].faces)), register.groups[other], parts)
    return [part for part in parts if (part.kind, part.grade) in register.matcher.model.grades]
