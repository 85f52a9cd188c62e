"""``python -m hub.mailsink PORT FOLDER``: the demo's mail server until SIGTERM. It keeps mails and sends nothing."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from services.alerts.delivery.sink import open_sink


def main(port: int, folder: Path) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: ended.set())
    controller = open_sink(folder, port)
    ended.wait()
    controller.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
