"""Passwords of the broker's users: made here, each written once to a private file, for whoever runs that user.

The broker keeps a salted hash and can't tell a password. A file that is there already is used as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from hub.private import write_private

PASSWORD_BYTES = 32


def password_file(folder: Path, user: str) -> Path:
    return folder / f"{user}.password"


def held_or_made(folder: Path, user: str) -> str:
    """The password in the user's file; a new one, written there, if it has none."""
    path = password_file(folder, user)
    return path.read_text().strip() if path.exists() else _write(path)


def rotate(folder: Path, user: str, tell: Callable[[str, str], object]) -> None:
    """A new password: in a file beside the old one, told to the broker by ``tell``, then in place of the old one.

    What breaks off in between leaves both files, and one of the two is right.
    """
    path = password_file(folder, user)
    following = path.with_suffix(".next")
    made = _write(following)
    tell(user, made)
    following.replace(path)


def _write(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = secrets.token_urlsafe(PASSWORD_BYTES)
    write_private(path, made + "\n")
    return made
