"""Free ports on loopback, and waiting for a server to answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """``count`` different ports nobody listens on now. Another process may take one before its server binds it."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for taken in sockets:
            taken.bind((LOOPBACK, 0))
        return [int(taken.getsockname()[1]) for taken in sockets]
    finally:
        for taken in sockets:
            taken.close()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def wait_until(ready: Callable[[], bool], seconds_max: float, pause: float = 0.1) -> bool:
    """Poll ``ready`` until it is true (True) or the time is over (False)."""
    end = time.monotonic() + seconds_max
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(pause)
    return ready()
