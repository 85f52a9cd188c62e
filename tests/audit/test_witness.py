"""A witness cosigns a tree that only grew, and says FORK to any other."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.witness.command import add
from spine.ledger.checkpoint import COSIGNATURE, Checkpoint, NoteBroken, Signature, SignedCheckpoint, Signer
from spine.ledger.tree import Tree, leaf_hash
from spine.ledger.witness import Refused, Request, cosign
from tests.audit.ledgered import ORIGIN, SIGNER, VERIFIERS, Ledgered

WITNESS = Signer(bytes(range(1, 33)))
NAME = "council.example"
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]


def asked(tree: Tree, old: int, size: int, signer: Signer = SIGNER) -> Request:
    note = signer.sign(Checkpoint(f"{ORIGIN}/toy", size, tree.root(size)))
    return Request(old, tree.consistency(old, size), note)


def signed(request: Request, seen: Request | None) -> Signature:
    return cosign(Request.parse(request.text), seen.note if seen else None, VERIFIERS, WITNESS, NAME, 1_790_000_000)


def test_a_tree_that_grew_is_cosigned_each_time() -> None:
    tree, seen = Tree(LEAVES), None
    for size in (1, 2, 7, 8, 31, 31, 40):
        request = asked(tree, seen.note.checkpoint.size if seen else 0, size)
        note = request.note.with_signature(signed(request, seen))
        assert note.verify([*VERIFIERS, WITNESS.verifier(NAME, COSIGNATURE)]) == (NAME,)
        seen = request


def test_a_forked_tree_is_refused_with_that_word() -> None:
    seen = asked(Tree(LEAVES), 0, 20)
    forked = Tree([*LEAVES[:11], leaf_hash(b"forged"), *LEAVES[12:]])
    for size in (20, 21, 40):
        with pytest.raises(Refused, match="FORK"):
            signed(asked(forked, 20, size), seen)


def test_a_shorter_tree_another_key_and_another_beginning_are_refused() -> None:
    tree = Tree(LEAVES)
    seen = asked(tree, 0, 20)
    with pytest.raises(Refused, match="had 20 leaves when it was seen last, and now has 19"):
        signed(asked(tree, 0, 19), seen)
    with pytest.raises(Refused, match="not the hub's"):
        signed(asked(tree, 20, 30, WITNESS), seen)
    with pytest.raises(Refused, match="ask with --old 20"):
        signed(asked(tree, 10, 30), seen)


def test_hub_and_witness_go_through_their_commands(ledgered: Ledgered, tmp_path: Path) -> None:
    hub, key, state = tmp_path / "hub.keys", tmp_path / "witness.key", tmp_path / "state"
    runner, archive = CliRunner(), ["--archive", str(ledgered.archive.folder)]
    made = runner.invoke(app, ["witness", "key", "--name", NAME, "--key", str(key)])
    assert key.stat().st_mode & 0o777 == 0o600
    hub.write_text("".join(f"{verifier}\n" for verifier in VERIFIERS) + made.stdout)
    old = 0
    for count in (5, 8):
        ledgered.decide(count)
        ledgered.archived()
        request, line = tmp_path / "request", tmp_path / "line"
        request.write_text(runner.invoke(app, ["witness", "ask", "toy", "--old", str(old), *archive]).stdout)
        words = ["witness", "sign", str(request), "--name", NAME, "--hub", str(hub), "--key", str(key)]
        answer = runner.invoke(app, [*words, "--state", str(state)])
        assert answer.exit_code == 0, answer.output
        line.write_text(answer.stdout)
        old += count
        with psycopg.connect(ledgered.url) as connection:
            add(connection, "toy", old, Signature.parse(answer.stdout), hub)
            with pytest.raises(NoteBroken, match="no checkpoint"):
                add(connection, "toy", 999, Signature.parse(answer.stdout), hub)
    ledgered.archived()
    said = json.loads(runner.invoke(app, ["verify", *archive, "--keys", str(hub), "--offline", "--json"]).stdout)
    assert (said["whole"], said["cosignatures"]) == (True, 2)
    forked = SIGNER.sign(Checkpoint(f"{ORIGIN}/toy", 13, bytes(32)))
    request.write_text(Request(13, (), SignedCheckpoint.parse(forked.text)).text)
    refused = runner.invoke(app, [*words, "--state", str(state)])
    assert refused.exit_code == 3 and "FORK" in refused.output
