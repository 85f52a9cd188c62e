"""An identity block after normalising: what one agency says about who this is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.matching import contact, identifiers, normalise
from services.matching.normalise import Name

#: The order of ``Identity.numbers``.
STRONG = ("nhs_number", "upn", "uln", "nino")
Numbers = tuple[str | None, str | None, str | None, str | None]
NO_NUMBERS: Numbers = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity block. ``names``: the main name first, then other names. None means missing or a placeholder.

    ``further``: values of columns that a model compares besides (``Model.further``), each behind its column's name.
    """

    names: tuple[Name, ...]
    born: date | None
    numbers: Numbers
    postcode: str | None
    address: str | None
    phone: str | None
    email: str | None
    refs: tuple[tuple[str, str], ...]
    further: tuple[tuple[str, str], ...] = ()


def identity_of(subject: Mapping[str, Any], further: Sequence[str] = ()) -> Identity:
    """Parse a subject block (fields of subject.v1, or of a row of a file). Absent keys are missing values.

    ``further``: names of columns that are compared besides.
    """
    read = subject.get
    names = [normalise.name(read("given_name"), read("family_name"))]
    for text in read("other_names") or ():
        names.append(_completed(normalise.other_name(text), names[0]))
    address, postcode = contact.home(read("address_line"), read("postcode"))
    return Identity(
        names=tuple(dict.fromkeys(names)),
        born=normalise.birth_date(read("date_of_birth")),
        numbers=(
            identifiers.nhs_number(read("nhs_number")) if read("nhs_number") else None,
            identifiers.upn(read("upn")) if read("upn") else None,
            identifiers.uln(read("uln")) if read("uln") else None,
            identifiers.nino(read("nino")) if read("nino") else None,
        ),
        postcode=postcode,
        address=address,
        phone=contact.phone(read("phone")),
        email=contact.email(read("email")),
        refs=tuple(sorted((read("other_refs") or {}).items())),
        further=tuple((column, value) for column in further if (value := normalise.plain(read(column)))),
    )


def _completed(other: Name, main: Name) -> Name:
    """An alias of one word is a given name; the family name is then the main one."""
    return other if other.family is not None else Name(other.given, main.family)
