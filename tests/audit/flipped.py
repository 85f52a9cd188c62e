"""Bytes with one bit turned over."""

from __future__ import annotations

from collections.abc import Iterator


def flip(body: bytes, bit: int) -> bytes:
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def every_bit(body: bytes) -> Iterator[bytes]:
    for bit in range(len(body) * 8):
        yield flip(body, bit)
