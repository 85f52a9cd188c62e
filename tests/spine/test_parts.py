"""Parts of facts, sealed field by field."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from fastavro.utils import generate_many
from hypothesis import given
from hypothesis import strategies as st

from spine.errors import Halt
from spine.keystore import Erased, MemoryKeys
from spine.parts import Clear, is_sealed, under
from spine.schema import Catalogue
from spine.seal import SealBroken

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
PARTS = sorted({"subject.v1", *(kind for kind in CATALOGUE._part_sources if ".data." in kind)})
UNDER = "college/opaque"
WHO: dict[str, Any] = {"source_ref": "N-1", "given_name": "Aisha", "family_name": "Khan-Reid", "other_names": ["Bibi"]}


def sealed(fields: dict[str, Any], about: str = "e1", kind: str = "subject.v1") -> bytes:
    return CATALOGUE.seal(Clear(kind, fields, UNDER), about)


@pytest.mark.parametrize("kind", PARTS)
def test_every_part_that_a_partner_can_send_opens_as_it_was_sealed(kind: str) -> None:
    random.seed(kind)
    for fields in generate_many(CATALOGUE._part_sources.get(kind) or CATALOGUE.sources[kind], 20):
        part = sealed(fields, kind=kind)
        assert CATALOGUE.opened(kind, part) == CATALOGUE.encode(kind, fields)
        assert CATALOGUE.open(kind, part) == CATALOGUE.decode(kind, CATALOGUE.encode(kind, fields))


@given(st.text(max_size=40_000))
def test_any_text_opens_as_it_was_sealed(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert CATALOGUE.open("subject.v1", sealed({"given_name": text}))["given_name"] == text


def test_nothing_of_the_content_stands_in_the_sealed_bytes() -> None:
    part = sealed({**WHO, "address_line": "4 Mill Lane", "uln": "1234567890"})
    for value in (b"Aisha", b"Khan-Reid", b"Bibi", b"N-1", b"Mill", b"1234567890"):
        assert value not in part
    assert is_sealed(part) and under(part) == UNDER


@pytest.mark.parametrize("length", [1, 60, 63, 64, 127, 128, 9_000, 70_000])
def test_the_reference_of_the_key_is_read_however_long_it_is(length: int) -> None:
    ref = "é" + "r" * length
    assert under(CATALOGUE.seal(Clear("subject.v1", WHO, ref), "e1")) == ref


def test_only_the_fields_that_are_named_are_opened() -> None:
    read = CATALOGUE.open("subject.v1", sealed(WHO), {"given_name"})
    assert read["given_name"] == "Aisha"
    assert {value for name, value in read.items() if name != "given_name" and value not in ([], {})} == {None}


def test_the_same_fact_is_sealed_to_the_same_bytes_and_another_to_others() -> None:
    assert sealed(WHO) == sealed(dict(reversed(WHO.items())))
    assert sealed(WHO) != sealed(WHO, about="e2")


def test_a_sealed_field_opens_in_its_own_place_only() -> None:
    part = sealed({"given_name": "Aisha", "family_name": "Khan"})
    read = Catalogue([ROOT / "schemas" / "avro"], CATALOGUE.keys)
    moved = {
        "another fact": part.replace(b"\x04e1", b"\x04e2"),
        "another field": part.replace(b"\x14given_name", b"\x14other_name").replace(
            b"\x16family_name", b"\x14given_name"
        ),
        "another key": part.replace(b"opaque", b"opaqui"),
        "altered": part[:-8] + bytes([part[-8] ^ 1]) + part[-7:],
    }
    for how, bytes_ in moved.items():
        assert bytes_ != part, how
        with pytest.raises(SealBroken):
            read.open("subject.v1", bytes_)


def test_a_schema_may_grow_and_change_its_order() -> None:
    fields = CATALOGUE.sources["subject.v1"]["fields"]
    newer = {**CATALOGUE.sources["subject.v1"], "fields": [{"name": "new", "type": ["null", "string"]}, *fields[::-1]]}
    later = Catalogue([], CATALOGUE.keys)
    later.add("subject.v1", newer)
    read = later.open("subject.v1", sealed(WHO))
    assert {name: read[name] for name in WHO} == WHO and read["new"] is None


def test_what_an_erased_subject_said_opens_for_nobody() -> None:
    catalogue = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
    part = catalogue.seal(Clear("subject.v1", WHO, UNDER), "e1")
    catalogue.keys.destroy([UNDER])
    with pytest.raises(Erased):
        catalogue.open("subject.v1", part)


def test_a_clear_part_is_still_read() -> None:
    assert CATALOGUE.open("subject.v1", CATALOGUE.encode("subject.v1", WHO))["given_name"] == "Aisha"


def test_without_a_key_store_nothing_passes_in_clear() -> None:
    with pytest.raises(Halt, match="HUB_KEK_FILE"):
        Catalogue([ROOT / "schemas" / "avro"]).seal(Clear("subject.v1", WHO, UNDER), "e1")


@pytest.mark.parametrize("fields", [{"no_such": "x"}, {"given_name": 7}, {"date_of_birth": "yesterday"}])
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        sealed(fields)
