"""The doctor's rounds: findings as metrics, for those who are woken by them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

from hub.doctor.finding import Finding, Verdict
from spine.service import rounds
from spine.telemetry import metrics


def watch(examine: Callable[[], Iterable[Finding]], every: float, stop: threading.Event | None = None) -> None:
    """Look every so many seconds until SIGTERM, or ``stop``. Serves as every process does (HUB_HEALTH_PORT)."""
    stop = stop or threading.Event()
    seen: set[tuple[str, str]] = set()
    with rounds("doctor", stop) as progress:
        while not stop.is_set():
            seen |= tell(examine(), seen)
            progress.state = "running"
            progress.alive()
            stop.wait(every)


def tell(found: Iterable[Finding], before: Iterable[tuple[str, str]] = ()) -> set[tuple[str, str]]:
    """Set the metrics; what was found ``before`` and is gone goes to 0. Returns what there is now."""
    counted = Counter((one.check, one.verdict.name.lower()) for one in found if one.verdict is not Verdict.SOUND)
    for check, verdict in {*counted, *before}:
        metrics().gauge("hub_doctor_findings", counted[check, verdict], check=check, verdict=verdict)
    return set(counted)
