"""Checkpoints of a tree: C2SP ``tlog-checkpoint`` in C2SP ``signed-note``, Ed25519, and ``cosignature/v1``.

    eet-hub/status                                     the tree's origin, and the name of the key that signs it
    1234                                               leaves
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=       root

    — eet-hub/status <base64 of key id and signature>
    — council.example/witness <base64 of key id, time and signature>

Text and signatures have one form each: a note is read strictly, so that every bit of it counts. A public key travels as
one line, ``name+key id+base64`` (a *verifier key*).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SIGNATURE, COSIGNATURE = 1, 4  # Algorithm bytes of C2SP signed-note.
NOTE_BYTES_MAX = 64 * 1024


class NoteBroken(Exception):
    """A note, its signature or a key does not read, or does not hold."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name, of a tree (``SIGNATURE``) or a witness (``COSIGNATURE``)."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Raises NoteBroken."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteBroken("a verifier key reads name+key id+base64")
        name, key_id, body = parts[0], parts[1], _decoded(parts[2])
        if len(body) != 33 or body[0] not in (SIGNATURE, COSIGNATURE):
            raise NoteBroken(f"the verifier key of {name} is no Ed25519 key")
        held = cls(_name(name), body[0], body[1:])
        if held.key_id.hex() != key_id:
            raise NoteBroken(f"the verifier key of {name} has another key id")
        return held


