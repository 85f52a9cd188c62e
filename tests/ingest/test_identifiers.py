"""Check digits: what each rule takes and refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.identifiers import CHECKS, nhs_number, nino, uln, upn

DIGITS = st.text("0123456789", min_size=10, max_size=10)


@pytest.mark.parametrize("text", ["9990000018", "9434765919"])
def test_a_valid_nhs_number_passes(text: str) -> None:
    assert nhs_number(text)


@pytest.mark.parametrize("text", ["9990000019", "999000001", "99900000180", "999 000 0018", "९९९००००0१8", ""])
def test_another_text_is_no_nhs_number(text: str) -> None:
    assert not nhs_number(text)


@pytest.mark.parametrize("text", ["7E+09", "7000000015", "0000000000", "700000001", "7000000014 "])
def test_a_spreadsheet_s_uln_is_refused(text: str) -> None:
    assert uln("7000000014") and not uln(text)


@pytest.mark.parametrize("text", ["M201900113011", "L20190011301", "l201900113011", "I201900113011"])
def test_a_upn_has_its_check_letter(text: str) -> None:
    assert upn("L201900113011") and not upn(text)


@pytest.mark.parametrize("text", ["QQ123456C", "AB123456A"])
def test_a_nino_may_be_a_dummy(text: str) -> None:
    assert nino(text)


@pytest.mark.parametrize("text", ["GB123456A", "AB123456E", "AB12345A", "DA123456A", "AO123456A", "QQ123456"])
def test_a_nino_has_an_issued_prefix_and_suffix(text: str) -> None:
    assert not nino(text)


@given(DIGITS)
def test_one_wrong_digit_is_always_seen_in_an_nhs_number(text: str) -> None:
    if nhs_number(text):
        other = text[:4] + str((int(text[4]) + 1) % 10) + text[5:]
        assert not nhs_number(other)


@given(st.text(max_size=20))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert all(check(text) in (True, False) for check in CHECKS.values())
