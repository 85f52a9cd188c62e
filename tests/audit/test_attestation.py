"""A certificate of erasure holds offline by the public keys alone, and what was changed in it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.subject.attestation import UNSIGNED, broken, digest, sealed, signed_by
from spine.ledger.checkpoint import Checkpoint, NoteBroken, Signer
from tests.audit.ledgered import ORIGIN, SIGNER, VERIFIERS

PLAIN = {
    "format": "hub-erasure/2",
    "erasure_id": "e-0",
    "ground": "request",
    "went": {"keys": {"hub": 1}, "records": 3},
    "to_be_told": ["est"],
}
WHOLE = sealed(PLAIN, signed_by(SIGNER, ORIGIN))


def changed(**fields: Any) -> list[str]:
    """By name: what is found in a certificate of which fields were changed by somebody without the key."""
    return [fault.partition(":")[0] for fault in broken({**WHOLE, **fields}, VERIFIERS)]


def test_what_was_changed_is_named() -> None:
    assert broken(WHOLE, VERIFIERS) == []
    assert changed(ground="objection") == ["ground", "sha256"]
    assert changed(went={"keys": {"hub": 2}, "records": 3}) == ["went", "sha256"]
    assert changed(erasure_id="e-1") == ["erasure_id", "sha256", "signature"]
    assert changed(more=1) == ["more", "sha256"]
    assert changed(sha256="0" * 64) == ["sha256", "signature"]
    assert changed(fields={}) == [*sorted(PLAIN), "sha256"]
    assert changed(signature="") == ["signature"]
    without = {name: value for name, value in WHOLE.items() if name != "to_be_told"}
    assert [fault.partition(":")[0] for fault in broken(without, VERIFIERS)] == ["to_be_told", "sha256"]


def test_every_bit_of_the_file_counts() -> None:
    text = json.dumps(WHOLE, separators=(",", ":")).encode()
    for at in range(0, len(text), 7):
        flipped = bytearray(text)
        flipped[at] ^= 1 << at % 7
        try:
            read = json.loads(flipped.decode())
        except ValueError:
            continue
        assert read == WHOLE or broken(read, VERIFIERS), at


def test_all_made_anew_without_the_key_is_found_by_the_signature() -> None:
    stranger = Signer(bytes(32))
    (fault,) = broken(sealed({**PLAIN, "ground": "objection"}, signed_by(stranger, ORIGIN)), VERIFIERS)
    assert fault.startswith("signature: ") and "is not known" in fault
    (old,) = broken({**PLAIN, "format": UNSIGNED, "sha256": digest({**PLAIN, "format": UNSIGNED})}, VERIFIERS)
    assert "before certificates were signed" in old


def test_what_is_signed_is_no_checkpoint() -> None:
    signed: list[str] = []
    sealed(PLAIN, lambda text: signed.append(text) or "")
    with pytest.raises(NoteBroken):
        Checkpoint.parse(signed[0])


def test_the_command_needs_no_archive_and_no_database(tmp_path: Path) -> None:
    keys, file = tmp_path / "keys", tmp_path / "certificate.json"
    keys.write_text("".join(f"{one}\n" for one in VERIFIERS))
    for written, code in ((WHOLE, 0), ({**WHOLE, "ground": "objection"}, 1), ([], 1)):
        file.write_text(json.dumps(written))
        asked = ["verify", "--certificate", str(file), "--keys", str(keys)]
        done = CliRunner(env={"HUB_HOME": str(tmp_path)}).invoke(app, asked)
        assert done.exit_code == code, done.output
    file.write_text("{")
    assert CliRunner().invoke(app, asked).exit_code == 2
