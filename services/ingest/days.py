"""Bodies of submissions are sealed with a key of their day, which is destroyed when its time is over (ADR 19).

The log forgets what partners sent within weeks; the archive and backups of topics keep every record. So it is the key
that goes: from then on a body can be read nowhere, also where nobody remembered to delete a copy. The keys themselves:
``services/ingest/channels/day_keys.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

from spine.errors import Halt
from spine.keystore import Erased
from spine.seal import SealBroken, Sealer

#: A sealed body begins with this and the number of its day. One from before there were days begins with a nonce.
MARK = b"\x01"
_DAY_BYTES = 3
_HEAD_BYTES = len(MARK) + _DAY_BYTES
SEALERS_MAX = 100
#: How a replay asks for the root and for a day's key. No party has such a name: theirs have no colon.
ROOT_REF, DAY = "submissions:root", "submissions:day/"


class Days(Protocol):
    """Keys by day. One day has one key for ever; a destroyed one never comes back."""

    def today(self) -> tuple[date, bytes] | None:
        """The day to seal under now, and its key; None where there are no days yet. Raises Retry."""
        ...

    def key(self, day: date) -> bytes:
        """Raises Erased once it is destroyed, Halt where there never was one, Retry while the store is away."""
        ...


class ReadDays:
    """``Days`` for one who only opens, and cannot ask the database: ``handed`` gives keys by their reference."""

    def __init__(self, handed: Callable[[Sequence[str]], Mapping[str, bytes | None]]) -> None:
        self._handed = handed
        self._keys: dict[date, bytes | None] = {}

    def today(self) -> None:
        raise Halt("nothing is sealed here")

    def key(self, day: date) -> bytes:
        if day not in self._keys:
            self._keys[day] = self._handed([day_ref(day)]).get(day_ref(day))
        held = self._keys[day]
        if held is None:
            raise Erased(day_ref(day))
        return held


class DailySealer:
    """As ``Sealer``, under keys of days. Fingerprints are the root's: they must be equal from day to day."""

    def __init__(self, root: Sealer, days: Days) -> None:
        self._root, self._days = root, days
        self._sealers: dict[bytes, Sealer] = {}
        self.fingerprint = root.fingerprint

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """Under the root where there are no days yet: an ingest from before could not open it. Raises Retry."""
        today = self._days.today()
        if today is None:
            return self._root.seal(plain, about)
        day, key = today
        head = MARK + day.toordinal().to_bytes(_DAY_BYTES, "big")
        return head + self._under(key).seal(plain, head + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealBroken; and, once the key of its day is destroyed, Erased."""
        head, day = sealed[:_HEAD_BYTES], day_of(sealed)
        if day is None:
            return self._root.open(sealed, about)
        try:
            return self._under(self._days.key(day)).open(sealed[_HEAD_BYTES:], head + about)
        except (SealBroken, Halt) as error:
            # One nonce in 256 begins like a mark.
            try:
                return self._root.open(sealed, about)
            except SealBroken:
                raise error from None

    def _under(self, key: bytes) -> Sealer:
        if key not in self._sealers:
            if len(self._sealers) > SEALERS_MAX:
                self._sealers.clear()
            self._sealers[key] = Sealer(key)
        return self._sealers[key]


def day_ref(day: date) -> str:
    """How a replay asks for the key of a day."""
    return f"{DAY}{day}"


def day_of(sealed: bytes) -> date | None:
    """Under the key of which day a body seems to be sealed; None where it is not sealed so."""
    number = int.from_bytes(sealed[len(MARK) : _HEAD_BYTES], "big")
    if sealed[: len(MARK)] != MARK or not date.min.toordinal() <= number <= date.max.toordinal():
        return None
    return date.fromordinal(number)
