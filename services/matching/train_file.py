"""A trained model as its file: the start model with new weights, where they come from, and a hash over the whole."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from services.matching.model import read_model
from services.matching.train import Change, Trained

HASH = "content_sha256"


def model_text(
    start: Mapping[str, Any], trained: Trained, *, name: str, date: str, provenance: Mapping[str, Any]
) -> str:
    """The same for the same arguments, byte for byte. Thresholds, priors and rarities are the start model's."""
    document: dict[str, Any] = copy.deepcopy(dict(start))
    document.pop(HASH, None)
    for change in trained.changes:
        if change.new is not None:
            document["grades"][change.kind][change.grade][change.of] = change.new
    document["name"] = name
    document["about"] = (
        "Weights in thousandths of a bit, trained by EM on rows without truth and on pairs that readers decided; "
        "priors, thresholds and rarities are those of the start model, and so are weights of what was hardly seen."
    )
    document["trained"] = {
        "date": date,
        **provenance,
        "pairs": trained.pairs,
        "blind_pairs": trained.blind_pairs,
        "reviewed_pairs_met": trained.reviewed,
        "found_same_stranger_household": list(trained.found),
        "rounds": trained.rounds,
        "log2_likelihood_millibits_a_pair": list(trained.likelihood),
        "kept": [f"{c.kind}.{c.grade}.{c.of}" for c in trained.changes if c.new is None],
    }
    document[HASH] = content_hash(document)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    assert dict(read_model(text).grades) == dict(trained.grades), "what is written must be read as it was meant"
    return text


def content_hash(document: Mapping[str, Any]) -> str:
    """SHA-256 over everything but the hash itself."""
    rest = {name: value for name, value in document.items() if name != HASH}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def changed(changes: tuple[Change, ...]) -> tuple[int, int]:
    """How many weights are new, and how many were kept."""
    kept = sum(change.new is None for change in changes)
    return len(changes) - kept, kept
