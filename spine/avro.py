"""Avro's binary form of single plain values, for the one place where a record is written and read value by value.

fastavro is written for whole records: a call for each value costs several times the value. Tests hold every encoding
here equal to fastavro's, for every part that a partner can send, and what is read to what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

_EPOCH = date(1970, 1, 1).toordinal()
#: Shorter lengths, written once.
_LENGTHS_MAX = 1024


def plain_encoding(kind: Any) -> Callable[[Any], bytes] | None:
    """The encoder of a plain type: text, flag, whole number, date or enum. None for every other. It raises ValueError
    where a value does not fit."""
    match kind:
        case "string":
            return text
        case "boolean":
            return flag
        case "int" | "long":
            return whole
        case {"type": "int", "logicalType": "date"}:
            return day
        case {"type": "enum", "symbols": symbols}:
            return _enum(symbols)
        case _:
            return None


def plain_decoding(kind: Any) -> Callable[[bytes], Any] | None:
    """The decoder of what ``plain_encoding`` writes: of bytes that hold one value and nothing else."""
    match kind:
        case "string":
            return read_text
        case "boolean":
            return _read_flag
        case "int" | "long":
            return _read_whole
        case {"type": "int", "logicalType": "date"}:
            return _read_day
        case {"type": "enum", "symbols": symbols}:
            return lambda body: symbols[_read_whole(body)]
        case _:
            return None


def text(value: str) -> bytes:
    if not isinstance(value, str):
        raise ValueError("a text is needed")
    encoded = value.encode()
    return length(len(encoded)) + encoded


def flag(value: bool) -> bytes:
    if not isinstance(value, bool):
        raise ValueError("true or false is needed")
    return b"\x01" if value else b"\0"


def whole(value: int) -> bytes:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number is needed")
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("the number is too large")
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def day(value: date | int) -> bytes:
    """A date, or the number of days since 1970-01-01, as fastavro takes them."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return whole(value.toordinal() - _EPOCH)
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value)
    raise ValueError("a date is needed")


def length(number: int) -> bytes:
    """Of something that is not negative."""
    return _LENGTHS[number] if number < _LENGTHS_MAX else _varint(number << 1)


def _enum(symbols: list[str]) -> Callable[[Any], bytes]:
    known = {symbol: whole(n) for n, symbol in enumerate(symbols)}

    def encode(value: str) -> bytes:
        try:
            return known[value]
        except (KeyError, TypeError):
            raise ValueError("a symbol of the enum is needed") from None

    return encode


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_text(body: bytes, begins: int = 0) -> str:
    """The text whose length stands at ``begins``."""
    while body[begins] > 0x7F:
        begins += 1
    return body[begins + 1 :].decode()


def read_nullable_text(body: bytes) -> str | None:
    """As the second branch of a union with null: most fields of most parts."""
    return None if body == b"\0" else read_text(body, 1)


def _read_flag(body: bytes) -> bool:
    return body != b"\0"


def _read_whole(body: bytes) -> int:
    number = shift = 0
    for byte in body:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number >> 1 ^ -(number & 1)


def _read_day(body: bytes) -> date:
    return date.fromordinal(_read_whole(body) + _EPOCH)


_LENGTHS = [_varint(number << 1) for number in range(_LENGTHS_MAX)]
