"""The Merkle tree of RFC 6962, section 2.1: SHA-256, ``0x00`` before a leaf, ``0x01`` before two nodes.

``Frontier`` is what a writer keeps: it grows by a leaf and knows its root, in O(log n) hashes of space. ``Tree`` keeps
every complete node, and gives proofs. The two ``verify_…`` functions are a reader's: they need neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()


class ProofBroken(Exception):
    """A proof does not lead to the root: another leaf, another tree, or a proof of something else."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of which a tree of ``size`` leaves consists, the largest first."""

    __slots__ = ("nodes", "size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size, self.nodes = size, list(nodes)
        if len(self.nodes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} subtrees, not {len(self.nodes)}")

    def add(self, hashes: Iterable[bytes]) -> None:
        """Append leaves, given as leaf hashes."""
        nodes, size, sha256 = self.nodes, self.size, hashlib.sha256
        for right in hashes:
            full = size
            while full & 1:
                right = sha256(b"\1" + nodes.pop() + right).digest()
                full >>= 1
            nodes.append(right)
            size += 1
        self.size = size

    def root(self) -> bytes:
        if not self.nodes:
            return EMPTY
        root = self.nodes[-1]
        for left in reversed(self.nodes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        return Frontier(self.size, self.nodes)

    def to_bytes(self) -> bytes:
        return b"".join(self.nodes)

    @classmethod
    def of_bytes(cls, size: int, nodes: bytes) -> Frontier:
        return cls(size, (nodes[at : at + HASH_BYTES] for at in range(0, len(nodes), HASH_BYTES)))


class Tree:
    """Every complete node of a tree, by level: about 64 bytes a leaf."""

    __slots__ = ("_levels",)

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        self.add(hashes)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def add(self, hashes: Iterable[bytes]) -> None:
        """Append leaves, given as leaf hashes."""
        for node in hashes:
            self._levels[0].append(node)
            level = 0
            while len(self._levels[level]) % 2 == 0:
                left, right = self._levels[level][-2:]
                level += 1
                if level == len(self._levels):
                    self._levels.append([])
                self._levels[level].append(node_hash(left, right))

    def leaf(self, number: int) -> bytes:
        """Hash of leaf ``number``, from 0."""
        return self._levels[0][number]

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves."""
        size = self._bounded(size)
        return self._root(0, size) if size else EMPTY

    def inclusion(self, number: int, size: int | None = None) -> tuple[bytes, ...]:
        """Audit path of leaf ``number`` in the tree of the first ``size`` leaves (RFC 6962, 2.1.1), lowest first."""
        size = self._bounded(size)
        if not 0 <= number < size:
            raise ValueError(f"no leaf {number} in a tree of {size}")
        return tuple(self._path(number, 0, size))

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """Proof that the first ``old`` leaves of the tree of ``size`` are the tree of ``old`` (RFC 6962, 2.1.2)."""
        size = self._bounded(size)
        if not 0 <= old <= size:
            raise ValueError(f"a tree of {size} has no beginning of {old}")
        return tuple(self._beginning(old, 0, size, True)) if 0 < old < size else ()

    def _bounded(self, size: int | None) -> int:
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise ValueError(f"the tree has {self.size} leaves, not {size}")
        return size

    def _root(self, first: int, end: int) -> bytes:
        width = end - first
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._levels[level][first >> level]
        middle = first + _split(width)
        return node_hash(self._root(first, middle), self._root(middle, end))

    def _path(self, number: int, first: int, end: int) -> list[bytes]:
        if end - first == 1:
            return []
        middle = first + _split(end - first)
        if number < middle:
            return [*self._path(number, first, middle), self._root(middle, end)]
        return [*self._path(number, middle, end), self._root(first, middle)]

    def _beginning(self, old: int, first: int, end: int, whole: bool) -> list[bytes]:
        if old == end:
            return [] if whole else [self._root(first, end)]
        middle = first + _split(end - first)
        if old <= middle:
            return [*self._beginning(old, first, middle, whole), self._root(middle, end)]
        return [*self._beginning(old, middle, end, False), self._root(first, middle)]


def _split(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, number: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Whether the leaf with hash ``leaf`` is number ``number`` of the tree (RFC 9162, 2.1.3.2). Raises ProofBroken."""
    if not 0 <= number < size:
        raise ProofBroken(f"there is no leaf {number} in a tree of {size}")
    at, last, node = number, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofBroken("the proof is too long")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    if last or node != root:
        raise ProofBroken(f"leaf {number} does not lead to the root of the tree of {size}")


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Whether the tree of ``size`` begins with the tree of ``old`` (RFC 9162, 2.1.4.2). Raises ProofBroken."""
    if old > size:
        raise ProofBroken(f"the tree became shorter: {old} leaves, then {size}")
    if old == size or old == 0:
        if proof or (old == size and old_root != root) or (old == 0 and old_root != EMPTY):
            raise ProofBroken(f"two trees of {old} leaves differ" if old == size else "the beginning is not empty")
        return
    nodes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not nodes:
        raise ProofBroken("the proof is empty")
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ProofBroken("the proof is too long")
        if at & 1 or at == last:
            was, now = node_hash(node, was), node_hash(node, now)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, node)
        at, last = at >> 1, last >> 1
    if last or was != old_root or now != root:
        raise ProofBroken(f"the tree of {size} leaves does not begin with the tree of {old}")
