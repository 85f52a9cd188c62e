"""Strong identifiers: form, check digits and the placeholders that mean "none". A value that fails is missing."""

from __future__ import annotations

import re

_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN = re.compile(r"[A-Z]\d{12}\Z")
_NINO = re.compile(r"[A-Z]{2}\d{6}[A-D]?\Z")
#: TN is a temporary number from date of birth and sex: the same for many people. OO, CR, FY, MW, NC, PP, PY and PZ were
#: administrative; the others are never issued. QQ, the dummy of every manual, stays: tests and samples bear it.
_NINO_PREFIXES_NONE = frozenset(
    {"TN", "BG", "GB", "KN", "NK", "NT", "ZZ", "OO", "CR", "FY", "MW", "NC", "PP", "PY", "PZ"}
)
_NINO_LETTERS_NONE = re.compile(r"[DFIUV]|.[DFIOUV]")
#: What people type to get past a form.
_NINO_NONE = frozenset({"AB123456", "AA123456", "AB000000", "JC123456"})
_ULN_NONE = "9999999999"


def _digits(text: str) -> str:
    """ASCII digits; ".0" behind them is a spreadsheet's."""
    text = text.strip().removesuffix(".0")
    return "".join(c for c in text if c in "0123456789")


def _one_digit_only(digits: str) -> bool:
    return len(set(digits)) == 1


def nhs_number(text: str | None) -> str | None:
    """Ten digits, modulus 11; a number of one repeated digit is a placeholder."""
    digits = _digits(text or "")
    if len(digits) != 10 or _one_digit_only(digits):
        return None
    check = 11 - sum(int(d) * (10 - n) for n, d in enumerate(digits[:9])) % 11
    return digits if check % 11 == int(digits[9]) and check != 10 else None


def uln(text: str | None) -> str | None:
    """Ten digits with a check digit; 9999999999 means that the learner has none."""
    digits = _digits(text or "")
    if len(digits) != 10 or digits == _ULN_NONE or digits[0] == "0":
        return None
    rest = sum(int(d) * (10 - n) for n, d in enumerate(digits[:9])) % 11
    return digits if rest != 0 and 10 - rest == int(digits[9]) else None


def upn(text: str | None) -> str | None:
    """Check letter and twelve digits. A temporary UPN ends with a letter, is not unique and counts as missing."""
    value = "".join((text or "").split()).upper()
    if not _UPN.match(value) or _one_digit_only(value[1:]):
        return None
    total = sum(int(d) * (n + 2) for n, d in enumerate(value[1:]))
    return value if _UPN_LETTERS[total % 23] == value[0] else None


def nino(text: str | None) -> str | None:
    """Two letters and six digits; the suffix letter is often left out, so it is not compared."""
    value = "".join(c for c in (text or "").upper() if c.isalnum())
    if not _NINO.match(value) or value[:2] in _NINO_PREFIXES_NONE or _NINO_LETTERS_NONE.match(value):
        return None
    return None if value[:8] in _NINO_NONE or _one_digit_only(value[2:8]) else value[:8]
