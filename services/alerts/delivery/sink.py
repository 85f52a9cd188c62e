"""A mail server for demos and tests: it keeps what it takes as ``.eml`` files and sends nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

MAIL_BYTES_MAX = 1_048_576


class Sink:
    """An aiosmtpd handler. Files are numbered in order of arrival."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numbers = itertools.count(len(list(folder.glob("*.eml"))) + 1)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        del server, session
        path = self._folder / f"{next(self._numbers):06d}.eml"
        path.with_suffix(".part").write_bytes(envelope.content)
        path.with_suffix(".part").rename(path)
        return "250 kept"


def open_sink(folder: Path, port: int) -> Any:
    """Start it on loopback; the caller stops it. Port 0 is not supported by aiosmtpd's start check."""
    controller = Controller(Sink(folder), hostname="127.0.0.1", port=port, data_size_limit=MAIL_BYTES_MAX)
    controller.start()
    return controller
