"""A story runs under agreements that cover every party and event type for the whole time."""

from __future__ import annotations

import json
from pathlib import Path

from hub.sharing import ensure_built
from hub.story import run_stories
from hub.story_agreements import covering, widened
from spine.headed import read_policy

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
#: A university may not send this number under its agreement, which also ends before the second event.
STORY = """
id: X1
title: A gap year
until: "2027-10-08"
given: []
events:
  - id: E1
    received_at: "2027-08-20T09:00:00Z"
    source: university-of-eastmarsh
    type: offer.accepted
    effective_on: "2027-08-20"
    subject: &hana {source_ref: U-1, given_name: Hana, family_name: Novak, date_of_birth: "2009-03-01", nino: QQ123456C}
    data: {kind: higher_education, starts_on: "2027-09-20", suitable: true, conditional: false}
  - id: E2
    received_at: "2027-10-01T09:00:00Z"
    source: university-of-eastmarsh
    type: education.enrolment.not_enrolled
    effective_on: "2027-09-30"
    subject: *hana
    data: {reason: declined}
expect:
  clusters: [[E1, E2]]
  review: []
  timeline:
    - {person: E1, from: "2027-08-20", to: "2027-09-29", code: "615"}
    - {person: E1, from: "2027-09-30", to: null, code: "810"}
  alerts: []
"""


def test_neither_an_agreements_end_nor_its_fields_refuse_what_a_story_tells(tmp_path: Path) -> None:
    (tmp_path / "X1.yaml").write_text(STORY)
    checks = run_stories([tmp_path], CONTRACTS, SCHEMAS)
    assert checks
    assert [c for c in checks if not c.holds] == []


def test_no_role_reads_more_under_them() -> None:
    agreed = json.loads(read_policy(CONTRACTS, ensure_built(CONTRACTS)))
    wide = widened(agreed)
    for before, after in zip(agreed["grants"], wide["grants"], strict=True):
        assert after["items"] == before["items"]
        assert {*after["hub_only"]} == {*before["hub_only"], *before["must_not_send"]}
    for name, before in agreed["agreements"].items():
        assert wide["agreements"][name]["recipients"] == before["recipients"]


def test_the_folder_itself_stays_as_it_is() -> None:
    before = ensure_built(CONTRACTS)
    with covering(CONTRACTS) as copy:
        assert ensure_built(copy) != before
    assert ensure_built(CONTRACTS) == before
