"""The tree is RFC 6962's: against its definition, written out naively here, and against published vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine.ledger.tree import (
    EMPTY,
    Frontier,
    ProofBroken,
    Tree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

#: The leaves of Certificate Transparency's own tests, and the roots of the trees of their first 1, 2 … 8.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_proof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def leaves_of(count: int) -> list[bytes]:
    return [f"leaf {n}".encode() for n in range(count)]


def test_the_published_vectors_come_out() -> None:
    frontier, tree = Frontier(), Tree()
    assert frontier.root() == tree.root() == EMPTY == naive_root([])
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier.add([leaf_hash(leaf)])
        tree.add([leaf_hash(leaf)])
        assert frontier.root().hex() == tree.root().hex() == root


def test_every_small_tree_and_proof_is_as_the_definition_has_it() -> None:
    for size in range(1, 34):
        leaves = leaves_of(size)
        tree, frontier = Tree(map(leaf_hash, leaves)), Frontier()
        frontier.add(map(leaf_hash, leaves))
        root = naive_root(leaves)
        assert tree.root() == frontier.root() == root
        assert Frontier.of_bytes(size, frontier.to_bytes()).root() == root
        for number, leaf in enumerate(leaves):
            path = tree.inclusion(number)
            assert list(path) == naive_path(number, leaves)
            verify_inclusion(leaf_hash(leaf), number, size, path, root)
        for old in range(1, size + 1):
            proof = tree.consistency(old)
            assert list(proof) == naive_proof(old, leaves)
            assert tree.root(old) == naive_root(leaves[:old])
            verify_consistency(old, naive_root(leaves[:old]), size, root, proof)
        verify_consistency(0, EMPTY, size, root, tree.consistency(0))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_nothing_else_is_included(size: int, data: st.DataObject) -> None:
    tree = Tree(map(leaf_hash, leaves_of(size)))
    number = data.draw(st.integers(0, size - 1))
    path, root = list(tree.inclusion(number)), tree.root()
    verify_inclusion(tree.leaf(number), number, size, path, root)
    other = data.draw(st.integers(-1, size).filter(lambda n: n != number))
    for wrong in (
        (leaf_hash(b"another"), number, size, path, root),
        (tree.leaf(number), other, size, path, root),
        (tree.leaf(number), number, size, [*path, root], root),
        (tree.leaf(number), number, size, path, EMPTY),
        *([(tree.leaf(number), number, size, path[:-1], root)] if path else []),
    ):
        with pytest.raises(ProofBroken):
            verify_inclusion(*wrong)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.data())
def test_a_tree_that_forked_before_is_not_consistent(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    leaves = leaves_of(size)
    tree = Tree(map(leaf_hash, leaves))
    forked = Tree(map(leaf_hash, [*leaves[:changed], b"other", *leaves[changed + 1 :]]))
    verify_consistency(old, tree.root(old), size, tree.root(), tree.consistency(old))
    for proof in (tree.consistency(old), forked.consistency(old)):
        with pytest.raises(ProofBroken):
            verify_consistency(old, tree.root(old), size, forked.root(), proof)
    with pytest.raises(ProofBroken, match="shorter"):
        verify_consistency(size, tree.root(), old, tree.root(old), ())
    with pytest.raises(ProofBroken):
        verify_consistency(old, tree.root(old), size, tree.root(), ())
