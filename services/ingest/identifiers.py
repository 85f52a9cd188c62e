"""Check digits of the identifiers that partners send. The published rules, and nothing about whose number it is."""

from __future__ import annotations

import re

_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_NINO = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]\Z", re.ASCII)
_NINO_DUMMY = re.compile(r"QQ[0-9]{6}[A-D]\Z", re.ASCII)
_NINO_NEVER = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})
_UPN = re.compile(r"[A-HJ-NP-RT-Z][0-9]{11}[0-9A-HJ-NP-RT-Z]\Z", re.ASCII)
_TEN = re.compile(r"[0-9]{10}\Z", re.ASCII)


def nhs_number(text: str) -> bool:
    """Ten digits, modulus 11."""
    if not _TEN.match(text):
        return False
    check = 11 - sum((10 - n) * int(digit) for n, digit in enumerate(text[:9])) % 11
    return (0 if check == 11 else check) == int(text[9])


def uln(text: str) -> bool:
    """Ten digits, not starting with 0: 10 minus (the weighted sum of nine modulo 11); remainder 0 is never issued."""
    if not _TEN.match(text) or text[0] == "0":
        return False
    remainder = sum((10 - n) * int(digit) for n, digit in enumerate(text[:9])) % 11
    return remainder != 0 and 10 - remainder == int(text[9])


def upn(text: str) -> bool:
    """A check letter, then twelve digits; the last may be a letter in a temporary number."""
    if not _UPN.match(text):
        return False
    last = text[12]
    tail = int(last) if last.isdigit() else _UPN_LETTERS.index(last)
    total = sum((n + 2) * int(digit) for n, digit in enumerate(text[1:12])) + 13 * tail
    return _UPN_LETTERS[total % 23] == text[0]


def nino(text: str) -> bool:
    """Two prefix letters, six digits, a suffix A to D; QQ marks a dummy number and is accepted."""
    if _NINO_DUMMY.match(text):
        return True
    return bool(_NINO.match(text)) and text[:2] not in _NINO_NEVER


CHECKS = {"nhs_number": nhs_number, "uln": uln, "upn": upn, "nino": nino}
EXPECTED = {
    "nhs_number": "10 digits, modulus 11",
    "uln": "10 digits with a check digit",
    "upn": "a check letter and 12 digits",
    "nino": "2 letters, 6 digits and a letter A to D",
}
