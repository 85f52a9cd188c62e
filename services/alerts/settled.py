"""When a person's state is settled: no rule has anything to say until a day, under the settings of then.

Unless a fact that it reads comes, the belief changes or a person acts: so most facts ask only the few rules that read
them. Pure.
"""

from __future__ import annotations

from datetime import date

from services.alerts import due
from services.alerts.case import Case
from services.alerts.reading import Moved, News, Told
from services.alerts.state import State

#: Kinds of fact that the step itself reads, so that each may change what any rule says.
_FOR_EVERY_RULE = frozenset(
    {"alert.outcome_recorded", "circumstance.died", "circumstance.moved_abroad", "event.retracted"}
)


def moved_by_one_kind(settings: str, before: State, after: State, news: News, today: date) -> str:
    """The kind of fact that alone is new to a settled state: rules that do not read it say what they said, nothing.

    Empty where every rule must be asked: by a tick, a worker, a policy that moves, another belief or other rules; when
    a fact was taken back or came again; and for kinds that end a whole case or speak of alerts.
    """
    if not isinstance(news, Told) or news.seen is None or news.cause != "observed" or before.settled is None:
        return ""
    until, name = before.settled
    kind = news.seen.type
    one_more = len(after.facts) == len(before.facts) + 1
    if not one_more or today >= until or name != settings or kind in _FOR_EVERY_RULE:
        return ""
    return kind if after.belief is before.belief and after.reviews is before.reviews else ""


def settled_until(settings: str, case: Case, before: State, news: News, moved_by: str) -> tuple[date, str] | None:
    """Until when no rule has anything to say, after a step that brought nothing about and left nothing open."""
    if case.state.belief is None:
        return None
    if isinstance(news, Moved):
        return case.state.settled
    if moved_by and before.settled is not None:
        return due.with_fact(case, before.settled[0], moved_by), settings
    return due.due_on(case), settings
