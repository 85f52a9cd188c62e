"""Which known people are worth comparing: several passes over keys, each with a cap on the people of a key.

A list over its cap says little and costs much, so it is skipped; another pass finds its members. Numbers, birth date
with a name's sound, both names' sounds with the year, contact data with a name's sound.
"""

from __future__ import annotations

from services.matching.identity import NO_NUMBERS, STRONG, Identity
from services.matching.normalise import Family, Given, soundex

#: People per key, by the first letter of the key. 0: no cap.
CAPS = {"#": 0, "d": 10, "f": 60, "g": 40, "n": 12, "y": 20, "p": 60, "h": 40, "m": 20, "e": 60}
_LETTERS = ("N", "U", "L", "I")
assert len(_LETTERS) == len(STRONG)


def keys_of(identity: Identity) -> list[str]:
    """Keys under which a known identity is found."""
    return [*sure_keys(identity), *named_keys(identity)]


def named_alike(one: Identity, other: Identity) -> bool:
    """Whether two identities have the same ``named_keys``."""
    return one.names == other.names and one.born == other.born and one.postcode == other.postcode


def named_keys(identity: Identity) -> list[str]:
    """Keys from names, with birth date and postcode."""
    keys: list[str] = []
    born = identity.born
    for name in identity.names:
        sounds, given = family_sounds(name.family), given_sound(name.given)
        if born is not None:
            day = born.toordinal()
            keys.append(f"d{day}")
            keys += [f"f{day}:{sound}" for sound in sounds]
            if given:
                keys.append(f"g{day}:{given}")
        for sound in sounds:
            if given:
                keys.append(f"n{given}:{sound}")
                if born is not None:
                    keys.append(f"y{given}:{sound}:{born.year}")
            if identity.postcode is not None:
                keys.append(f"p{identity.postcode}:{sound}")
    return keys if len(identity.names) == 1 else list(dict.fromkeys(keys))


def queries_of(identity: Identity, provider: str | None) -> list[str]:
    """Keys under which to look for an identity: its own, those with names swapped, and the provider that it names."""
    keys = keys_of(identity)
    for name in identity.names:
        as_family, as_given = given_sound(name.given), family_sounds(name.family)
        if identity.born is not None and as_family:
            keys.append(f"f{identity.born.toordinal()}:{as_family}")
        if as_family:
            keys += [f"n{sound}:{as_family}" for sound in as_given]
        if provider is not None:
            keys += [enrolled_key(provider, sound) for sound in as_given]
    return list(dict.fromkeys(keys))


def enrolled_keys(identity: Identity, provider: str) -> list[str]:
    return [enrolled_key(provider, sound) for name in identity.names for sound in family_sounds(name.family)]


def enrolled_key(provider: str, sound: str) -> str:
    return f"e{provider}:{sound}"


def sure_keys(identity: Identity) -> list[str]:
    """Keys from numbers, telephone and e-mail."""
    keys = number_keys(identity)
    if identity.phone is not None:
        keys.append(f"h{identity.phone}")
    if identity.email is not None:
        keys.append(f"m{identity.email}")
    return keys


def number_keys(identity: Identity) -> list[str]:
    """Keys from numbers alone."""
    if identity.numbers == NO_NUMBERS:
        return []
    numbers = zip(_LETTERS, identity.numbers, strict=True)
    return [f"#{letter}{number}" for letter, number in numbers if number is not None]


def given_sound(given: Given | None) -> str:
    """Sound of the first name; an initial stays a letter."""
    if given is None:
        return ""
    return given.first if len(given.first) == 1 else soundex(given.first)


def family_sounds(family: Family | None) -> tuple[str, ...]:
    if family is None:
        return ()
    found = dict.fromkeys(s for word in (family.joined, *family.halves) if (s := soundex(word)))
    return tuple(found) or (family.joined[:4],)
