"""Who may sign in over SFTP, and how much may lie in a partner's folder: what all sessions share.

Room is taken while a file is written, not when it is opened: the folder and the disk are looked at as it grows.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.connection import SSHConnection

from services.ingest.channels.files.rows import FILE_BYTES_MAX
from spine.telemetry import log

FILES_MAX = 1_000
UPLOADS_MAX = 32
FOLDER_BYTES_MAX = 4 * FILE_BYTES_MAX
CONNECTIONS_MAX = 200
KEY_FILE = ".pub"
TEST_KEY_FILE = ".test.pub"
#: Kept free for the hub's own stores, which may lie on the same disk.
DISK_FREE_BYTES_MIN = 268_435_456
#: A folder is looked at again after so much has been written into it.
LOOK_BYTES = 16_777_216
_PARTY = re.compile(r"[a-z][a-z0-9-]{1,60}\Z", re.ASCII)


class NoRoom(Exception):
    """Nothing more is taken: ``code`` for the log, the text for the partner."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class Site:
    """What all sessions share.

    ``keys``: folder with ``<party>.pub``, lists of public keys, and ``<party>.test.pub``, whose holders see the test
    folder. They are read again at every step: a key that is taken away ends what its holder does, too.
    """

    root: Path
    keys: Path
    parties: frozenset[str]
    bytes_max: int = FILE_BYTES_MAX
    files_max: int = FILES_MAX
    folder_bytes_max: int = FOLDER_BYTES_MAX
    uploads_max: int = UPLOADS_MAX
    open_uploads: dict[Path, Upload] = field(default_factory=dict)
    connections: int = 0
    connections_max: int = CONNECTIONS_MAX
    #: Folder -> bytes that may still be written there before it is looked at again.
    _room: dict[Path, int] = field(default_factory=dict)

    def mode_of(self, party: str, key: asyncssh.SSHKey, host: str) -> str:
        """``live``, ``test``, or empty for a key that is nobody's. A name that is no party is as a wrong key."""
        if _PARTY.match(party) and party in self.parties:
            for mode, ending in (("live", KEY_FILE), ("test", TEST_KEY_FILE)):
                try:
                    held = asyncssh.read_authorized_keys(str(self.keys / f"{party}{ending}"))
                except FileNotFoundError:
                    continue
                except (OSError, ValueError):
                    log().warning("sftp_refused", party=party, reason="keys_unreadable")
                    continue
                if held.validate(key, host, host) is not None:
                    return mode
        return ""

    def begin(self, upload: Upload) -> None:
        """Count an upload among those under way. Raises NoRoom."""
        inbox = upload.target.parent
        if sum(other.target.parent == inbox for other in self.open_uploads.values()) >= self.uploads_max:
            raise NoRoom("uploads", f"at most {self.uploads_max} uploads at once")
        if len(os.listdir(inbox)) >= self.files_max:
            raise NoRoom("full", f"the folder holds {self.files_max} files: wait until some have been read")
        self._take(inbox, 1, 0)
        self.open_uploads[upload.path] = upload

    def grow(self, upload: Upload, end: int, written: int) -> None:
        """Take the room for ``written`` bytes that reach to ``end``. Raises NoRoom: nothing may be written then."""
        if end > self.bytes_max:
            raise NoRoom("too_big", f"a file may have {self.bytes_max} bytes: split it")
        self._take(upload.target.parent, max(0, end - upload.end), written)

    def _take(self, inbox: Path, more: int, written: int) -> None:
        if shutil.disk_usage(inbox).free - written < DISK_FREE_BYTES_MIN:
            raise NoRoom("disk_full", "the hub's disk is nearly full: send the file again later")
        if self._room.get(inbox, 0) < more:
            lying = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(inbox))
            self._room[inbox] = min(self.folder_bytes_max - lying, max(more, LOOK_BYTES))
        if self._room[inbox] < more:
            raise NoRoom("full", f"the folder may hold {self.folder_bytes_max} bytes: wait until some have been read")
        self._room[inbox] -= more


@dataclass(slots=True)
class Upload:
    """A file under way: where it is written, where it will be, how far it goes. ``spoilt``: why it is not whole."""

    stream: Any
    path: Path
    target: Path
    end: int = 0
    spoilt: str = ""


class SignIn(asyncssh.SSHServer):
    """Public keys only. A name that is no party is refused exactly as a wrong key is."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._site.connections += 1
        if self._site.connections > self._site.connections_max:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._site.connections -= 1

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Asked of every key that a client offers, and last of the one with which it then signs."""
        assert self._connection is not None
        mode = self._site.mode_of(username, key, host_of(self._connection))
        self._connection.set_extra_info(hub_key=key, hub_mode=mode)
        return bool(mode)

    def auth_completed(self) -> None:
        assert self._connection is not None
        log().info("sftp_session", party=str(self._connection.get_extra_info("username")))

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def host_based_auth_supported(self) -> bool:
        return False


def host_of(connection: SSHConnection) -> str:
    """Address of the other side, for keys that are good from some addresses only."""
    return str((connection.get_extra_info("peername") or ("",))[0])
