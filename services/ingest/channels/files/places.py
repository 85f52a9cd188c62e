"""Where things of the files door lie, what they are called there, and how a file is seen and copied."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

from services.ingest.channels.files.said import FileFault

PRIVATE = ".hub"
#: In the demo: a file of the private folder with the moment at which files are said to arrive.
SIMULATED = "simulated_time"
COPY_BYTES = 1_048_576
_STRANGE = re.compile(r"[^A-Za-z0-9 ._()-]")

#: Inode, size, time of writing, time of any change. Nobody can set the last one back.
Signature = tuple[int, int, int, int]


def ledger_path(root: Path, party: str, *, test: bool = False) -> Path:
    """Where the ledger of a party lies."""
    return root / PRIVATE / f"{party}{'.test' if test else ''}.sqlite"


def home_of(root: Path, party: str, *, test: bool = False) -> Path:
    """What a party sees: ``in`` and ``out`` lie in it."""
    return root / party / "test" if test else root / party


def plain(name: str) -> str:
    """A partner's file name as it may stand in an answer or in the ledger."""
    return _STRANGE.sub("_", name)[:120]


def stem_of(name: str, digest: str) -> str:
    """Name of an answer: the partner's file name, made plain, and the beginning of the content's digest."""
    return f"{plain(name).lstrip('.') or 'file'}.{digest[:8]}"


def receipt_of(digest: str) -> str:
    """The receipt of a file: what partners quote, and what releases a held one."""
    return f"file-{digest[:24]}"


def copy(path: Path, target: Path, bytes_max: int) -> str:
    """A private copy; its sha256 in hex. FileFault for a link, a pipe, or more than ``bytes_max``; else OSError."""
    digest, size = hashlib.sha256(), 0
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # A link and a socket. Whatever else keeps it from being opened is not the sender's fault.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileFault("not_a_file") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileFault("not_a_file")
    with os.fdopen(handle, "rb") as source:
        private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "wb") as sink:
            while block := source.read(COPY_BYTES):
                size += len(block)
                if size > bytes_max:
                    raise FileFault("too_big")
                digest.update(block)
                sink.write(block)
    return digest.hexdigest()


def signature_of(path: Path) -> Signature | None:
    """What changes when a file does; None if it has gone or is a folder."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def changed_at(path: Path) -> int:
    """Nanoseconds of the last change of any kind; 0 if there is none of the name."""
    try:
        return path.lstat().st_ctime_ns
    except FileNotFoundError:
        return 0
