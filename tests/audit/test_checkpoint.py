"""A checkpoint is a note that others' tools read, and every bit of it counts."""

from __future__ import annotations

import base64

import pytest

from spine.ledger.checkpoint import (
    COSIGNATURE,
    Checkpoint,
    NoteBroken,
    SignedCheckpoint,
    Signer,
    Verifier,
)
from tests.audit.flipped import every_bit

ORIGIN = "hub.example/status"
HUB, WITNESS = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
POINT = Checkpoint(ORIGIN, 1234, bytes(range(32)))
VERIFIERS = [HUB.verifier(ORIGIN), WITNESS.verifier("council.example", COSIGNATURE)]


def note() -> SignedCheckpoint:
    return HUB.sign(POINT).with_signature(WITNESS.cosign("council.example", POINT, 1_790_000_000))


def test_the_verifier_key_of_the_note_format_s_own_example_reads_and_its_signature_is_made_again() -> None:
    public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    private = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
    signer = Signer(private)
    assert str(Verifier.parse(public)) == public == str(signer.verifier("PeterNeumann"))
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signed = signer.verifier("PeterNeumann").key_id + signer._key.sign(text)
    assert base64.b64encode(signed).decode() == (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )


def test_a_signed_and_cosigned_checkpoint_reads_back_and_holds() -> None:
    held = SignedCheckpoint.parse(note().text)
    assert held == note()
    assert held.checkpoint == POINT
    assert held.verify(VERIFIERS) == ("council.example",)
    assert held.signatures[1].at == 1_790_000_000


def test_every_single_bit_of_a_note_counts() -> None:
    for flipped in every_bit(note().text.encode()):
        with pytest.raises((NoteBroken, UnicodeDecodeError)):
            SignedCheckpoint.parse(flipped.decode()).verify(VERIFIERS)


def test_another_key_under_the_same_name_does_not_pass() -> None:
    with pytest.raises(NoteBroken, match="not known"):
        WITNESS.sign(POINT).verify(VERIFIERS)


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    alone = SignedCheckpoint(POINT, (WITNESS.cosign("council.example", POINT, 1),))
    with pytest.raises(NoteBroken, match=f"not signed by {ORIGIN}"):
        alone.verify(VERIFIERS)


def test_a_later_line_of_a_witness_takes_the_place_of_its_earlier_one() -> None:
    again = note().with_signature(WITNESS.cosign("council.example", POINT, 1_790_000_060))
    assert [s.at for s in again.signatures] == [None, 1_790_000_060]


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\n"])
def test_a_name_that_would_break_the_form_is_refused(name: str) -> None:
    with pytest.raises(NoteBroken):
        HUB.verifier(name)
