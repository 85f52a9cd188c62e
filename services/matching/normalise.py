"""Names and birth dates as agencies type them, in one form. Nothing is corrected: what means nothing is folded."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import NamedTuple

_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "ı": "i", "ə": "a", "ħ": "h"}
)
_LETTERS |= str.maketrans(dict.fromkeys("‐‒–—―−", "-"))
_APOSTROPHES = str.maketrans("", "", "'’‘`´ʼʻʾʿ\"")
_SPACES = str.maketrans(".,_/", "    ")
_TITLES = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "master",
        "mstr",
        "sir",
        "lady",
        "prof",
        "rev",
        "jr",
        "jnr",
        "junior",
        "snr",
    }
)
#: Words between two names of one person; alone, or at an end, they are names.
_JOINERS = frozenset({"nee", "formerly", "previously", "aka", "fka", "also", "known", "as", "or", "alias"})
_PARTICLES = frozenset(
    {"al", "el", "ul", "bin", "ibn", "bint", "binti", "abu", "umm", "de", "da", "di", "do", "dos", "del", "della", "la"}
    | {"le", "van", "von", "der", "den", "ter", "ten", "mac", "san", "st", "the"}
)
_NO_NAME = frozenset(
    {"unknown", "na", "none", "nil", "null", "notknown", "tbc", "tba", "test", "baby", "infant", "xxx", "notgiven"}
    | {"notprovided", "notrecorded", "notstated", "notavailable", "noname", "nofirstname", "nosurname", "nolastname"}
    | {"unnamed", "unborn", "anon", "anonymous", "withheld", "redacted", "confidential", "dummy", "forename", "surname"}
    | {
        "firstname",
        "lastname",
        "givenname",
        "familyname",
        "fnu",
        "lnu",
        "xx",
        "xxxx",
        "duplicate",
        "donotuse",
        "deleted",
    }
)
#: What systems write for "no date": the first days of their calendars, and 11/11/11.
_NO_DATE = frozenset(
    {date(1900, 1, 1), date(1901, 1, 1), date(1904, 1, 1), date(1911, 11, 11), date(1970, 1, 1), date(1980, 1, 1)}
    | {date(1, 1, 1), date(1, 1, 3), date(1753, 1, 1), date(1899, 12, 30), date(1899, 12, 31)}
)
#: From this year on nobody is born yet. An early year stays: 0009 and 1809 were typed, and are compared by grade.
_UNBORN_YEAR = 2100
_HALF_LETTERS_MIN = 3


class Given(NamedTuple):
    """``first`` word; ``joined``: all words as one; ``parts`` of a hyphenated first word; ``others``: later words."""

    first: str
    joined: str
    parts: tuple[str, ...]
    others: tuple[str, ...]


class Family(NamedTuple):
    """``joined`` without hyphen, apostrophe and space; ``halves`` of a double name."""

    joined: str
    halves: tuple[str, ...]


class Name(NamedTuple):
    given: Given | None
    family: Family | None


def fold(text: str) -> str:
    """Lower case without accents and apostrophes."""
    if not text.isascii():
        # Decomposed until nothing changes: a few letters (ligatures, letters of mathematics) hide others.
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).lower().translate(_LETTERS))
        text = "".join(c for c in text if c.isprintable() and not unicodedata.combining(c))
    return text.lower().translate(_APOSTROPHES)


def plain(text: str | None) -> str | None:
    """Letters and digits of a value that is no name, folded; None where nothing is left."""
    return " ".join(fold(text).translate(_SPACES).split()) or None if text else None


def _words(text: str) -> list[str]:
    words = [w for w in fold(text).translate(_SPACES).split() if _letters(w)]
    kept = [w for w in words if _letters(w) not in _TITLES] or words
    if len(kept) > 2:
        kept[1:-1] = [w for w in kept[1:-1] if _letters(w) not in _JOINERS]
    return kept


def _letters(text: str) -> str:
    return text if text.isalpha() else "".join(c for c in text if c.isalpha())


@lru_cache(maxsize=1 << 16)
def given(text: str | None) -> Given | None:
    """Forms of a given name, or None if it is missing or a placeholder."""
    words = _words(text or "")
    if not words:
        return None
    first = _letters(words[0])
    parts = tuple(_letters(p) for p in words[0].split("-") if _letters(p)) if "-" in words[0] else ()
    others = tuple(_letters(w) for w in words[1:])
    joined = first + "".join(others)
    return None if first in _NO_NAME or joined in _NO_NAME else Given(first, joined, parts, others)


@lru_cache(maxsize=1 << 16)
def family(text: str | None) -> Family | None:
    """Forms of a family name, or None if it is missing or a placeholder."""
    words = [letters for word in _words(text or "") for half in word.split("-") if (letters := _letters(half))]
    joined = "".join(words)
    if not joined or joined in _NO_NAME:
        return None
    halves = tuple(w for w in words if len(w) >= _HALF_LETTERS_MIN and w not in _PARTICLES) if len(words) > 1 else ()
    return Family(joined, halves)


def is_particle(word: str) -> bool:
    """A word before a family name that is none: al, el, van."""
    return word in _PARTICLES


def name(given_text: str | None, family_text: str | None) -> Name:
    """A name from its two fields, or from one that holds all of it in the order of a register: "KHAN, Aisha Bibi"."""
    called, of_family = given(given_text), family(family_text)
    if family_text and "," in family_text:
        whole = _registered(family_text)
        if called is None:
            return whole
        # Otherwise the comma stands between the halves of a double name.
        if whole.given is None or whole.given.first in (called.first, *called.others):
            return Name(called, whole.family)
    elif given_text and "," in given_text:
        whole = _registered(given_text)
        if whole.given is not None and of_family in (None, whole.family):
            return whole
    return Name(called, of_family)


def _registered(text: str) -> Name:
    """ "Family, Given", where both stand there; a title or a generation behind the comma is no name ("Smith, Jr")."""
    before, _, after = text.partition(",")
    if all(word in _TITLES for word in _words(after)):
        return Name(None, family(before))
    return Name(given(after), family(before))


@lru_cache(maxsize=1 << 14)
def other_name(text: str) -> Name:
    """An alias as agencies write it, 'Given Family' or 'Family, Given'; one word alone is a given name."""
    if "," in text:
        whole = _registered(text)
        if whole.given is not None:
            return whole
    words = text.split()
    if len(words) < 2:
        return Name(given(text), None)
    return Name(given(" ".join(words[:-1])), family(words[-1]))


def birth_date(value: date | None) -> date | None:
    """None for the dates that systems write when they have none, and for years in which nobody is born yet.

    The 1st of January and the 15th stay: most who bear them were born then, and the others are compared by grade.
    """
    if value is None or value in _NO_DATE or value.year >= _UNBORN_YEAR:
        return None
    return value


#: Ways to write one sound of another script or an older spelling, longest first.
_SPELLINGS = tuple(
    (re.compile(written), read)
    for written, read in (
        ("ph", "f"), ("kh", "k"), ("gh", "g"), ("dh", "d"), ("ck|q", "k"), ("ee|ii|ie|y", "i"), ("oo|ou", "u"),
        ("a[aeh]+", "a"), (r"(?<=[aeiou])h\b", ""), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip


@lru_cache(maxsize=1 << 16)
def spelling(word: str) -> str:
    """A folded word without the choices of its transcriber: Shareef is Sharif, Yousra Yusra, Naeem Naim."""
    for written, read in _SPELLINGS:
        word = written.sub(read, word)
    return word


_CODES = {c: d for d, letters in enumerate(("aeiouy", "bfpv", "cgjkqsxz", "dt", "l", "mn", "r")) for c in letters}


@lru_cache(maxsize=1 << 16)
def soundex(word: str) -> str:
    """American Soundex of a folded word; empty for a word that does not begin with a to z.

    It says whom to compare (blocking), never that two names are one.
    """
    if not word or not "a" <= word[0] <= "z":
        return ""
    out, last = word[0], _CODES.get(word[0], 0)
    for c in word[1:]:
        if c in "hw":
            continue
        code = _CODES.get(c, 0)
        if code and code != last:
            out += str(code)
        last = code
    return (out + "000")[:4]
