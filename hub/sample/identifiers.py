"""Dummy identifiers whose check digits are right (EVENTS section 7), each a function of a serial number."""

from __future__ import annotations

from collections.abc import Sequence

UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
INWARD = "ABDEFGHJLNPQRSTUWXYZ"


def _weighed(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


#: Blocks of eleven stems in the synthetic range of NHS numbers. Each block has room for five serials.
_BLOCKS = 1_000_000 // 11
SERIALS_MAX = _BLOCKS * 5


def nhs_number(serial: int) -> str:
    """Of the synthetic 999 range. A stem without a check digit is skipped, so each serial has two of its own."""
    turn, block = divmod(serial, _BLOCKS)
    stem = block * 11 + turn * 2
    while True:
        body = f"999{stem % 1_000_000:06d}"
        check = 11 - _weighed(body, range(10, 1, -1)) % 11
        if check != 10:
            return body + str(check % 11)
        stem += 1


def uln(serial: int) -> str:
    stem = serial * 11
    while True:
        body = f"7{stem % 100_000_000:08d}"
        rest = _weighed(body, range(10, 1, -1)) % 11
        if rest != 0:
            return body + str(10 - rest)
        stem += 1


def upn(serial: int, entry_year: int) -> str:
    """Check letter, LA 201, establishment 9001 and up, year of entry, serial."""
    body = f"201{9001 + serial // 1000 % 999:04d}{entry_year % 100:02d}{serial % 1000:03d}"
    return UPN_LETTERS[_weighed(body, range(2, 14)) % 23] + body


def nino(serial: int) -> str:
    return f"QQ{serial % 1_000_000:06d}{'ABCD'[serial % 4]}"


def postcode(serial: int, area: str = "NS") -> str:
    """In NS (Northshire) or ES (Eastmarsh), areas that do not exist."""
    spread = serial * 7919
    letters = INWARD[spread // 200 % 20] + INWARD[spread // 4000 % 20]
    return f"{area}{1 + spread % 20} {spread // 20 % 10}{letters}"


def phone(serial: int) -> str:
    """Of the drama range; there are a thousand, so large samples share some."""
    return f"07700 900{serial * 37 % 1000:03d}"
