"""The life of a delivery, decided without a clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.delivery import decide as core
from services.alerts.delivery.breaker import Breaker
from services.alerts.delivery.decide import Delivery
from services.alerts.delivery.policy import DeliveryPolicy, load
from spine.record import Effect, Fact

ROOT = Path(__file__).resolve().parents[2]
POLICY: DeliveryPolicy = load(ROOT / "contracts")
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def fact(state: str, *, attempt: int = 0, channel: str = "email", reason: str = "", severity: str = "P3") -> Fact:
    given_ = Delivery("d1", "a1", "inclusion-team", "inclusion-north", None, "A01", "raised", "2026-11-05", severity)
    told = core.told(
        replace(given_, channel=channel), state, attempt=attempt, at_ms=core.milliseconds(AT), reason=reason
    )
    return Fact("delivery.v1", f"{state}-{attempt}", told.fields)


def live(*facts: Fact) -> tuple[Delivery, list[Effect]]:
    state, told = Delivery("d1"), []
    for each in facts:
        state, effects = core.decide(POLICY, state, each)
        told += effects
        assert core.decode(core.encode(state)) == state
    return state, told


def test_an_inbox_delivery_is_delivered_at_once() -> None:
    state, told = live(fact("created", channel="inbox"))
    assert state.life == "delivered"
    assert [(e.topic, e.key, e.fields["state"], e.fields["delivery_id"]) for e in told] == [
        ("deliveries", "a1", "delivered", "d1")
    ]
    assert core.due(POLICY, state) is None


def test_an_email_waits_for_its_window_and_an_urgent_one_does_not() -> None:
    calm, _ = live(fact("created"))
    urgent, _ = live(fact("created", severity="P1"))
    waits = [core.due(POLICY, calm), core.due(POLICY, urgent)]
    assert [(w.wait_s, w.urgent) for w in waits if w] == [(POLICY.group_window_s, False), (0, True)]


def test_the_own_echo_of_a_decision_changes_nothing() -> None:
    state, told = live(fact("created", channel="inbox"), fact("delivered", channel="inbox", attempt=1))
    assert state.life == "delivered"
    assert len(told) == 1


def test_a_failure_is_tried_again_later_and_later_until_it_is_given_up() -> None:
    state, told = live(fact("created"))
    waits = []
    for attempt in range(1, POLICY.retry.attempts_max + 1):
        state, effects = core.decide(POLICY, state, fact("failed", attempt=attempt, reason="smtp_451"))
        told += effects
        due = core.due(POLICY, state)
        waits += [due.wait_s] if due else []
    assert state.life == "given_up"
    assert len(waits) == POLICY.retry.attempts_max - 1
    assert waits == sorted(waits)
    assert [e.fields["state"] for e in told] == ["given_up"]
    assert told[0].fields["reason"] == "smtp_451"


def test_a_refusal_for_good_is_given_up_at_once() -> None:
    for reason in ("refused_550", "no_address"):
        state, told = live(fact("created"), fact("failed", attempt=1, reason=reason))
        assert state.life == "given_up"
        assert told[0].fields["reason"] == reason


def test_the_same_attempt_told_twice_counts_once() -> None:
    once, _ = live(fact("created"), fact("failed", attempt=1, reason="smtp_451"))
    twice, _ = live(fact("created"), *[fact("failed", attempt=1, reason="smtp_451")] * 2)
    assert once == twice


def test_a_mail_that_got_through_after_all_is_delivered() -> None:
    failures = [fact("failed", attempt=n, reason="smtp_451") for n in range(1, POLICY.retry.attempts_max + 1)]
    state, _ = live(fact("created"), *failures, fact("delivered", attempt=9))
    assert state.life == "delivered"


def test_what_a_receiver_took_and_lost_is_sent_again_at_once_when_a_person_asks() -> None:
    sent = (fact("created"), fact("delivered", attempt=1))
    state, _ = live(*sent, fact("sending", attempt=1))
    due = core.due(POLICY, state)
    assert due is not None and due.wait_s == 0
    again, told = live(*sent, fact("sending", attempt=1), fact("delivered", attempt=2))
    assert (again.life, again.attempt, told) == ("delivered", 2, [])
    # Asked a second time for the same attempt, it is sent no third time; and the inbox loses nothing.
    assert core.decide(POLICY, again, fact("sending", attempt=1)) == (again, ())
    inbox, _ = live(fact("created", channel="inbox"), fact("sending", attempt=1, channel="inbox"))
    assert inbox.life == "delivered"


def test_a_second_creation_sends_nothing_again() -> None:
    state, told = live(fact("created"), fact("delivered", attempt=1), fact("created"))
    assert state.life == "delivered"
    assert not told


def test_a_channel_nobody_serves_is_given_up_and_said() -> None:
    state, told = live(fact("created", channel="webhook"))
    assert (state.life, told[0].fields["reason"]) == ("given_up", "no_channel")


def test_a_tick_changes_nothing() -> None:
    state, _ = live(fact("created"))
    assert core.decide(POLICY, state, Fact("tick.v1", "t", {"on": date(2026, 11, 4)})) == (state, ())


@given(st.text(min_size=1), st.integers(min_value=1, max_value=64))
def test_a_pause_stays_within_its_bounds(delivery_id: str, attempt: int) -> None:
    retry = POLICY.retry
    wait = core.backoff_s(retry, delivery_id, attempt)
    assert 0 < wait <= retry.longest_s * (100 + retry.jitter_percent) // 100
    assert wait == core.backoff_s(retry, delivery_id, attempt)


def test_a_recipient_who_fails_in_a_row_is_left_alone_for_a_while_and_others_are_not() -> None:
    breaker = Breaker(failures_max=2, open_s=60)
    breaker.failed("team:a", AT)
    assert breaker.open_for(AT) == []
    breaker.failed("team:a", AT)
    breaker.failed("team:b", AT)
    assert breaker.open_for(AT) == ["team:a"]
    assert breaker.open_for(AT.replace(minute=2)) == []
    breaker.failed("team:a", AT.replace(minute=2))
    assert breaker.open_for(AT.replace(minute=2)) == ["team:a"]
    breaker.succeeded("team:a")
    assert breaker.open_for(AT.replace(minute=2)) == []
