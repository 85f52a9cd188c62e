"""The rules, one file each, in the order in which a step raises them (POLICY 5.1)."""

from __future__ import annotations

from services.alerts.rules import (
    a01,
    a02,
    a03,
    a04,
    a05,
    a06,
    a07,
    a08,
    a09,
    a10,
    a11,
    a12,
    a13,
    a14,
    a15,
    a16,
    a17,
    a18,
    a19,
    a20,
    a21,
    a22,
    a23,
    a24,
    a25,
    a26,
    a27,
    a28,
    a29,
    a30,
    a31,
    a32,
    a33,
    a34,
    a35,
    a36,
    a37,
    a38,
    a39,
    a40,
    mr,
)
from services.alerts.rules.shape import Rule

_FIRST = (a30, a31, a02, a01, a03, a27, a05, a09, a10, a11, a12, a15, a16, a38)
_OTHERS = (mr, a36, a06, a07, a08, a13, a14, a17, a18, a19, a20, a21, a22, a23, a24)
_LAST = (a26, a28, a29, a32, a33, a34, a35, a37, a39, a40, a25, a04)

ORDER: tuple[Rule, ...] = tuple(module.RULE for module in (*_FIRST, *_OTHERS, *_LAST))
RULES: dict[str, Rule] = {rule.id: rule for rule in ORDER}

#: All that an unlinked record may raise (POLICY 5.2, held event).
HELD_ORDER: tuple[Rule, ...] = (mr.RULE, a36.RULE)
