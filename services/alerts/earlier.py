"""What a recipient may read of what was believed at an earlier moment, by the gate of today. Pure.

Agreements, consents, masks and the person's choices are those of today, and so are the facts that they are asked
about: of days whose source has no fact left that today's gate covers nothing is shown. Names and addresses are not told
as they were: they are those of today, and asked for without a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from services.alerts import masks, words
from services.alerts.belief import Belief, Span
from services.alerts.case import Case
from services.alerts.disclosure import Line, View, code_label, joined
from services.alerts.sharing import Sharing
from services.alerts.sight import Sight
from services.alerts.state import Alert, Recipient


def believed(case: Case, recipient: Recipient, sharing: Sharing, belief: Belief, on: date, until: date) -> View:
    """Status of the day ``on`` and timeline up to ``until``, the day of knowing, as ``belief`` has them."""
    eyes = Sight(case, Alert("", "", "", case.today, case.today, "", 0, ()), recipient, sharing)
    if "status" not in eyes.mask or not eyes.knows_status():
        return View(headline="", policy=sharing.digest)
    lines, timeline = tuple(_lines(eyes, belief, on)), joined(eyes, belief, until, _label)
    relied = tuple(sorted(agreement for agreement in eyes.relied if agreement))
    return View("", lines, timeline=timeline, agreements=relied, policy=sharing.digest)


def _label(eyes: Sight, span: Span) -> str:
    """As ``code_label``, where something is still held of whoever told of these days, and of the kind it is."""
    facts = eyes.case.state.facts
    held = not span.source or any(fact.source == span.source for fact in facts)
    if span.group == "CUSTODY":
        held = held and any(masks.category_of(fact.type) == "youth_justice" for fact in facts)
    return code_label(eyes, span) if held else words.NOT_SHOWN


def _lines(eyes: Sight, belief: Belief, on: date) -> Iterator[Line]:
    span = belief.span(on)
    label = words.GROUPS["NOT_KNOWN"] if span is None else _label(eyes, span)
    yield Line("Status", label, "status")
    if span is not None and label != words.NOT_SHOWN:
        yield Line("Since", words.day(span.start), "status")
    groups = [name for name in eyes.case.policy.priority_groups if belief.marked(name, on) is not None]
    kinds = {masks.category_of(fact.type) for fact in eyes.case.state.facts}
    # By name only where a fact of that category is still held: of what is gone no agreement can be asked.
    named = [name for name in groups if masks.GROUP_TELLS[name] in kinds and eyes.stands(masks.GROUP_TELLS[name])]
    if named:
        text = words.sentence_case(words.listed([words.GROUP_NAMES[name] for name in named]))
        yield Line("Priority", text, masks.GROUP_TELLS[named[0]])
    elif groups:
        yield Line("Priority", "Priority group", "status")
