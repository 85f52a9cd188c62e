"""The SFTP server: a partner signs in with its key and sees two folders, ``in`` and ``out``, and nothing else.

Paths are taken apart and put together again: there are only ``/``, ``/in``, ``/out`` and plain names in them, so that
nothing leads out. An upload is written under a name of its own and gets its real one when the client has closed it in
order; after a lost connection what came stays under the other name and is never read.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import asyncssh

from services.ingest.channels.files.rows import FILE_BYTES_MAX
from spine.telemetry import log

INBOX, OUTBOX = "in", "out"
UPLOADING = ".uploading"
FILES_MAX = 1_000
FOLDER_BYTES_MAX = 4 * FILE_BYTES_MAX
LOGIN_SECONDS, IDLE_SECONDS = 30, 600
KEY_FILE = ".pub"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,119}\Z", re.ASCII)
_PARTY = re.compile(r"[a-z][a-z0-9-]{1,60}\Z", re.ASCII)
_READ, _WRITE, _APPEND = asyncssh.FXF_READ, asyncssh.FXF_WRITE, asyncssh.FXF_APPEND


@dataclass(slots=True)
class Site:
    """What all sessions share. ``keys``: folder with ``<party>.pub``, lists of public keys, read at each sign-in."""

    root: Path
    keys: Path
    parties: frozenset[str]
    bytes_max: int = FILE_BYTES_MAX
    files_max: int = FILES_MAX
    folder_bytes_max: int = FOLDER_BYTES_MAX
    open_uploads: set[Path] = field(default_factory=set)


@dataclass(slots=True)
class _Upload:
    """A file under way: where it is written, and where it will be."""

    stream: Any
    path: Path
    target: Path


class SignIn(asyncssh.SSHServer):
    """Public keys only. A name that is no party is refused exactly as a wrong key is."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        assert self._connection is not None
        self._connection.set_authorized_keys(_keys_of(self._site, username))
        return True

    def auth_completed(self) -> None:
        assert self._connection is not None
        log().info("sftp_session", party=str(self._connection.get_extra_info("username")))

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def host_based_auth_supported(self) -> bool:
        return False


def _keys_of(site: Site, username: str) -> asyncssh.SSHAuthorizedKeys:
    """The party's keys; none for a name that is no party or whose file does not read."""
    path = site.keys / f"{username}{KEY_FILE}"
    if _PARTY.match(username) and username in site.parties:
        try:
            return asyncssh.read_authorized_keys(str(path))
        except (OSError, ValueError):
            log().warning("sftp_refused", party=username, reason="keys_unreadable")
    return asyncssh.import_authorized_keys("")