class Signer:
    """A private Ed25519 key. Under which name it signs is said at each use: one key signs all trees of a hub."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def generate(cls) -> Signer:
        raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return cls(raw)

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Of its text as in a key file. Raises NoteBroken, never with the key."""
        seed = _decoded(text.strip())
        if len(seed) != 32:
            raise NoteBroken("a signing key is 32 bytes as base64")
        return cls(seed)

    def to_text(self) -> str:
        return _base64(self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    def verifier(self, name: str, kind: int = SIGNATURE) -> Verifier:
        return Verifier(_name(name), kind, self.public)

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """The checkpoint under its tree's own signature."""
        mine = self.verifier(checkpoint.origin)
        signature = Signature(mine.name, mine.key_id, self._key.sign(checkpoint.text.encode()))
        return SignedCheckpoint(checkpoint, (signature,))

    def attest(self, name: str, text: str) -> str:
        """The line of a signature under a text of another kind. Whose first line must be no origin, so that nobody can
        take the text for a checkpoint. ``attested`` checks it."""
        mine = self.verifier(name)
        return str(Signature(mine.name, mine.key_id, self._key.sign(text.encode())))

    def cosign(self, name: str, checkpoint: Checkpoint, at: int) -> Signature:
        """A witness's line: it saw this tree at ``at`` (Unix seconds), grown out of what it saw before."""
        signed = self._key.sign(_cosigned(checkpoint, at))
        return Signature(_name(name), self.verifier(name, COSIGNATURE).key_id, struct.pack(">Q", at) + signed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a tree was: ``size`` leaves under ``root``."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Raises NoteBroken."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise NoteBroken("a checkpoint has three lines: origin, size, root")
        root = _decoded(lines[2])
        if not lines[1].isascii() or not lines[1].isdigit() or len(lines[1]) > 18 or len(root) != 32:
            raise NoteBroken("a checkpoint's size is a number, and its root 32 bytes as base64")
        held = cls(_name(lines[0]), int(lines[1]), root)
        if held.text != text:
            raise NoteBroken("a checkpoint has one way to be written, and this is another")
        return held


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note. ``body``: 64 bytes, behind 8 of the time if it is a witness's."""

    name: str
    key_id: bytes
    body: bytes

    @property
    def at(self) -> int | None:
        """When a witness signed, Unix seconds."""
        return struct.unpack(">Q", self.body[:8])[0] if len(self.body) == 72 else None

    def __str__(self) -> str:
        return f"— {self.name} {_base64(self.key_id + self.body)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Raises NoteBroken."""
        parts = line.removesuffix("\n").split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise NoteBroken("a signature reads: dash, name, base64")
        body = _decoded(parts[2])
        if len(body) not in (68, 76):
            raise NoteBroken(f"the signature of {parts[1]} has {len(body)} bytes")
        return cls(_name(parts[1]), body[:4], body[4:])


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the signatures below it."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        return self.checkpoint.text + "\n" + "".join(map(str, self.signatures))

    @classmethod
    def parse(cls, text: str) -> SignedCheckpoint:
        """Raises NoteBroken. Says nothing about whether the signatures hold."""
        body, blank, below = text.partition("\n\n")
        if len(text.encode(errors="replace")) > NOTE_BYTES_MAX or not blank or not below.endswith("\n"):
            raise NoteBroken("a signed note is a text, an empty line, and signatures")
        signatures = tuple(Signature.parse(line) for line in below.removesuffix("\n").split("\n"))
        held = cls(Checkpoint.parse(body + "\n"), signatures)
        if held.text != text:
            raise NoteBroken("a note has one way to be written, and this is another")
        return held

    def with_signature(self, signature: Signature) -> SignedCheckpoint:
        """With one more line, or a later one of the same witness."""
        others = tuple(s for s in self.signatures if (s.name, s.key_id) != (signature.name, signature.key_id))
        return replace(self, signatures=(*others, signature))

    def verify(self, verifiers: Sequence[Verifier]) -> tuple[str, ...]:
        """Names of the witnesses whose lines hold. Raises NoteBroken unless the tree's own signature is there, by one
        of ``verifiers``, and every line is by one of them and holds."""
        known: Mapping[tuple[str, bytes], Verifier] = {(v.name, v.key_id): v for v in verifiers}
        witnesses, owned = [], False
        for signature in self.signatures:
            verifier = known.get((signature.name, signature.key_id))
            if verifier is None:
                raise _unknown(signature)
            self._hold(signature, verifier)
            if verifier.kind == COSIGNATURE:
                witnesses.append(signature.name)
            owned = owned or (verifier.kind == SIGNATURE and signature.name == self.checkpoint.origin)
        if not owned:
            raise NoteBroken(f"not signed by {self.checkpoint.origin}")
        return tuple(witnesses)

    def _hold(self, signature: Signature, verifier: Verifier) -> None:
        message, signed = self.checkpoint.text.encode(), signature.body
        if verifier.kind == COSIGNATURE:
            if signature.at is None:
                raise NoteBroken(f"the cosignature of {signature.name} has no time")
            message, signed = _cosigned(self.checkpoint, signature.at), signature.body[8:]
        _check(verifier, signed, message)


def attested(line: str, text: str, verifiers: Sequence[Verifier]) -> Verifier:
    """By which key ``Signer.attest`` signed this text. Raises NoteBroken: no signature, unknown key, another text."""
    signature = Signature.parse(line)
    if str(signature) != line:
        raise NoteBroken("a signature has one way to be written, and this is another")
    for verifier in verifiers:
        if (verifier.name, verifier.key_id, verifier.kind) == (signature.name, signature.key_id, SIGNATURE):
            _check(verifier, signature.body, text.encode())
            return verifier
    raise _unknown(signature)


def _check(verifier: Verifier, signed: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(signed, message)
    except (InvalidSignature, ValueError) as error:
        raise NoteBroken(f"the signature of {verifier.name} does not hold") from error


def _unknown(signature: Signature) -> NoteBroken:
    return NoteBroken(f"signed by {signature.name} with the key {signature.key_id.hex()}, which is not known")


def _cosigned(checkpoint: Checkpoint, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{checkpoint.text}".encode()


def _name(text: str) -> str:
    if not text or "+" in text or any(c.isspace() or not c.isprintable() for c in text):
        raise NoteBroken("a name has no space and no plus sign")
    return text


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _decoded(text: str) -> bytes:
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteBroken("this is not base64") from error
    if _base64(body) != text:
        raise NoteBroken("base64 has one way to be written, and this is another")
    return body
