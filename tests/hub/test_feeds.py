"""A partner's feed that falls silent, through every service in process: A40 speaks of the feed and of nobody."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from hub.held import InProcess
from hub.inprocess import InProcessHub
from hub.persons import persons
from services.alerts.state import Alert, decode
from services.ingest.decide import feed_id as feed_of_party
from services.matching.acts import feed_id

ROOT = Path(__file__).resolve().parents[2]
STEWARD, COLLEGE = "northshire-data-steward", "northvale-college"
FEED = feed_id(COLLEGE)


@pytest.fixture
def hub(tmp_path: Path) -> InProcessHub:
    """A council that has agreed a weekly extract with the college."""
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", contracts)
    alerts = contracts / "policy" / "alerts.yaml"
    agreed = f"feeds: {{{COLLEGE}: {{every_days: 7, tolerance_working_days: 2}}}}"
    alerts.write_text(
        "\n".join(agreed if line.startswith("feeds:") else line for line in alerts.read_text().splitlines())
    )
    return InProcessHub(contracts, ROOT / "schemas" / "avro")


def extract(hub: InProcessHub, on: date, rows: int = 400) -> None:
    data = {"feed_source": COLLEGE, "shape": "delta", "rows": rows, "leaver_rows": 4}
    event = {
        "specversion": "1.0",
        "id": f"extract-{on}",
        "source": STEWARD,
        "type": "feed.extract_received",
        "data": {"effective_on": on.isoformat(), "subject": {}, "data": data},
    }
    hub.submit(event, party=STEWARD, received_at=datetime.combine(on, time(6), UTC))
    hub.settle()


def days(hub: InProcessHub, first: date, last: date) -> None:
    while first <= last:
        hub.tick(first)
        hub.settle()
        first += timedelta(days=1)


def raised(hub: InProcessHub) -> list[Alert]:
    body = hub.states("alerts").get(FEED)
    return [] if body is None else list(decode(body).alerts)


def test_a_feed_that_falls_silent_is_asked_about_and_the_next_extract_answers(hub: InProcessHub) -> None:
    days(hub, date(2025, 11, 3), date(2025, 11, 3))
    extract(hub, date(2025, 11, 3))
    days(hub, date(2025, 11, 4), date(2025, 11, 12))
    assert not raised(hub)
    days(hub, date(2025, 11, 13), date(2025, 11, 16))
    (alert,) = raised(hub)
    assert (alert.rule, alert.raised_on, alert.due_on) == ("A40", date(2025, 11, 13), date(2025, 11, 14))
    assert {recipient.role for recipient in alert.recipients} == {"data-manager", "agency-spoc"}
    views = [str(fact.fields["recipients"]) for fact in hub.facts("alerts") if fact.fields["rule"] == "A40"]
    assert views and "Northvale College: the next extract is later than agreed." in views[0]
    extract(hub, date(2025, 11, 17))
    assert [one.outcome for one in raised(hub)] == ["resolved"]


def test_a_feed_is_no_person(hub: InProcessHub) -> None:
    extract(hub, date(2025, 11, 3))
    assert FEED in hub.states("status")
    assert not list(persons(InProcess(hub)))
    assert not list(hub.facts("reviews"))


def overshares(hub: InProcessHub, on: date, name: str, kind: str = "yj.disposal.started", **more: str) -> None:
    event = {
        "specversion": "1.0",
        "id": name,
        "source": COLLEGE,
        "type": kind,
        "data": {
            "effective_on": on.isoformat(),
            "subject": {"source_ref": "NV-1", "given_name": "Zara", "family_name": "Quill"},
            "data": {"kind": "referral_order", "ends_on": "2026-05-01", "ete_hours_offered": 16},
        },
        **more,
    }
    hub.submit(event, party=COLLEGE, received_at=datetime.combine(on, time(10), UTC))
    hub.settle()


def test_what_no_agreement_covers_is_told_once_of_the_feed_and_of_nobody(hub: InProcessHub) -> None:
    assert feed_of_party(COLLEGE) == FEED
    for n in range(2):
        overshares(hub, date(2025, 11, 3), f"over-{n}")
    (alert,) = raised(hub)
    assert (alert.rule, alert.due_on, alert.times) == ("A39", date(2025, 11, 3), 1)
    assert {recipient.role for recipient in alert.recipients} == {"dpo", "agency-spoc"}
    (view,) = {str(fact.fields["recipients"]) for fact in hub.facts("alerts")}
    assert "Northvale College: events of the type yj.disposal.started were refused: no agreement covers them." in view
    assert "Data came without an agreement: Northvale College" in view
    assert "Quill" not in view
    overshares(hub, date(2025, 11, 4), "over-name", source="northshire-youth-justice")
    # Another reason is folded in; a mistake of form is none.
    overshares(hub, date(2025, 11, 4), "mistaken", kind="no.such.type")
    assert [(one.outcome, one.times) for one in raised(hub)] == [("open", 2)]


def test_a_withdrawal_that_comes_late_is_told_through_every_service_under_the_agreements(hub: InProcessHub) -> None:
    care, consent = "northshire-social-care", {"purpose": "dwp_sharing", "recipients": ["dwp-spoc"]}
    told: list[tuple[str, date, date, dict[str, object]]] = [
        ("care.leaver_status.changed", date(2025, 9, 1), date(2025, 9, 1), {"status": "former_relevant"}),
        ("consent.given", date(2025, 9, 1), date(2025, 9, 1), {**consent, "given_by": "young_person"}),
        (
            "contact.verified",
            date(2025, 11, 3),
            date(2025, 11, 3),
            {
                "contact_role": "personal-adviser",
                "method": "phone",
                "activity": "not_in_eet",
                "neet_reason": "seeking",
                "since": "2025-11-03",
            },
        ),
        ("consent.withdrawn", date(2025, 10, 20), date(2025, 11, 5), consent),
    ]
    who = {"source_ref": "C-1", "given_name": "Zara", "family_name": "Quill", "date_of_birth": "2006-05-02"}
    for n, (kind, on, received, data) in enumerate(told):
        event = {"specversion": "1.0", "id": f"late-{n}", "source": care, "type": kind}
        body = {"effective_on": on.isoformat(), "subject": who, "data": data}
        hub.submit({**event, "data": body}, party=care, received_at=datetime.combine(received, time(10), UTC))
        hub.settle()
    assert not list(hub.facts("refusals")), [fact.fields["faults"] for fact in hub.facts("refusals")]
    acts = [fact.fields for fact in hub.facts("alerts")]
    first = next(act for act in acts if act["rule"] == "A01" and act["act"] == "raised")
    assert "dwp-spoc" in {one["role"] for one in first["recipients"]}
    (breach,) = [act for act in acts if act["rule"] == "A39"]
    views = {one["role"]: str(one["view"]) for one in breach["recipients"]}
    assert set(views) == {"dpo", "agency-spoc"}
    said = f"Alert {first['alert_id']} was told on 3 Nov 2025, after consent had ended on 20 Oct 2025."
    assert all(said in view for view in views.values())
    assert "Zara Quill" in views["dpo"] and "Quill" not in views["agency-spoc"]
