"""Sends lines of the sample to an HTTP door, in order, in batches of one party."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any

import httpx2

from hub.layout import Home
from hub.sample.mess import Line

BATCH_MAX = 500
WAIT_SECONDS_MAX = 60


class FeedError(Exception):
    """The door is not there, or answers as no door does."""


class Feed:
    """A client of ``POST /v1/events``. ``answers`` counts what the door said, one for each event."""

    def __init__(self, door: str, keys: Mapping[str, str], *, simulate: bool = False) -> None:
        self._client = httpx2.Client(base_url=door, timeout=WAIT_SECONDS_MAX)
        self._keys = keys
        self._simulate = simulate
        self.answers: Counter[str] = Counter()

    @classmethod
    def of_machine(cls, door: str, *, simulate: bool = False) -> Feed:
        """With the demo keys of this machine. FeedError if it has none."""
        try:
            keys = json.loads(Home.of_environment().keys.read_text())
        except FileNotFoundError:
            raise FeedError("this machine has no demo keys; `hub up` makes them") from None
        return cls(door, keys, simulate=simulate)

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(self, lines: Iterable[Line]) -> None:
        for party, batch in batches(lines):
            self._post(party, batch)

    def _post(self, party: str, batch: Sequence[Line]) -> None:
        # A party without a key still knocks: the door must turn it away.
        headers = {"Authorization": f"Bearer {self._keys.get(party, 'no-such-key')}"}
        if self._simulate:
            headers["Hub-Simulated-Time"] = batch[-1].received_at.isoformat().replace("+00:00", "Z")
        try:
            answer = self._client.post("/v1/events", json=[line.event for line in batch], headers=headers)
        except httpx2.HTTPError as error:
            raise FeedError(f"the door does not answer: {type(error).__name__}") from error
        if answer.status_code >= 500:
            raise FeedError(f"the door answered {answer.status_code}")
        self.answers.update(outcomes(answer.status_code, answer.json(), len(batch)))


def batches(lines: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """By party, each party's lines in their order, never more than a door takes at once."""
    ordered = sorted(lines, key=lambda line: line.door_party)
    for party, group in groupby(ordered, key=lambda line: line.door_party):
        held = list(group)
        for start in range(0, len(held), BATCH_MAX):
            yield party, held[start : start + BATCH_MAX]


def outcomes(status: int, answer: Any, size: int) -> Counter[str]:
    """What became of each event of a batch: one word each."""
    if status >= 400:
        return Counter({f"turned away: {status}": size})
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return Counter({"taken": size})
    return Counter("taken" if item.get("status", 202) < 400 else f"turned away: {item['status']}" for item in items)
