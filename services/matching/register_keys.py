"""Which rows of a register are worth comparing. More passes than the hub's, which must be quick for each observation.

A key whose list is over its cap says little and is skipped. Names stand in each other's place or are half missing in
old registers, so that a sound counts whichever name it is of.
"""

from __future__ import annotations

from itertools import combinations

from services.matching.blocking import family_sounds, given_sound, sure_keys
from services.matching.identity import Identity
from services.matching.normalise import Name, soundex

#: First letter of the keys of two further columns.
TOGETHER = "u"
#: People per key, by the first letter of the key. 0: no cap.
CAPS = {"#": 0, "h": 40, "m": 40, "d": 20, "b": 60, "n": 40, "y": 40, "q": 30, "s": 60, "o": 60, "a": 40, "w": 40}
#: A further column alone, with a sound or the year of birth, half of its digits, the sounds of two columns.
CAPS |= {"x": 30, "z": 60, "v": 30, TOGETHER: 30}
#: Digits of a number of which each half is a key: one slip leaves a half as it was.
HALVED_MIN = 6


def keys_of(identity: Identity) -> set[str]:
    keys = set(sure_keys(identity))
    born, postcode = identity.born, identity.postcode
    if born is not None:
        keys.add(f"d{born.toordinal()}")
    if postcode is not None:
        keys.add(f"q{postcode}")
        if born is not None:
            keys.add(f"o{postcode[:-3]}:{born.year}")
    if identity.address is not None:
        keys.add(f"a{identity.address}")
    for column, value in identity.further:
        keys.add(f"x{column}:{value}")
        if value.isdigit() and len(value) >= HALVED_MIN:
            middle = len(value) // 2
            keys |= {f"v{column}:{value[:middle]}-", f"v{column}:-{value[-middle:]}"}
        if born is not None:
            keys.add(f"z{column}:{value}:{born.year}")
    keys |= {f"{TOGETHER}{':'.join(pair)}" for pair in combinations([_sound(*one) for one in identity.further], 2)}
    for name in identity.names:
        keys |= _named(identity, name)
    return keys


def _sound(column: str, value: str) -> str:
    """A column's value as its first word sounds; a number is as it is."""
    return f"{column}={soundex(value.split()[0]) or value}"


def _named(identity: Identity, name: Name) -> set[str]:
    keys: set[str] = set()
    born, postcode = identity.born, identity.postcode
    word = name.family or name.given
    if word is not None:
        keys.add(f"w{word.joined}")
    sounds = sorted({sound for sound in (given_sound(name.given), *family_sounds(name.family)) if sound})
    for pair in combinations(sounds, 2):
        both = ":".join(pair)
        keys.add(f"n{both}")
        if born is not None:
            keys.add(f"y{both}:{born.year}")
    for sound in (sound for sound in sounds if len(sound) > 1):
        if born is not None:
            keys.add(f"b{born.toordinal()}:{sound}")
        if postcode is not None:
            keys |= {f"s{postcode}:{sound}", f"o{postcode[:-2]}:{sound}"}
        keys |= {f"z{column}:{value}:{sound}" for column, value in identity.further}
    return keys
