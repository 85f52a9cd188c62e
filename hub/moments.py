"""Days and moments as people write them to a command: in London's time unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from spine.clock import LONDON


def moment(text: str) -> datetime:
    """A moment with its zone; a bare day means its end in London. Raises ValueError."""
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), LONDON).astimezone(UTC)
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=LONDON)).astimezone(UTC)