class PartyFolders(asyncssh.SFTPServer):
    """One party's view of its folders."""

    def __init__(self, channel: asyncssh.SSHServerChannel, site: Site) -> None:  # type: ignore[type-arg]
        super().__init__(channel)
        self._site = site
        self._party = str(channel.get_connection().get_extra_info("username"))
        assert self._party in site.parties
        self._home = site.root / self._party
        for folder in (INBOX, OUTBOX):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        self._finishing: list[_Upload] = []

    # Paths

    def map_path(self, path: bytes) -> bytes:
        """The local path. Everything but the two folders and plain names in them is refused."""
        return os.fsencode(self._local(path))

    def _local(self, path: bytes) -> Path:
        try:
            parts = [part for part in path.decode("ascii").split("/") if part not in ("", ".")]
        except UnicodeDecodeError:
            self._refuse("path")
        if not parts:
            return self._home
        if parts[0] not in (INBOX, OUTBOX) or len(parts) > 2 or (len(parts) == 2 and not _NAME.match(parts[1])):
            self._refuse("path")
        local = self._home.joinpath(*parts)
        # Nobody can make a link over SFTP; if one lies there all the same, it is not followed.
        if local.is_symlink():
            self._refuse("path")
        return local

    def realpath(self, path: bytes) -> bytes:
        """Only words: a client may ask where it is, and ``..`` ends at the top."""
        parts: list[bytes] = []
        for part in path.split(b"/"):
            if part == b"..":
                parts = parts[:-1]
            elif part not in (b"", b"."):
                parts.append(part)
        return b"/" + b"/".join(parts)

    def stat(self, path: bytes) -> Any:
        return os.lstat(self._local(path))

    def lstat(self, path: bytes) -> Any:
        return os.lstat(self._local(path))

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        folder = self._local(path)
        for entry in sorted(os.scandir(folder), key=lambda e: e.name):
            if not entry.name.startswith(".") and not entry.is_symlink():
                attributes = asyncssh.SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                yield asyncssh.SFTPName(os.fsencode(entry.name), attrs=attributes)

    def format_user(self, uid: int | None) -> str:
        return self._party

    def format_group(self, gid: int | None) -> str:
        return self._party

    # Files

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        """Read in both folders; write whole new files in ``in``."""
        local = self._local(path)
        if not pflags & (_WRITE | _APPEND):
            return os.fdopen(os.open(local, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", 0)
        if local.parent != self._home / INBOX or pflags & (_READ | _APPEND):
            self._refuse("operation")
        held = list(os.scandir(local.parent))
        if len(held) >= self._site.files_max or self._size(held) >= self._site.folder_bytes_max:
            self._refuse("full")
        beside = local.with_name(f"{local.name}.{secrets.token_hex(4)}{UPLOADING}")
        stream = os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0)
        self._site.open_uploads.add(beside)
        return _Upload(stream, beside, local)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        self._refuse("operation")

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        if isinstance(file_obj, _Upload):
            self._refuse("operation")
        return super().read(file_obj, offset, size)

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if not isinstance(file_obj, _Upload):
            self._refuse("operation")
        if offset + len(data) > self._site.bytes_max:
            self._refuse("too_big")
        file_obj.stream.seek(offset)
        return file_obj.stream.write(data)

    def close(self, file_obj: object) -> Any:
        """An upload gets its name a moment later: a session that breaks closes its files and at once calls ``exit``."""
        if not isinstance(file_obj, _Upload):
            return super().close(file_obj)
        file_obj.stream.close()
        self._finishing.append(file_obj)
        asyncio.get_running_loop().call_soon(self._finish, file_obj)
        return None

    def exit(self) -> None:
        """What was closed by the end of the session, and not by the client, did not arrive whole."""
        for upload in self._finishing:
            self._site.open_uploads.discard(upload.path)
            log().warning("sftp_refused", party=self._party, reason="upload_lost")
        self._finishing.clear()

    def _finish(self, upload: _Upload) -> None:
        if upload not in self._finishing:
            return
        self._finishing.remove(upload)
        self._site.open_uploads.discard(upload.path)
        os.replace(upload.path, upload.target)
        # An earlier attempt that was lost has been made good.
        for stale in upload.target.parent.glob(f"{upload.target.name}.????????{UPLOADING}"):
            if stale not in self._site.open_uploads:
                stale.unlink(missing_ok=True)

    def fstat(self, file_obj: object) -> Any:
        stream: Any = file_obj.stream if isinstance(file_obj, _Upload) else file_obj
        return os.fstat(stream.fileno())

    def fsync(self, file_obj: object) -> None:
        if isinstance(file_obj, _Upload):
            os.fsync(file_obj.stream.fileno())

    def remove(self, path: bytes) -> None:
        local = self._local(path)
        if local.parent == self._home:
            self._refuse("operation")
        os.unlink(local)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Within ``in``: many clients upload under another name first."""
        old, new = self._local(oldpath), self._local(newpath)
        if {old.parent, new.parent} != {self._home / INBOX} or old.name.endswith(UPLOADING):
            self._refuse("operation")
        os.replace(old, new)

    posix_rename = rename

    # Clients set times and rights after an upload: taken in silence, done to nothing.

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._local(path)

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        return None

    # What there is no need for

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._refuse("operation")

    def rmdir(self, path: bytes) -> None:
        self._refuse("operation")

    def readlink(self, path: bytes) -> bytes:
        self._refuse("operation")

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        self._refuse("operation")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        self._refuse("operation")

    def statvfs(self, path: bytes) -> Any:
        self._refuse("operation")

    def fstatvfs(self, file_obj: object) -> Any:
        self._refuse("operation")

    def _refuse(self, reason: str) -> NoReturn:
        log().warning("sftp_refused", party=self._party, reason=reason)
        raise asyncssh.SFTPPermissionDenied("not allowed")

    @staticmethod
    def _size(entries: list[os.DirEntry[str]]) -> int:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)


async def listen(site: Site, host: str, port: int, host_key: Path) -> asyncssh.SSHAcceptor:
    """Serve until closed. The host key is made on the first start, for the owner's eyes only."""
    if not host_key.exists():
        host_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(host_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as sink:
            sink.write(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    folders: Callable[[Any], asyncssh.SFTPServer] = lambda channel: PartyFolders(channel, site)  # noqa: E731
    return await asyncssh.create_server(
        lambda: SignIn(site),
        host,
        port,
        server_host_keys=[str(host_key)],
        sftp_factory=folders,
        sftp_version=3,
        allow_scp=False,
        gss_host=None,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        agent_forwarding=False,
        x11_forwarding=False,
        login_timeout=LOGIN_SECONDS,
        keepalive_interval=30,
        keepalive_count_max=4,
        server_version="SFTP",
    )
