"""The agreements that a story runs under: those of the folder, for the whole time, every age and every field.

A story tells what people lived and services saw, not what a party may send: by its format the agreements cover every
party and event type of the catalogue. Who may read what stays as agreed; a field that is added leaves to nobody.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.sharing import ensure_built
from spine.canonical import canonical
from spine.headed import policy_file, read_policy

FROM, TO = "1900-01-01", "2999-12-31"
AGES_MAX = 150


@contextmanager
def covering(contracts: Path) -> Iterator[Path]:
    """A copy of the contracts folder whose compiled policy covers all that its parties may publish."""
    body = canonical(widened(json.loads(read_policy(contracts, ensure_built(contracts)))))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "contracts"
        shutil.copytree(contracts, copy)
        name = hashlib.sha256(body).hexdigest()
        (copy / "compiled" / policy_file(name)).write_bytes(body)
        head = copy / "compiled" / "head.json"
        told = {**json.loads(head.read_bytes()), "policy": name, "file": policy_file(name)}
        head.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
        yield copy


def widened(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A compiled policy without ends, limits of age and fields that must not come."""
    dates = {"effective_from": FROM, "effective_to": TO, "review_by": TO}
    return {
        **policy,
        "agreements": {name: {**agreement, **dates} for name, agreement in policy["agreements"].items()},
        "grants": [_grant(grant) for grant in policy["grants"]],
    }


def _grant(grant: Mapping[str, Any]) -> dict[str, Any]:
    kept_here = sorted({*grant["hub_only"], *grant["must_not_send"]})
    return {**grant, "min_age": 0, "max_age": AGES_MAX, "hub_only": kept_here, "must_not_send": []}
