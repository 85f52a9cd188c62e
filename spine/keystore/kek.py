"""The key that wraps the agencies' keys. A port: another key service stands behind the same three names.

The local one takes 32 bytes, as base64, from ``HUB_KEK`` or from the file that ``HUB_KEK_FILE`` names. A cloud's or a
machine room's key service wraps and unwraps by a call instead and hands no key out (docs/sealing.md).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from spine.seal import Sealer

VARIABLE, FILE = "HUB_KEK", "HUB_KEK_FILE"


class Kek(Protocol):
    """A key-encryption key. ``name`` tells one from another and says nothing about the key."""

    @property
    def name(self) -> str: ...

    def wrap(self, key: bytes, about: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """Raises SealBroken: another key, or what it wrapped was altered or moved."""
        ...


class LocalKek:
    """A key-encryption key of this machine."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key)

    @classmethod
    def of_environment(cls, variable: str = VARIABLE, file: str = FILE, environ: Mapping[str, str] = os.environ) -> Kek:
        """Raises ValueError, saying how to mend it, where neither is set or the text is no key."""
        text = environ.get(variable) or (Path(environ[file]).read_text() if environ.get(file) else "")
        if not text.strip():
            raise ValueError(f"no key-encryption key: set {file} to a file with 32 random bytes as base64")
        try:
            return cls(base64.b64decode(text.strip(), validate=True))
        except ValueError as error:
            raise ValueError(f"{variable} or the file of {file} does not hold 32 bytes as base64") from error

    @property
    def name(self) -> str:
        return self._sealer.fingerprint(b"name").hex()[:12]

    def wrap(self, key: bytes, about: bytes) -> bytes:
        return self._sealer.seal(key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        return self._sealer.open(wrapped, about)
