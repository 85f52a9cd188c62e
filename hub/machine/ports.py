"""Free ports on loopback, and waiting for a server to answer."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
_PORTS = (12_000, 32_000)
_CHANCE = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """``count`` different ports nobody listens on now. Another process may take one before its server binds it.

    They lie below those that systems hand to outgoing connections (RFC 6335's 49152, Linux's 32768): a port from among
    these can be taken by any client meanwhile, and whoever polls it until it answers can even reach itself.
    """
    found: list[int] = []
    while len(found) < count:
        port = _CHANCE.randrange(*_PORTS)
        if port not in found and is_free(port):
            found.append(port)
    return found


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
