"""A line between a client and a server: what passes through it is the test's to delay or to cut."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Line:
    """Listens on a port of its own on loopback; each client gets a connection to the server, and ``carry`` both."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def to(cls, url: str) -> tuple[Self, str]:
        """A line to the server of ``url``, and the URL by which it is reached through the line."""
        parts = urlsplit(url)
        line = cls(parts.hostname or "127.0.0.1", parts.port or 5432)
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{line.port}"
        return line, urlunsplit(parts._replace(netloc=netloc))

    def close(self) -> None:
        self._listener.close()

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Begin to carry what the two say to each other."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.carry(client, socket.create_connection(self._server))


class SlowLine(Line):
    """Every byte passes; each piece towards the server waits ``seconds``."""

    seconds = 0.02

    def carry(self, client: socket.socket, server: socket.socket) -> None:
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
        close(one)
        close(other)


def close(end_of_line: socket.socket) -> None:
    try:
        end_of_line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end_of_line.close()
