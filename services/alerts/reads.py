"""Which kinds of fact can move a rule: found in the rule's own code, so that no list can be forgotten.

A rule asks its case for facts by names that stand as text in its functions, in what those call and in the constants
that they name. All of these count, whether or not they are ever asked for: too many cost time, one too few would be an
alert that comes late. ``tests/alerts/test_settled.py`` holds what rules ask for in all examples and stories against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType

from services.alerts.rules import HELD_ORDER, ORDER
from services.alerts.rules.shape import Rule, no_days

_NAME_OF_A_KIND = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")
#: Whoever names one of these may look at facts of any kind: at all that are held, or at kinds that the policy lists.
_ANY_KIND = frozenset({"state", "safeguarding_types"})
_OURS = "services.alerts."


@lru_cache(maxsize=64)
def reads(rule: Rule) -> frozenset[str] | None:
    """Kinds of fact that ground, closing, replacement or timers of ``rule`` may ask for; None: it may be any."""
    found: set[str] = set()
    waiting: list[object] = [rule.ground, rule.closing, rule.replaced, rule.timers]
    known: set[FunctionType] = set()
    while waiting:
        function = waiting.pop()
        assert isinstance(function, FunctionType), "a rule is made of plain functions"
        if function in known:
            continue
        known.add(function)
        for code in _codes(function.__code__):
            if not _ANY_KIND.isdisjoint(code.co_names):
                return None
            found |= _kinds(code.co_consts)
            for value in _named(code, function):
                if isinstance(value, FunctionType) and value.__module__.startswith(_OURS):
                    waiting.append(value)
                else:
                    found |= _kinds(value)
    return frozenset(found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of what is written within it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)


def _named(code: CodeType, function: FunctionType) -> Iterator[object]:
    """What the names in ``code`` stand for: globals, and what is asked of our own modules."""
    held = [function.__globals__[name] for name in code.co_names if name in function.__globals__]
    for value in held:
        if isinstance(value, ModuleType) and value.__name__.startswith(_OURS):
            yield from (vars(value)[name] for name in code.co_names if name in vars(value))
        else:
            yield value


def _kinds(value: object) -> set[str]:
    if isinstance(value, str):
        return {value} if _NAME_OF_A_KIND.fullmatch(value) else set()
    if isinstance(value, tuple | list | set | frozenset):
        return {kind for item in value for kind in _kinds(item)}
    return set()


def moved_by(rule: Rule, kind: str) -> bool:
    """Whether a fact of this kind can change what ``rule`` says."""
    kinds = reads(rule)
    return kinds is None or kind in kinds


@lru_cache(maxsize=1024)
def movable(kind: str) -> frozenset[str]:
    """The rules, by id, that must be asked when a fact of this kind comes: those that it can move, and those that an
    event raises, whichever it is: what the days since have brought about for them, no tick was to say."""
    return frozenset(rule.id for rule in ORDER if rule.by_event or moved_by(rule, kind))


@lru_cache(maxsize=4096)
def wanting(held: frozenset[str], believed: frozenset[str] | None) -> tuple[Rule, ...]:
    """The rules, in their order, that want nothing or a kind of fact that is held, and rest on nothing or on what is
    believed (``Belief.kinds``): others have no ground.

    None is believed of a record that is not linked to anybody yet: only the rules for held events.
    """
    if believed is None:
        return tuple(rule for rule in HELD_ORDER if _wanted(rule, held))
    return tuple(
        rule for rule in ORDER if _wanted(rule, held) and (not rule.rests_on or not rule.rests_on.isdisjoint(believed))
    )


def _wanted(rule: Rule, held: frozenset[str]) -> bool:
    return not rule.wants or not rule.wants.isdisjoint(held)


@lru_cache(maxsize=4096)
def moving(held: frozenset[str], believed: frozenset[str] | None, kind: str) -> tuple[tuple[int, Rule], ...]:
    """Those of ``wanting`` that must be asked when a fact of this kind comes, with their places among them."""
    return tuple((place, rule) for place, rule in enumerate(wanting(held, believed)) if rule.id in movable(kind))


@lru_cache(maxsize=4096)
def timing(held: frozenset[str]) -> tuple[Rule, ...]:
    """The rules that name days of their own, of those that want nothing or a kind of fact that is held."""
    return tuple(rule for rule in ORDER if _wanted(rule, held) and rule.timers is not no_days)


@lru_cache(maxsize=1024)
def timed(kind: str) -> tuple[Rule, ...]:
    """The rules that a fact of this kind can move and that name days of their own."""
    return tuple(rule for rule in ORDER if rule.id in movable(kind) and rule.timers is not no_days)
