"""Sends lines of the sample to an HTTP door, in order, in batches of one party."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """A client of ``POST /v1/events``. ``answers`` counts what the door said, one for each event.

    ``at_once`` parties are sent for at the same time; each party's own lines go one after the other.
    """

    def __init__(self, door: str, keys: Mapping[str, str], *, simulate: bool = False, at_once: int = 1) -> None:
        self._pool = ThreadPoolExecutor(at_once)
        self._lock = threading.Lock()
        self._client = httpx2.Client(base_url=door, timeout=WAIT_SECONDS_MAX)
        self._keys = keys
        self._simulate = simulate
        self.answers: Counter[str] = Counter()

    @classmethod
    def of_machine(cls, door: str, *, simulate: bool = False, at_once: int = 1) -> Feed:
        """With the demo keys of this machine. FeedError if it has none."""
        try:
            keys = json.loads(Home.of_environment().keys.read_text())
        except FileNotFoundError:
            raise FeedError("this machine has no demo keys; `hub up` makes them") from None
        return cls(door, keys, simulate=simulate, at_once=at_once)

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        self._client.close()

    def send(self, lines: Iterable[Line]) -> None:
        """Return when the door has answered for all of them. Raises FeedError."""
        parties = [list(group) for _, group in groupby(batches(lines), key=lambda batch: batch[0])]
        for done in [self._pool.submit(self._post_all, batches_) for batches_ in parties]:
            done.result()

    def _post_all(self, batches_: Sequence[tuple[str, Sequence[Line]]]) -> None:
        for party, batch in batches_:
            self._post(party, batch)

    def _post(self, party: str, batch: Sequence[Line]) -> None:
        # A party without a key still knocks: the door must turn it away.
        headers = {"Authorization": f"Bearer {self._keys.get(party, 'no-such-key')}"}
        if self._simulate:
            headers["Hub-Simulated-Time"] = batch[-1].received_at.isoformat().replace("+00:00", "Z")
        body = json.dumps([line.event for line in batch]).encode()
        answer = self._patiently(body, headers | {"Content-Type": "application/json"})
        with self._lock:
            self.answers.update(outcomes(answer.status_code, answer.json(), len(batch)))

    def _patiently(self, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Again after the time that the door names, while it says "not now"."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            try:
                answer = self._client.post("/v1/events", content=body, headers=headers)
            except httpx2.HTTPError as error:
                raise FeedError(f"the door does not answer: {type(error).__name__}") from error
            if answer.status_code not in (429, 503):
                break
            if time.monotonic() > deadline:
                raise FeedError(f"the door still answers {answer.status_code} after {WAIT_SECONDS_MAX} s")
            with self._lock:
                self.answers["asked to wait"] += 1
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), WAIT_SECONDS_MAX))
        if answer.status_code >= 500:
            raise FeedError(f"the door answered {answer.status_code}")
        return answer


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
        return Counter({_turned_away(answer, status): size})
    return Counter("taken" if item["status"] < 400 else _turned_away(item, item["status"]) for item in answer["items"])


def _turned_away(problem: Mapping[str, Any], status: int) -> str:
    return f"turned away: {problem.get('reason', status)}"
