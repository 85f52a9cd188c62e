"""Data keys by reference, outside the log: one for each subject of each agency, so that destroying a key erases.

A reference is ``<agency>/<opaque>``. It stands in clear on the log; what it stands for can't be read from it. The port
is ``Keys``; here is its memory half, ``spine.keystore.postgres`` is the real one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Protocol

from spine.errors import Halt
from spine.seal import FieldSealer


class Erased(Exception):
    """The key was destroyed: what was sealed under it can no longer be read by anybody. No decision is made of it."""


class Keys(Protocol):
    """The law (tests/spine/test_keys_law.py): one key for a reference for ever; a destroyed one never comes back."""

    def ready(self, refs: Iterable[str]) -> None:
        """Have the keys of these references at hand, in one journey. Unknown references are left out. Raises Retry."""
        ...

    def make(self, refs: Iterable[str]) -> None:
        """As ``ready``, and references that have no key and never had one get one. Kept for good on return."""
        ...

    def key(self, ref: str) -> FieldSealer:
        """Raises Erased; Halt where the reference was never given a key; Retry while the store is away."""
        ...

    def destroy(self, refs: Iterable[str]) -> int:
        """Destroy the keys of these references, for ever; returns how many had one."""
        ...


class NoKeys:
    """No key store was given: nothing can be sealed or opened, and nothing passes in clear instead."""

    def ready(self, refs: Iterable[str]) -> None:
        if any(refs):
            raise self._missing()

    make = ready

    def key(self, ref: str) -> FieldSealer:
        raise self._missing()

    def destroy(self, refs: Iterable[str]) -> int:
        raise self._missing()

    def _missing(self) -> Halt:
        return Halt("there is no key store: HUB_KEK_FILE and HUB_POSTGRES name it")


class MemoryKeys:
    """Keys that follow from a seed, so that a run can be repeated to the byte. For stories, simulation and tests."""

    def __init__(self, seed: bytes = b"memory") -> None:
        self._seed = seed
        self._keys: dict[str, FieldSealer] = {}
        self._destroyed: set[str] = set()

    def ready(self, refs: Iterable[str]) -> None:
        """Nothing to fetch."""

    def make(self, refs: Iterable[str]) -> None:
        """Nothing to make: every reference has its key."""

    def key(self, ref: str) -> FieldSealer:
        if ref in self._destroyed:
            raise Erased(ref)
        held = self._keys.get(ref)
        if held is None:
            held = self._keys[ref] = FieldSealer(hmac.new(self._seed, ref.encode(), hashlib.sha512).digest())
        return held

    def destroy(self, refs: Iterable[str]) -> int:
        asked = set(refs)
        new = asked - self._destroyed
        self._destroyed |= new
        return len(new)
