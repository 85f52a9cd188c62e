"""``python -m hub.mailsink PORT FILE``: the demo's SMTP server. It keeps each mail as a JSON line and sends nothing."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import signal
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

MAIL_BYTES_MAX = 1_048_576


class Sink:
    """An aiosmtpd handler."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        del server, session
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain",))
        line = {
            "from": envelope.mail_from,
            "to": list(envelope.rcpt_tos),
            "subject": str(mail["subject"] or ""),
            "text": body.get_content() if body is not None else "",
        }
        with self._path.open("a") as out:
            out.write(json.dumps(line) + "\n")
        return "250 kept"


async def serve(port: int, path: Path) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    path.touch(mode=0o600)
    server = await loop.create_server(
        lambda: SMTP(Sink(path), hostname="mail.invalid", data_size_limit=MAIL_BYTES_MAX), "127.0.0.1", port
    )
    async with server:
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
