"""Sealing: encryption with associated data, so that a sealed value can't be moved to another record or field.

Both kinds are AES-256-GCM. ``Sealer``, with a random nonce, seals whole bodies and wraps keys. ``FieldSealer`` seals
the values of a record, with a nonce that follows from them. Losing a key is losing the data.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
DATA_KEY_BYTES = 64
#: One byte less than a nonce: the last is the place of the value.
RECORD_NONCE_BYTES = NONCE_BYTES - 1
_PLACES = [bytes([place]) for place in range(256)]


class SealBroken(Exception):
    """The sealed value was altered, moved to another record, or sealed under another key."""


class Seals(Protocol):
    """What seals whole bodies. ``about`` (an event id) must be given again to open."""

    def seal(self, plain: bytes, about: bytes) -> bytes: ...

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealBroken."""
        ...

    def fingerprint(self, plain: bytes) -> bytes:
        """Keyed hash of ``plain``: equal for equal bytes, and of no use to one who guesses them without the key."""
        ...


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
        """nonce ‖ ciphertext."""
        nonce = self._nonce(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value does not open") from error

    def fingerprint(self, plain: bytes) -> bytes:
        return hmac.digest(self._print, plain, "sha256")


#: Ciphers that are held at a time.
SEALERS_MAX = 4_096


class FieldSealer:
    """Seals and opens the values of records with one data key of 64 bytes: half for values, half for nonces.

    The nonce of a record is a keyed hash of all that is sealed in it, and each value takes its place in it: equal
    records give equal bytes, so a replay writes the same ciphertext, and two that differ never share a nonce.
    """

    __slots__ = ("_aead", "_nonces")

    def __init__(self, key: bytes) -> None:
        if len(key) != DATA_KEY_BYTES:
            raise ValueError("a data key has 64 bytes")
        self._aead = AESGCM(key[:32])
        self._nonces = key[32:]

    def nonce(self, record: bytes) -> bytes:
        """Of a record: its name and all its values, in one."""
        return hashlib.blake2b(record, key=self._nonces, digest_size=RECORD_NONCE_BYTES).digest()

    def seal(self, nonce: bytes, place: int, plain: bytes, about: bytes) -> bytes:
        """The value at ``place`` (below 256). ``about`` names record and field; it must be given again to open."""
        return self._aead.encrypt(nonce + _PLACES[place], plain, about)

    def open(self, nonce: bytes, place: int, sealed: bytes, about: bytes) -> bytes:
        """Raises SealBroken."""
        try:
            return self._aead.decrypt(nonce + _PLACES[place], sealed, about)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value does not open") from error


def sealers() -> Callable[[bytes], FieldSealer]:
    """The sealers of keys, a few of them held. A cipher is thirty times as large as its key and made in microseconds:
    a county's keys are megabytes, its ciphers half a gigabyte."""
    return lru_cache(maxsize=SEALERS_MAX)(FieldSealer)
