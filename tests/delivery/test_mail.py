"""What a mail says: how many, until when, where to look; never who, nor which rule."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from services.alerts.delivery.channel import message
from services.alerts.delivery.grouping import Waiting, compose, plan
from services.alerts.delivery.policy import load

POLICY = load(Path(__file__).resolve().parents[2] / "contracts")
LINK = "https://hub.northshire.example/"


def waiting(n: int, act: str = "raised", severity: str = "P3") -> Waiting:
    return Waiting(f"d{n:03}", f"a{n:03}", act, severity, date(2026, 11, 5), severity == "P1", 0)


def test_a_mail_counts_alerts_and_names_nobody_and_no_rule() -> None:
    mail = compose([waiting(1), waiting(2), waiting(3), waiting(4, act="retracted")], LINK)
    assert mail.subject == "You have 3 new alerts"
    assert "1 earlier alert changed or closed" in mail.text
    assert not re.search(r"\bA\d\d\b", mail.text)
    assert "5 November 2026" in mail.text
    assert LINK in mail.text


def test_two_acts_of_one_alert_are_one_alert() -> None:
    one = waiting(1)
    two = Waiting("d9", one.alert_id, "updated", "P3", one.due_on, False, 0)
    assert compose([one, two], LINK).subject == "You have 1 new alert"


def test_the_reference_stands_in_header_and_body_and_ids_in_headers() -> None:
    mail = compose([waiting(1), waiting(2)], LINK)
    made = message("hub@northshire.example", "team@northshire.example", mail)
    assert made["X-Hub-Reference"] == mail.reference
    assert mail.reference in made.get_content()
    assert made.get_all("X-Hub-Delivery") == ["d001", "d002"]


def test_the_same_deliveries_give_the_same_mail_in_any_order() -> None:
    assert compose([waiting(1), waiting(2)], LINK) == compose([waiting(2), waiting(1)], LINK)


def test_in_a_storm_a_caseload_gets_one_summary_an_hour_and_urgent_alerts_pass_by() -> None:
    crowd = [waiting(n) for n in range(50)] + [waiting(99, severity="P1")]
    stormy = plan(POLICY, crowd, mails_last_hour=POLICY.mails_per_hour_max)
    assert [w.delivery_id for w in stormy.now] == ["d099"]
    assert len(stormy.later) == 50
    calm = plan(POLICY, crowd, mails_last_hour=0)
    assert len(calm.now) == 51
    assert not calm.later


def test_a_mail_is_bounded_and_nothing_is_dropped() -> None:
    crowd = [waiting(n) for n in range(POLICY.deliveries_per_mail_max + 10)]
    made = plan(POLICY, crowd, mails_last_hour=0)
    assert len(made.now) == POLICY.deliveries_per_mail_max
    assert len(made.later) == 10
