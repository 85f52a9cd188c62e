"""The witness's part: a checkpoint is cosigned only if the tree grew out of the one that the witness saw before.

What is asked has the form of C2SP ``tlog-witness``: ``old <size>``, the consistency proof a line each, an empty line,
and the signed checkpoint. A witness sees sizes and hashes, never a decision.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from spine.ledger.checkpoint import NoteBroken, Signature, SignedCheckpoint, Signer, Verifier
from spine.ledger.tree import EMPTY, ProofBroken, verify_consistency

PROOF_LINES_MAX = 63


class Refused(Exception):
    """The witness does not cosign; the text says why, and whether the hub must explain itself."""


@dataclass(frozen=True, slots=True)
class Request:
    """That a tree of ``old`` leaves grew to the one in ``note``."""

    old: int
    proof: tuple[bytes, ...]
    note: SignedCheckpoint

    @property
    def text(self) -> str:
        lines = [f"old {self.old}", *(base64.b64encode(node).decode() for node in self.proof)]
        return "\n".join(lines) + "\n\n" + self.note.text

    @classmethod
    def parse(cls, text: str) -> Request:
        """Raises NoteBroken."""
        head, _, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        word, _, size = first.partition(" ")
        if word != "old" or not (size.isascii() and size.isdigit()) or len(size) > 18 or len(lines) > PROOF_LINES_MAX:
            raise NoteBroken("a request reads: old <size>, the proof, an empty line, the checkpoint")
        try:
            proof = tuple(base64.b64decode(line, validate=True) for line in lines)
        except binascii.Error as error:
            raise NoteBroken("the proof is not base64") from error
        return cls(int(size), proof, SignedCheckpoint.parse(note))


def cosign(
    request: Request, seen: SignedCheckpoint | None, hub: Sequence[Verifier], signer: Signer, name: str, at: int
) -> Signature:
    """The witness's line. ``seen``: the last checkpoint of this tree that it cosigned. Raises Refused."""
    new = request.note.checkpoint
    try:
        SignedCheckpoint(new, tuple(s for s in request.note.signatures if s.name == new.origin)).verify(hub)
    except NoteBroken as error:
        raise Refused(f"the checkpoint is not the hub's: {error}") from error
    size, root = (seen.checkpoint.size, seen.checkpoint.root) if seen else (0, EMPTY)
    if new.size < size:
        raise Refused(f"FORK or loss: {new.origin} had {size} leaves when it was seen last, and now has {new.size}")
    if new.size == size and new.root != root:
        raise Refused(f"FORK: {new.origin} shows another tree of {size} leaves than the one that was seen")
    if request.old != size:
        raise Refused(f"this witness saw {size} leaves of {new.origin} last: ask with --old {size}")
    try:
        verify_consistency(size, root, new.size, new.root, request.proof)
    except ProofBroken as error:
        raise Refused(f"FORK: {new.origin} did not grow out of what was seen: {error}") from error
    return signer.cosign(name, new, at)
