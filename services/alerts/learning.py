"""What a state holds once a fact has come, before anything is concluded from it."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from services.alerts.breaches import breached
from services.alerts.reading import Acted, Breached, Moved, News, Ticked, Told
from services.alerts.state import State, with_copy, with_fact, without_fact


def learn(state: State, news: News) -> State:
    """The state with what the news brings, before anything is concluded. What it does not change stays the object that
    it was."""
    match news:
        case Ticked() | Acted() | Moved():
            return state
        case Told():
            since = (state.until_whole or state) if news.more else None
            told = _told(state, news)
            return told if told.until_whole is since else replace(told, until_whole=since)
        case Breached():
            return breached(state, news)
        case _:
            assert_never(news)


def _told(state: State, news: Told) -> State:
    if news.belief is not None and news.belief != state.belief:
        state = replace(state, belief=news.belief)
    if news.cause == "review_opened" and news.review_id:
        state = replace(state, reviews={**state.reviews, news.review_id: news.safeguarding})
    if news.cause == "review_closed" and news.review_id:
        state = replace(state, reviews={k: v for k, v in state.reviews.items() if k != news.review_id})
    if news.cause == "withdrawn":
        return replace(without_fact(state, news.observation_id), moved_to=news.other_person or "")
    if news.cause in ("observed", "held", "released") and news.seen is not None:
        return with_fact(state, news.seen, news.subject)
    if news.cause == "duplicate" and news.seen is not None:
        return with_copy(state, news.seen)
    return state
