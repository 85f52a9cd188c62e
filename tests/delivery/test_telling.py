"""What a worker chose is respected, within what the council leaves to them, and never against safety."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from services.alerts.delivery import decide as core
from services.alerts.delivery import routes, telling
from services.alerts.delivery.agent import processor
from services.alerts.delivery.decide import Delivery
from services.alerts.delivery.hours import Hours, WorkingHours
from services.alerts.delivery.policy import load
from services.alerts.delivery.routes import Step
from services.alerts.delivery.telling import Choices, Telling
from services.console import telling as console
from spine.clock import LONDON
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.record import Effect, Fact
from spine.schema import Catalogue
from spine.step import Limits, SetAside, encode_effects, step

ROOT = Path(__file__).resolve().parents[2]
POLICY = load(ROOT / "contracts")
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
CHOSEN = Telling({"P2": "digest", "P3": "inbox", "P4": "at_once"}, "16:00")


def created(severity: str = "P3", rule: str = "A01", act: str = "raised", worker: str | None = "w-4401") -> Fact:
    state = Delivery("d1", "a1", "inclusion-team", "inclusion-south", worker, rule, act, None, severity, "email")
    return Fact("delivery.v1", "e1", core.told(state, "created", attempt=0, at_ms=core.milliseconds(AT)).fields)


def chose(*how: tuple[str, str], digest: str = "16:00", at: datetime = AT, channel: str = "") -> Fact:
    rows = [{"severity": severity, "how": way} for severity, way in how]
    return Fact("telling.v1", "t1", {"worker": "w-4401", "how": rows, "digest": digest, "channel": channel, "at": at})


@pytest.mark.parametrize(
    ("fact", "life", "chosen"),
    [
        (created("P3"), "kept", "inbox"),
        (created("P2"), "sending", "16:00"),
        (created("P4"), "sending", "at_once"),
        # Urgent, safeguarding, what proved untrue, and what is escalated: always.
        (created("P1"), "sending", ""),
        (created("P3", rule="A36"), "sending", ""),
        (created("P3", act="retracted"), "sending", ""),
        (created("P3", act="escalated"), "sending", ""),
        # A desk is nobody's to choose for.
        (created("P3", worker=None), "sending", ""),
    ],
)
def test_a_choice_holds_for_what_is_not_urgent(fact: Fact, life: str, chosen: str) -> None:
    told_as = Telling({**CHOSEN.how, "P1": "inbox"}, "16:00")
    state, told = core.decide(POLICY, Delivery("d1"), fact, told_as)
    assert (state.life, state.chosen) == (life, chosen)
    assert [one.fields["state"] for one in told] == (["kept"] if life == "kept" else [])
    assert core.decode(core.encode(state)) == state
    # The own word about it, coming back, sends nothing after all.
    assert core.decide(POLICY, state, Fact("delivery.v1", "e2", told[0].fields if told else fact.fields))[0] == state


def test_where_nothing_was_chosen_the_version_before_can_read_what_is_kept() -> None:
    state, _ = core.decide(POLICY, Delivery("d1"), created())
    assert b"chosen" not in core.encode(state) and b'"by"' not in core.encode(state)
    assert core.decode(core.encode(state)) == state and b"channel" not in telling.encode(CHOSEN)


def test_what_a_later_version_kept_besides_is_not_said_to_this_one() -> None:
    state, _ = core.decide(POLICY, Delivery("d1"), created())
    later = orjson.dumps({**orjson.loads(core.encode(state)), "read_aloud": True})
    assert core.decode(later) == state
    later = orjson.dumps({**orjson.loads(telling.encode(CHOSEN)), "voice": "calm", "how": {"P3": "by_pigeon"}})
    assert telling.chosen(telling.decode(later), "P3", "raised") == ""
    monday = datetime(2026, 11, 30, 9, tzinfo=LONDON)
    assert WorkingHours().waits_until("worker:w-4401", monday, monday, "by_pigeon") is None


def test_only_what_may_be_chosen_is_taken_and_the_later_word_counts() -> None:
    def decide(held: Telling, fact: Fact) -> Telling:
        return telling.decide(POLICY.choices, held, fact, core.milliseconds(fact.fields["at"]))

    first = decide(Telling(), chose(("P1", "inbox"), ("P2", "inbox"), ("P3", "inbox"), ("P4", "digest")))
    assert (first.how, first.digest) == ({"P3": "inbox", "P4": "digest"}, "16:00")
    assert decide(first, chose(("P4", "digest"), digest="03:00")).how == {}
    assert decide(first, chose(at=datetime(2026, 11, 2, tzinfo=UTC))) == first
    assert telling.decode(telling.encode(first)) == first


def test_a_digest_waits_for_its_time_and_a_closed_office_still_closes() -> None:
    def at(day: int, hour: int) -> datetime:
        return datetime(2026, 12, day, hour, tzinfo=LONDON)

    anywhen = WorkingHours()
    assert anywhen.waits_until("worker:w-4401", at(2, 9), at(2, 9), "16:00") == at(2, 16)
    assert anywhen.waits_until("worker:w-4401", at(4, 17), at(4, 17), "16:00") == at(7, 16)
    assert anywhen.waits_until("worker:w-4401", at(2, 9), at(2, 16), "16:00") is None
    noon = Hours(at(1, 8).time(), at(1, 18).time(), at(1, 12).time())
    office = WorkingHours({"default": noon})
    assert office.waits_until("worker:w-4401", at(2, 9), at(2, 9)) == at(2, 12)
    assert office.waits_until("worker:w-4401", at(2, 9), at(2, 9), "at_once") is None
    assert office.waits_until("worker:w-4401", at(2, 19), at(2, 19), "at_once") == at(3, 8)


def test_every_fault_of_the_choices_is_named_at_once() -> None:
    read = {
        "choices": {"P1": ["inbox"], "P3": ["never", "digest"]},
        "digests": [],
        "channels": {"post": ["pigeon", "webhook"]},
    }
    with pytest.raises(
        ValueError,
        match=r"(?s)choices\.P1.*never.*digest needs a time.*channels\.post: pigeon.*channels\.post: webhook",
    ):
        telling.parse(read, frozenset({"P1"}))
    assert telling.parse({}, frozenset()) == Choices()


def test_the_console_offers_what_delivery_takes() -> None:
    offered = console.load(ROOT / "contracts")
    assert {severity: frozenset(ways) for severity, ways in offered.ways.items()} == POLICY.choices.ways
    assert frozenset(offered.digests) == POLICY.choices.digests
    assert frozenset(offered.channels) == frozenset(POLICY.choices.channels) > set()


NUMBER = {"by": "notify_sms", "to": "07700900000"}
ROUTES = routes.parse({"worker:w-1": {"routine": [{"by": "smtp"}], "urgent": [NUMBER, {"by": "smtp"}]}})


def test_a_chosen_channel_comes_first_and_what_is_set_stays_its_fall_back() -> None:
    by = POLICY.choices.channels
    mail, text = Step("smtp"), Step("notify_sms", "07700900000")
    assert ROUTES.chosen("worker:w-1", by["sms"]) == (text, mail)
    assert ROUTES.chosen("worker:w-1", by["email"]) == (mail,)
    # No address of theirs: as the council set it.
    assert ROUTES.chosen("worker:w-1", by["teams"]) == (mail,) == ROUTES.chosen("worker:w-2", by["sms"])
    by_card = routes.parse({"default": {"routine": [{"by": "teams", "to": "https://teams.example/hook"}]}})
    assert by_card.chosen("worker:w-2", by["email"]) == (
        mail,
        Step("teams", "https://teams.example/hook"),
    )


@pytest.mark.parametrize(
    ("fact", "by"),
    [
        (created("P3"), "sms"),
        (created("P1"), ""),
        (created("P3", rule="A36"), ""),
        (created("P3", act="retracted"), ""),
        (created("P3", worker=None), ""),
    ],
)
def test_what_is_urgent_or_proved_untrue_goes_by_the_councils_channel(fact: Fact, by: str) -> None:
    told_as = telling.decide(POLICY.choices, Telling(), chose(channel="sms"), core.milliseconds(AT))
    assert telling.decode(telling.encode(told_as)) == told_as
    state, _ = core.decide(POLICY, Delivery("d1"), fact, told_as)
    assert (state.life, state.by) == ("sending", by) and core.decode(core.encode(state)) == state
    assert telling.decide(POLICY.choices, Telling(), chose(channel="pigeon"), 0).channel == ""


@pytest.mark.parametrize("batch", [1, 100])
def test_a_delivery_is_decided_under_the_choice_before_it_wherever_a_batch_ends(batch: int) -> None:
    catalogue = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
    log = MemoryLog({"deliveries": 1, "quarantine": 1}, catalogue.frame)
    fields = created().fields
    sent = [("d1", None), ("t", chose(("P3", "inbox")).fields), ("d2", None), ("t", chose().fields), ("d3", None)]
    for n, (name, telling_fields) in enumerate(sent):
        kind = "delivery.v1" if telling_fields is None else "telling.v1"
        effect = Effect("deliveries", "a1", kind, telling_fields or {**fields, "delivery_id": name})
        log.append(encode_effects("test", f"cause-{n}", [effect], catalogue))
    journal, made = MemoryJournal(), processor(catalogue, ROOT / "contracts")
    for start in range(0, len(sent), batch):
        records = log.read({("deliveries", 0): start}, batch)
        step(records, made, journal, catalogue, SetAside(Limits()))
    with journal.transaction() as transaction:
        bodies = transaction.load(["d1", "d2", "d3"])
    lives = {key: core.decode(body).life for key, body in bodies.items()}
    assert lives == {"d1": "sending", "d2": "kept", "d3": "sending"}
