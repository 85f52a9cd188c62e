"""Whether a step brought anything that views of standing alerts are made of. Pure; a view is costly, this is not."""

from __future__ import annotations

from services.alerts import consent
from services.alerts.calendar import DAY
from services.alerts.case import Case
from services.alerts.reading import Moved, News, Told
from services.alerts.sharing import Sharing
from services.alerts.state import State, facts_of


def different(case: Case, before: State, news: News, sharing: Sharing) -> bool:
    """Whether views of today may differ from those of ``before``."""
    seen = news.seen if isinstance(news, Told) else None
    return (
        isinstance(news, Moved)
        or (seen is not None and seen.type.startswith(("consent.", "sharing.")))
        or turned(case, before, sharing)
        or case.state.belief is not before.belief
        or taken_or_left(news)
        or looks_otherwise(case, before)
        or day_of_change(case, before)
    )


def allocated_otherwise(case: Case, before: State, news: News) -> bool:
    """Whether a case was allocated or given up with this fact, or by a day that has come since the last one."""
    if isinstance(news, Told) and news.seen is not None and news.seen.type.startswith("case."):
        return True
    since = (before.last_day or case.today) - DAY
    return any(since <= fact.effective_on <= case.today for fact in case.facts("case.assigned", "case.unassigned"))


def begun_by_a_fact(case: Case) -> bool:
    """Whether a fact told ahead of its day takes effect today, or did on a free day just before."""
    before = case.policy.calendar.on_or_before(case.today - DAY)
    return any(before < fact.effective_on <= case.today for fact in case.state.facts)


def turned(case: Case, before: State, sharing: Sharing) -> bool:
    """Whether days have passed on which a consent, an instruction or an agreement began or ended."""
    since, today = before.last_day, case.today
    if since is None or since >= today:
        return False
    turn = sharing.next_turn(since)
    return consent.turned(case, since) or (turn is not None and turn <= today)


def taken_or_left(news: News) -> bool:
    """A fact was taken back or went to somebody else: what is left may say less."""
    if not isinstance(news, Told):
        return False
    return news.cause == "withdrawn" or (news.seen is not None and news.seen.type == "event.retracted")


def day_of_change(case: Case, before: State) -> bool:
    """Whether the status or a priority group of today is not that of the last day decided on."""
    then = before.last_day
    if then is None or then == case.today:
        return False
    return case.belief.span(then) != case.belief.span(case.today) or any(
        case.marked(name, then) != case.marked(name) for name in case.policy.priority_groups
    )


def looks_otherwise(case: Case, before: State) -> bool:
    """Whether the person is named otherwise than before, or other kinds of fact are covered."""
    after = case.state
    if facts_of(after).sorts is facts_of(before).sorts and after.subjects is before.subjects:
        return False
    return looks(case) != looks(Case(before, case.today, case.policy))


def looks(case: Case) -> tuple[object, object]:
    """What a view is made of besides the belief: how the person is named, best namers first, and which agreements
    cover which kinds of fact."""
    return (
        [(s.source, s.type, s.agreement, s.fields) for s in case.namers],
        {(fact.source, fact.type, fact.agreement) for fact in case.sorts},
    )
