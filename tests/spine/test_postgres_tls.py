"""The database spoken to over TLS: the address alone decides it, and a server that cannot be proved gets nothing.

The embedded build has no TLS, so a real server stands behind a door that ends it, as behind a proxy: the client's side
(request, handshake, proof of the name) is the whole of it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from hub.doctor.finding import Verdict
from hub.doctor.servers import database, tls
from hub.machine.certificates import issue
from spine.errors import Retry
from spine.journal import Position
from spine.migrate import migrate
from spine.postgres import PostgresJournal

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
PLACE = ("toys", 0)
#: What a client of PostgreSQL sends before it speaks TLS.
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class TlsDoor:
    """Takes TLS alone, on loopback, and passes on what is said."""

    def __init__(self, folder: Path, behind: tuple[str, int]) -> None:
        made = issue(folder, "postgres")
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.certificate, made.key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.taken = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        try:
            if client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
                client.close()
                return
            client.sendall(b"S")
            inside = self._context.wrap_socket(client, server_side=True)
        except OSError:
            client.close()
            return
        self.taken += 1
        server = socket.create_connection(self._behind)
        threading.Thread(target=_pass_on, args=(server, inside), daemon=True).start()
        _pass_on(inside, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while held := source.recv(65_536):
            target.sendall(held)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@pytest.fixture
def door(fresh_database: str, tmp_path: Path) -> Iterator[TlsDoor]:
    parts = urlsplit(fresh_database)
    assert parts.hostname and parts.port
    door = TlsDoor(tmp_path / "authority", (parts.hostname, parts.port))
    yield door
    door.close()


def through(door: TlsDoor, url: str, authority: Path, mode: str = "verify-full") -> str:
    parts = urlsplit(url)
    where = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{door.port}")
    return f"{where.geturl()}?sslmode={mode}&sslrootcert={authority / 'ca.pem'}"


def test_a_journal_works_over_tls_with_the_server_proved(door: TlsDoor, fresh_database: str, tmp_path: Path) -> None:
    url = through(door, fresh_database, tmp_path / "authority")
    migrate(url, "toy")
    journal = PostgresJournal(url, "toy")
    with journal.transaction() as transaction:
        transaction.offsets([PLACE])
        transaction.set_offsets({PLACE: Position(3)})
    assert journal.positions("toys")[PLACE].next == 3
    journal.close()
    assert door.taken >= 2
    assert next(one.verdict for one in database(url) if one.check == "database TLS") is Verdict.SOUND


def test_a_server_that_the_authority_does_not_vouch_for_gets_no_password(
    door: TlsDoor, fresh_database: str, tmp_path: Path
) -> None:
    issue(tmp_path / "another", "somebody")
    url = through(door, fresh_database, tmp_path / "another")
    with pytest.raises(psycopg.OperationalError, match="SSL error"):
        psycopg.connect(url)
    with pytest.raises(Retry):
        migrate(url, "toy")
    assert door.taken == 0


def test_who_takes_tls_alone_is_not_spoken_to_in_the_clear(door: TlsDoor, fresh_database: str, tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(through(door, fresh_database, tmp_path / "authority", "disable"))


def test_the_doctor_tells_what_is_in_the_clear_and_what_is_not_proved() -> None:
    told = [tls("db.example", *how).verdict for how in ((False, "prefer"), (True, "require"), (True, "verify-full"))]
    assert told == [Verdict.FAULT, Verdict.WARNING, Verdict.SOUND]
