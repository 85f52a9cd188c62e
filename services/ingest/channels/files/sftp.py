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
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

import asyncssh

from services.ingest.channels.files.places import home_of
from services.ingest.channels.files.sftp_site import NoRoom, SignIn, Site, Upload, host_of
from spine.telemetry import log

INBOX, OUTBOX = "in", "out"
UPLOADING = ".uploading"
NOT_WRITTEN = "a part of it could not be written"
LOGIN_SECONDS = 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,119}\Z", re.ASCII)
#: Answers are named after the file that they answer, and so are longer.
_ANSWER = re.compile(r"[A-Za-z0-9_()-][A-Za-z0-9 ._()-]{0,159}\Z", re.ASCII)
_READ, _WRITE, _APPEND = asyncssh.FXF_READ, asyncssh.FXF_WRITE, asyncssh.FXF_APPEND


class PartyFolders(asyncssh.SFTPServer):
    """One party's view of its folders."""

    def __init__(self, channel: asyncssh.SSHServerChannel, site: Site) -> None:  # type: ignore[type-arg]
        super().__init__(channel)
        self._site = site
        self._connection = channel.get_connection()
        self._party = str(self._connection.get_extra_info("username"))
        self._mode = str(self._connection.get_extra_info("hub_mode"))
        assert self._party in site.parties and self._mode
        self._home = home_of(site.root, self._party, test=self._mode == "test")
        for folder in (INBOX, OUTBOX):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        self._finishing: list[Upload] = []

    # Paths

    def map_path(self, path: bytes) -> bytes:
        """The local path. Everything but the two folders and plain names in them is refused."""
        return os.fsencode(self._local(path))

    def _local(self, path: bytes) -> Path:
        if not self._welcome():
            self._refuse("key_withdrawn")
        try:
            parts = [part for part in path.decode("ascii").split("/") if part not in ("", ".")]
        except UnicodeDecodeError:
            self._refuse("path")
        if not parts:
            return self._home
        name = _ANSWER if parts[0] == OUTBOX else _NAME
        if parts[0] not in (INBOX, OUTBOX) or len(parts) > 2 or (len(parts) == 2 and not name.match(parts[1])):
            self._refuse("path")
        local = self._home.joinpath(*parts)
        # Nobody can make a link over SFTP; if one lies there all the same, it is not followed.
        if local.is_symlink():
            self._refuse("path")
        return local

    def _welcome(self) -> bool:
        """Whether the key that opened the session would open it now."""
        key, host = self._connection.get_extra_info("hub_key"), host_of(self._connection)
        return self._site.mode_of(self._party, key, host) == self._mode

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
            if folder == self._home and entry.name not in (INBOX, OUTBOX):
                continue
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
            handle = os.open(local, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                self._refuse("operation")
            return os.fdopen(handle, "rb", 0)
        if local.parent != self._home / INBOX or pflags & (_READ | _APPEND):
            self._refuse("operation")
        beside = local.with_name(f"{local.name}.{secrets.token_hex(4)}{UPLOADING}")
        upload = Upload(None, beside, local)
        try:
            self._site.begin(upload)
        except NoRoom as none:
            self._no_room(none)
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            self._site.open_uploads.pop(beside)
            raise
        upload.stream = os.fdopen(handle, "wb", 0)
        return upload

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        self._refuse("operation")

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        if isinstance(file_obj, Upload) or not self._welcome():
            self._refuse("operation")
        return super().read(file_obj, offset, size)

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if not isinstance(file_obj, Upload):
            self._refuse("operation")
        end = max(file_obj.end, offset + len(data))
        try:
            self._site.grow(file_obj, end, len(data))
            file_obj.stream.seek(offset)
            written = file_obj.stream.write(data)
        except NoRoom as none:
            file_obj.spoilt = str(none)
            self._no_room(none)
        except OSError:
            file_obj.spoilt = NOT_WRITTEN
            raise
        file_obj.end = end
        # The stream has no buffer: the kernel may take a part only, when the disk is nearly full.
        if written != len(data):
            file_obj.spoilt = NOT_WRITTEN
        return written

    def close(self, file_obj: object) -> Any:
        """An upload gets its name a moment later: a session that breaks closes its files and at once calls ``exit``.

        One of which a part could not be written never gets it, and its sender is told.
        """
        if not isinstance(file_obj, Upload):
            return super().close(file_obj)
        try:
            # On disk before it is named: after a power cut an empty file must not pass for what was sent.
            os.fdatasync(file_obj.stream.fileno())
        except OSError:
            file_obj.spoilt = NOT_WRITTEN
        file_obj.stream.close()
        if file_obj.spoilt or not self._welcome():
            self._site.open_uploads.pop(file_obj.path, None)
            file_obj.path.unlink(missing_ok=True)
            log().warning("sftp_refused", party=self._party, reason="upload_spoilt")
            # When a session breaks, raising ends the sweep over its files, and nobody calls ``exit`` any more.
            self.exit()
            raise asyncssh.SFTPFailure(f"the file was not taken: {file_obj.spoilt or 'the key is no longer good'}")
        self._finishing.append(file_obj)
        asyncio.get_running_loop().call_soon(self._finish, file_obj)
        return None

    def exit(self) -> None:
        """What was closed by the end of the session, and not by the client, did not arrive whole."""
        for upload in self._finishing:
            self._site.open_uploads.pop(upload.path, None)
            log().warning("sftp_refused", party=self._party, reason="upload_lost")
        self._finishing.clear()

    def _finish(self, upload: Upload) -> None:
        if upload not in self._finishing:
            return
        self._finishing.remove(upload)
        self._site.open_uploads.pop(upload.path, None)
        os.replace(upload.path, upload.target)
        # An earlier attempt that was lost has been made good.
        for stale in upload.target.parent.glob(f"{upload.target.name}.????????{UPLOADING}"):
            if stale not in self._site.open_uploads:
                stale.unlink(missing_ok=True)

    def fstat(self, file_obj: object) -> Any:
        stream: Any = file_obj.stream if isinstance(file_obj, Upload) else file_obj
        return os.fstat(stream.fileno())

    def fsync(self, file_obj: object) -> None:
        if isinstance(file_obj, Upload):
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

    def _no_room(self, none: NoRoom) -> NoReturn:
        """In words that a client shows: version 3 of the protocol has no code of its own for it."""
        log().warning("sftp_refused", party=self._party, reason=none.code)
        raise asyncssh.SFTPFailure(str(none))


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
