"""The proof in a certificate of erasure, with no code of a service.

Each of its fields is hashed, then all together; the hub's ledger key signs that, under the name of the tree of
operations. So it is checked with nothing but the public keys, and what was changed in it is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from spine.ledger.checkpoint import NoteBroken, Signer, Verifier, attested
from spine.ledger.operations import TREE

#: Before the second, certificates were hashed as a whole and not signed.
FORMAT, UNSIGNED = "hub-erasure/2", "hub-erasure/1"
#: The line of a signature under a text.
Sign = Callable[[str], str]


def signed_by(signer: Signer, origin: str) -> Sign:
    """As the hub with this ledger key and name signs."""
    return lambda text: signer.attest(f"{origin}/{TREE}", text)


def sealed(plain: Mapping[str, Any], sign: Sign) -> dict[str, Any]:
    """What is certified, with its hashes and the signature."""
    hashed = {**plain, "fields": {name: _hash(value) for name, value in plain.items()}}
    whole = {**hashed, "sha256": digest(hashed)}
    return {**whole, "signature": sign(_text(whole)).removesuffix("\n")}


def digest(plain: Mapping[str, Any]) -> str:
    return _hash({name: value for name, value in plain.items() if name not in ("sha256", "signature")})


def broken(read: Mapping[str, Any], verifiers: Sequence[Verifier]) -> list[str]:
    """What is not as the hub wrote it; empty if the certificate holds. Needs no hub."""
    if read.get("format") == UNSIGNED:
        whole = read.get("sha256") == digest(read)
        unsigned = "signature: made before certificates were signed: its sha256 must stand in the ledger"
        return [unsigned if whole else "sha256: is not the hash of the rest"]
    if read.get("format") != FORMAT:
        return [f"format: {FORMAT} is meant"]
    fields = read.get("fields")
    said: Mapping[str, Any] = fields if isinstance(fields, dict) else {}
    held = {name: value for name, value in read.items() if name not in ("fields", "sha256", "signature")}
    found = [name for name in sorted({*held, *said}) if name not in held or said.get(name) != _hash(held[name])]
    found = [f"{name}: does not have the hash that stands for it" for name in found]
    if read.get("sha256") != digest(read):
        found.append("sha256: is not the hash of what stands above it")
    try:
        attested(f"{read.get('signature')}\n", _text(read), verifiers)
    except NoteBroken as error:
        found.append(f"signature: {error}")
    return found


def _hash(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _text(read: Mapping[str, Any]) -> str:
    """What is signed. Its first line has spaces, so it is no tree's name and the text no checkpoint."""
    return f"EET Hub certificate of erasure\n{read.get('erasure_id')}\n{read.get('sha256')}\n"
