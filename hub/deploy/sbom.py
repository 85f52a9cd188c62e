"""A bill of materials from what is installed: CycloneDX 1.6 JSON, and the licences counted.

Only the distributions that the hub needs to run, found from their metadata; nothing is fetched, and no clock is read:
the same installation gives the same document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement

SPEC = "1.6"


def name_of(text: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", text).lower()


def needed(root: str, leave_out: frozenset[str] = frozenset()) -> dict[str, frozenset[str]]:
    """Every distribution that ``root`` needs here to run, with those that it needs itself. Raises LookupError."""
    found: dict[str, frozenset[str]] = {}
    asked: set[tuple[str, str]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(name_of(root), frozenset())]
    while waiting:
        name, extras = waiting.pop()
        fresh = {(name, extra) for extra in extras | {""}} - asked
        if not fresh or name in leave_out:
            continue
        asked |= fresh
        further = [one for one in _requirements(name, extras) if one[0] not in leave_out]
        found[name] = found.get(name, frozenset()) | {child for child, _ in further}
        waiting += further
    return found


def _requirements(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in _distribution(name).requires or ():
        asked = Requirement(text)
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield name_of(asked.name), frozenset(asked.extras)


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise LookupError(f"{name} is not installed: pip install --require-hashes -r requirements.lock") from error


def sbom_of(root: str) -> dict[str, Any]:
    """The CycloneDX document of what ``root`` needs. Raises LookupError."""
    held = needed(root)
    mine = name_of(root)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {"component": {**_component(mine), "type": "application"}},
        "components": [_component(name) for name in sorted(held) if name != mine],
        "dependencies": [
            {"ref": _purl(name), "dependsOn": [_purl(child) for child in sorted(held[name])]} for name in sorted(held)
        ],
    }


def _purl(name: str) -> str:
    return f"pkg:pypi/{name}@{_distribution(name).version}"


def _component(name: str) -> dict[str, Any]:
    found = _distribution(name)
    licence = licence_of(found)
    held: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(name),
        "name": name,
        "version": found.version,
        "purl": _purl(name),
    }
    return held | ({"licenses": [licence]} if licence else {})


def licence_of(found: Distribution) -> dict[str, Any]:
    """As the distribution states it: an SPDX expression, else its classifiers or the first line of its text."""
    # Parsed messages keep only the names they were given.
    stated: Any = found.metadata
    if expression := stated.get("License-Expression"):
        return {"expression": str(expression)}
    classified = [line.rpartition(" :: ")[2] for line in stated.get_all("Classifier") or () if "License ::" in line]
    name = " and ".join(one for one in classified if one != "OSI Approved") or str(stated.get("License") or "").strip()
    return {"license": {"name": name.splitlines()[0][:80]}} if name else {}


def licences(sbom: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Licence, how many distributions state it, which."""
    held: dict[str, list[str]] = {}
    for component in sbom["components"]:
        for stated in component.get("licenses", [{"expression": "not stated"}]):
            name = stated.get("expression") or stated["license"]["name"]
            held.setdefault(name, []).append(component["name"])
    return [(name, len(names), ", ".join(names)) for name, names in sorted(held.items())]
