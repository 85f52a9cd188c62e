"""A line between a client and a server that carries every byte, late."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit, urlunsplit


class SlowLine:
    """Forwards from a port of its own on loopback; each piece towards the server waits ``seconds``."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._server, self.seconds = (host, port), seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def to(cls, url: str, seconds: float) -> tuple[SlowLine, str]:
        """A line to the server of ``url``, and the URL by which it is reached through the line."""
        parts = urlsplit(url)
        line = cls(parts.hostname or "127.0.0.1", parts.port or 5432, seconds)
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{line.port}"
        return line, urlunsplit(parts._replace(netloc=netloc))

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for one, other, wait in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._carry, args=(one, other, wait), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, wait: bool) -> None:
        try:
            while data := one.recv(65_536):
                if wait:
                    time.sleep(self.seconds)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
