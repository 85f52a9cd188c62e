"""What agencies type, read and compared. The tables are YAML, so that an expert in names can review them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from services.matching import contact, identifiers, normalise
from services.matching.agent import ALIASES
from services.matching.aliases import read_aliases
from services.matching.compare import (
    BornGrade,
    FamilyGrade,
    GivenGrade,
    NameComparer,
    born_grade,
    family_grade,
    given_grade,
    one_edit,
)
from services.matching.identity import identity_of

HERE = Path(__file__).parent
NAMES = read_aliases(ALIASES.read_text("utf-8").splitlines())


READERS = {f.__name__: f for f in (contact.postcode, contact.address, contact.phone, contact.email)}
READERS |= {name: getattr(identifiers, name) for name in ("nhs_number", "upn", "uln", "nino")}


def in_policy(grade: GivenGrade | FamilyGrade | BornGrade, wanted: str) -> str:
    """Name of a grade; of one that the rules call different, that, unless the table asks for the finer one."""
    return "different" if grade.differs and wanted == "different" else grade.name.lower()


def table(name: str) -> list[list[Any]]:
    rows = YAML(typ="safe").load(HERE / name)
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize(("one", "other", "grade"), table("names_given.yaml"))
def test_given_names_compare_as_the_table_says(one: str, other: str, grade: str) -> None:
    a, b = normalise.given(one), normalise.given(other)
    forth, back = given_grade(a, b, NAMES), given_grade(b, a, NAMES)
    assert forth == back
    assert in_policy(forth, grade) in grade.split("_or_")


@pytest.mark.parametrize(("one", "other", "grade"), table("names_family.yaml"))
def test_family_names_compare_as_the_table_says(one: str, other: str, grade: str) -> None:
    a, b = normalise.family(one), normalise.family(other)
    assert family_grade(a, b, NAMES) == family_grade(b, a, NAMES)
    assert in_policy(family_grade(a, b, NAMES), grade) == grade


@pytest.mark.parametrize(("given_text", "family_text", "read"), table("names_whole.yaml"))
def test_names_are_read_from_their_fields_as_the_table_says(
    given_text: str | None, family_text: str | None, read: str
) -> None:
    name = normalise.name(given_text, family_text)
    given_joined = name.given.joined if name.given else "~"
    assert f"{given_joined} {name.family.joined if name.family else '~'}" == read


@pytest.mark.parametrize(("kind", "sent", "read"), table("values.yaml"))
def test_values_are_read_as_the_table_says(kind: str, sent: str, read: str | None) -> None:
    assert READERS[kind](sent) == read


@pytest.mark.parametrize(("one", "other", "grade"), table("birth_dates.yaml"))
def test_birth_dates_compare_as_the_table_says(one: date | str, other: date | str, grade: str) -> None:
    a, b = (normalise.birth_date(d if isinstance(d, date) else date.fromisoformat(d)) for d in (one, other))
    assert born_grade(a, b) == born_grade(b, a)
    assert in_policy(born_grade(a, b), grade) == grade


def test_an_alias_needs_a_shared_group_and_a_group_needs_two_names() -> None:
    assert NAMES.same("kate", "katherine")
    assert not NAMES.same("alexander", "alexandra")
    with pytest.raises(ValueError, match=r"line 2: .*; line 4: "):
        read_aliases(["ben benjamin", "lonely", "# a comment", "alone =", "~ grace"])


def test_names_of_their_own_are_told_apart_and_spellings_of_one_are_not() -> None:
    names = read_aliases(["yusuf yousef =", "yusuf yuusuf =", "bill william", "~ amir amira"])
    assert names.apart("amir", "amira")
    assert not names.apart("yuusuf", "yousef"), "both are spellings of Yusuf"
    assert not names.apart("amir", "ameer"), "an unknown word may be a slip"
    assert names.spelt("yusuf", "yousef")
    assert not names.spelt("bill", "william"), "a short form is no spelling of a family name"


#: Letters of many scripts, and pieces of names, titles and placeholders.
PIECES = [
    "Khan",
    "née",
    "Mr",
    ",",
    "-",
    " ",
    "O’",
    "Łu",
    "ß",
    "ﬁ",
    "İ",
    "ᴭ",
    "ʼn",
    "𝔐",
    "Al",
    "unknown",
    "van",
    ".",
    "Ω",
    "5",
]
TEXTS = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))


@given(TEXTS)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert normalise.fold(normalise.fold(text)) == normalise.fold(text)


@given(TEXTS)
def test_reading_a_name_twice_changes_nothing_more(text: str) -> None:
    family, given_name = normalise.family(text), normalise.given(text)
    if family is not None and (again := normalise.family(family.joined)) is not None:
        assert again.joined == family.joined
    if (
        given_name is not None
        and (once := normalise.given(" ".join((given_name.first, *given_name.others)))) is not None
    ):
        assert once.joined == given_name.joined


@given(TEXTS, TEXTS)
def test_case_and_spaces_mean_nothing(one: str, other: str) -> None:
    text = f"{one} {other}"
    assert normalise.family(f"  {text.lower()} ") == normalise.family(text.replace(" ", "   "))


@given(st.lists(st.sampled_from(["Khan", "Aisha", "Bibi", "Ann-Marie", "O'Neill", "J"]), min_size=2, max_size=4))
def test_a_register_order_is_read_as_the_two_fields_are(words: list[str]) -> None:
    family, *given_names = words
    sent = normalise.name(" ".join(given_names), family)
    assert normalise.name(None, f"{family}, {' '.join(given_names)}") == sent
    assert normalise.other_name(f"{family.upper()},{' '.join(given_names)}") == sent


VALUES = st.one_of(
    TEXTS, st.sampled_from([row[1] for row in table("values.yaml")]), st.text("0 +4/7A@.go,x", max_size=16)
)


@pytest.mark.parametrize("kind", READERS)
@given(text=VALUES)
def test_a_value_that_was_read_is_read_again_as_it_is(kind: str, text: str) -> None:
    read = READERS[kind](text)
    assert read is None or READERS[kind](read) == read


@given(VALUES, VALUES)
def test_the_postcode_of_an_office_is_no_home(line: str, code: str) -> None:
    address, postcode = contact.home(f"{line}, c/o Civic Centre", code)
    assert address is postcode is None
    assert contact.home(None, code) == (None, contact.postcode(code))


NAMED = st.sampled_from(sorted(NAMES.groups)) | st.text("abehilmnorsuy", min_size=1, max_size=8)
GIVEN = st.lists(NAMED, min_size=1, max_size=3).map(" ".join)


@given(GIVEN, GIVEN, GIVEN, GIVEN)
def test_it_does_not_matter_which_of_two_names_comes_first(a: str, b: str, c: str, d: str) -> None:
    one, other = normalise.name(a, b), normalise.name(c, d)
    comparer = NameComparer(NAMES)
    assert comparer.pair(one, other) == comparer.pair(other, one)
    assert comparer.pair(one, one).inexact == 0 or None in one


@given(st.dates(), st.dates())
def test_it_does_not_matter_which_of_two_dates_comes_first(one: date, other: date) -> None:
    assert born_grade(one, other) == born_grade(other, one)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=20))
def test_no_text_breaks_the_reading_of_an_identity(given_name: str, family_name: str, number: str, phone: str) -> None:
    subject = {"given_name": given_name, "family_name": family_name, "other_names": [given_name], "phone": phone}
    subject |= {"email": family_name, "address_line": phone}
    identity_of({**subject, "nhs_number": number, "uln": number, "upn": number, "nino": number, "postcode": number})


def slow_osa(a: str, b: str) -> int:
    rows = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(st.text("abcd", min_size=4, max_size=8), st.text("abcd", min_size=4, max_size=8))
def test_one_edit_is_what_ten_lines_of_our_own_say(a: str, b: str) -> None:
    assert one_edit(a, b) == (slow_osa(a, b) <= 1)


CODES = {"robert": "r163", "rupert": "r163", "ashcraft": "a261", "tymczak": "t522", "pfister": "p236", "": "", "ż": ""}


@pytest.mark.parametrize(("word", "code"), CODES.items())
def test_soundex_is_the_american_one(word: str, code: str) -> None:
    assert normalise.soundex(word) == code
