"""The one serialiser for hashes agrees with RFC 8785's reference and refuses what has no portable form."""

from __future__ import annotations

from datetime import date

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from spine.canonical import canonical, digest
from spine.journal import DecisionRow
from spine.step import link_after

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


@given(VALUES)
def test_the_form_is_that_of_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.dictionaries(TEXT, PLAIN, max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [1.0, {1, 2}, 2**53, {1: 2}, object()])
def test_what_has_no_portable_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@given(
    TEXT, st.integers(0, 2**40), st.binary(max_size=4), st.none() | st.dates(), st.lists(st.tuples(TEXT, st.binary()))
)
def test_the_link_of_a_decision_is_taken_over_its_canonical_form(
    text: str, offset: int, blob: bytes, tick: date | None, effects: list[tuple[str, bytes]]
) -> None:
    import hashlib

    row = DecisionRow(text, 1, offset, text, text, blob, blob, b"", tuple(effects), "b", "s", tick, "", b"")
    fields = [text, 1, offset, text, text, blob, blob, b"", [list(e) for e in effects], "b", "s", tick, ""]
    assert link_after(b"before", row) == hashlib.sha256(b"before" + canonical(fields)).digest()
