"""The only serialiser for hashes: RFC 8785 (JCS) form of JSON without floats.

Floats are refused: their text differs between writers, and a sum of them depends on its order.
Dates become ISO strings, bytes become lower-case hex, tuples become arrays, sets are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson


def canonical(value: Any) -> bytes:
    """Canonical bytes of ``value``. Raises TypeError for a float, a set or any unknown type."""
    return b"".join(_parts(value))


def digest(value: Any) -> bytes:
    """sha256 of the canonical form."""
    return hashlib.sha256(canonical(value)).digest()


def _parts(value: Any) -> list[bytes]:
    if value is None or isinstance(value, bool | str):
        return [_text(value) if isinstance(value, str) else orjson.dumps(value)]
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise TypeError("an integer beyond 2^53 has no portable JSON form; write it as a string")
        return [str(value).encode()]
    if isinstance(value, datetime | date):
        return [_text(value.isoformat())]
    if isinstance(value, bytes):
        return [_text(value.hex())]
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list | tuple):
        return _array(value)
    raise TypeError(f"no canonical form for {type(value).__name__}")


def _text(value: str) -> bytes:
    return orjson.dumps(value)


def _array(value: list[Any] | tuple[Any, ...]) -> list[bytes]:
    out = [b"["]
    for index, item in enumerate(value):
        if index:
            out.append(b",")
        out += _parts(item)
    return [*out, b"]"]


def _object(value: Mapping[Any, Any]) -> list[bytes]:
    if not all(isinstance(key, str) for key in value):
        raise TypeError("object keys must be strings")
    out = [b"{"]
    for index, key in enumerate(sorted(value, key=lambda k: k.encode("utf-16-be"))):
        if index:
            out.append(b",")
        out += [_text(key), b":", *_parts(value[key])]
    return [*out, b"}"]
