"""Sealing: encryption with associated data, so that a sealed value can't be moved to another record or field.

Two kinds. ``Sealer`` (AES-256-GCM, random nonce) seals whole bodies and wraps keys. ``FieldSealer`` (AES-256-SIV, RFC
5297) seals the fields of facts: equal input gives equal bytes, so a replay writes the same ciphertext, and no nonce
can be used twice by mistake. Losing a key is losing the data.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

NONCE_BYTES = 12
#: AES-256-SIV takes two keys in one: for the tag and for the cipher.
DATA_KEY_BYTES = 64


class SealBroken(Exception):
    """The sealed value was altered, moved to another record, or sealed under another key."""


class Sealer:
    """Seals and opens with one 32-byte key. ``repr`` hides it."""

    def __init__(self, key: bytes, nonce: Callable[[int], bytes] = os.urandom) -> None:
        if len(key) != 32:
            raise ValueError("a sealing key has 32 bytes")
        self._aead = AESGCM(key)
        self._nonce = nonce
        self._print = hmac.digest(key, b"fingerprint", "sha256")

    @classmethod
    def from_text(cls, text: str) -> Sealer:
        """Key as base64, as it stands in ``HUB_SEAL_KEY`` or in the file that ``HUB_SEAL_KEY_FILE`` names."""
        return cls(base64.b64decode(text.strip(), validate=True))

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """nonce ‖ ciphertext; ``about`` (an event id) must be given again to open."""
        nonce = self._nonce(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealBroken."""
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value does not open") from error

    def fingerprint(self, plain: bytes) -> bytes:
        """Keyed hash of ``plain``: equal for equal bytes, and of no use to one who guesses them without the key."""
        return hmac.digest(self._print, plain, "sha256")


class FieldSealer:
    """Seals and opens single values with one data key of 64 bytes. ``repr`` hides it."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        if len(key) != DATA_KEY_BYTES:
            raise ValueError("a data key has 64 bytes")
        self._aead = AESSIV(key)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """Tag ‖ ciphertext. ``about`` names the record and the field, and must be given again to open."""
        return self._aead.encrypt(plain, [about])

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealBroken."""
        try:
            return self._aead.decrypt(sealed, [about])
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value does not open") from error
