"""What could be known here at an earlier moment, shown by today's rules. Pure.

Each view that was disclosed is kept with its moment. Of an earlier view a reader sees what today's view of the same
alert lets them see: what they may no longer read is not shown out of the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from services.console.timeline import Stretch
from spine.clock import LONDON

NOT_SHOWN = "Not shown"
_TOLD = " told us on "


def end_of(day: date) -> datetime:
    """The last moment of a day in London: a bare day of knowing means its end."""
    return datetime.combine(day, time(23, 59, 59, 999_999), LONDON).astimezone(UTC)


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def by_todays_rules(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The earlier view without what today's view of the same alert would not show.

    Where it relied on an agreement on which today's does not, only what stands in both remains, and no timeline.
    """
    categories = {line["category"] for line in now["lines"]}
    held_back = {one["what"].casefold() for one in now["withheld"]}
    ended = not set(earlier["agreements"]) <= set(now["agreements"])

    def may_stand(line: Mapping[str, Any]) -> bool:
        if ended:
            return line in now["lines"]
        return line["category"] in categories and line["label"].casefold() not in held_back

    hidden = [span for span in now["timeline"] if span["label"] == NOT_SHOWN]
    spans = [
        {**span, "label": NOT_SHOWN} if any(_overlap(span, other) for other in hidden) else span
        for span in earlier["timeline"]
    ]
    why = [sentence for sentence in earlier["why"] if _TOLD not in sentence or sentence in now["why"]]
    timeline = spans if now["timeline"] and not ended else []
    lines = [line for line in earlier["lines"] if may_stand(line)]
    return {**earlier, "headline": now["headline"], "lines": lines, "timeline": timeline, "why": why}


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Days are ISO text, which sorts as they do; no end is later than any."""
    return bool(one["start"] <= (other["end"] or "9") and other["start"] <= (one["end"] or "9"))


def told(views: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who told us what, when, each once: the sentences of disclosure, which name only whom the reader may know of."""
    return list(dict.fromkeys(s for view in views for s in view["why"] if _TOLD in s))


def on_day(spans: Sequence[Stretch], day: date) -> Stretch | None:
    return next((s for s in spans if s.start <= day and (s.end is None or day <= s.end)), None)
