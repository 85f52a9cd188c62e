"""``python -m hub.machine.guard PID USER|- COMMAND…``: run a server as long as process PID lives.

Tests start their servers through it: a suite that is killed outright must not leave a broker behind.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

from hub.machine.process import alive


def main(arguments: list[str]) -> int:
    watched, user, command = int(arguments[0]), arguments[1], arguments[2:]
    other = {} if user == "-" else {"user": user, "extra_groups": ()}
    child: subprocess.Popen[bytes] = subprocess.Popen(command, **other)  # type: ignore[call-overload]

    def pass_on(number: int, frame: object) -> None:
        del frame
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while child.poll() is None and alive(watched):
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        time.sleep(1)
        child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
