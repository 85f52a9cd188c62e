"""HTTP with patience: the same request again after 429, 5xx or a lost connection, until the time is over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from hub.client.faults import NotAllowed, Unavailable

RETRYABLE = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on. Waits double from ``first_seconds`` to ``longest_seconds``, less a random part, so that many
    clients do not come back in step; a ``Retry-After`` of the door goes first."""

    total_seconds: float = 300.0
    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    attempts_max: int = 50

    def wait_seconds(self, attempt: int, asked: float, draw: float) -> float:
        """Before attempt ``attempt`` + 1; ``draw`` is from 0 to 1."""
        backoff = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 20))
        return max(asked, backoff * (0.5 + draw / 2))


class Wire:
    """Requests to one door with one key. The key stands in no text that this class makes."""

    def __init__(
        self,
        door: str,
        key: str,
        *,
        patience: Patience,
        timeout_seconds: float,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "eet-hub-client/1"}
        self._http = httpx2.Client(base_url=door, headers=headers, timeout=timeout_seconds, transport=transport)
        self._patience, self._sleep, self._clock = patience, sleep, clock

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: bytes | None = None) -> httpx2.Response:
        """The door's answer, other than "not now". Raises Unavailable or NotAllowed."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        deadline = self._clock() + self._patience.total_seconds
        for attempt in range(1, self._patience.attempts_max + 1):
            asked, why = 0.0, ""
            try:
                answer = self._http.request(method, path, content=body, headers=headers)
            except httpx2.TransportError as error:
                # Whether the door had taken it is unknown, and does not matter: the ids are the same next time.
                why = type(error).__name__
            else:
                if answer.status_code in (401, 403):
                    raise NotAllowed(f"the door answers {answer.status_code} to this key")
                if answer.status_code not in RETRYABLE:
                    return answer
                why, asked = f"status {answer.status_code}", _retry_after(answer)
            wait = self._patience.wait_seconds(attempt, asked, random.random())
            if self._clock() + wait > deadline:
                break
            self._sleep(wait)
        raise Unavailable(f"the door does not take this now ({why}, {attempt} attempts); send the same again later")


def _retry_after(answer: httpx2.Response) -> float:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def json_of(answer: httpx2.Response) -> Any:
    """The body; Unavailable if whatever answered is no door."""
    try:
        return answer.json()
    except ValueError:
        raise Unavailable(f"status {answer.status_code} without JSON: this address is no door of the hub") from None
