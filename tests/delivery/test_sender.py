"""The sender on a real PostgreSQL: leases, repetitions, storms, and a mail server that really takes the mail."""

from __future__ import annotations

import email
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.deliveries import given_up, taken
from hub.machine.ports import free_ports
from services.alerts.delivery import decide as core
from services.alerts.delivery import directory, policy
from services.alerts.delivery.agent import SERVICE, processor
from services.alerts.delivery.channel import Away, Channel, Failed, Outcome, Sent, Smtp
from services.alerts.delivery.decide import Delivery
from services.alerts.delivery.grouping import Mail
from services.alerts.delivery.hours import Hours, WorkingHours
from services.alerts.delivery.routes import Routes, Step
from services.alerts.delivery.sender import Sender, longest_waiting
from services.alerts.delivery.sink import open_sink
from services.alerts.delivery.tables import WAITING
from spine.carried import Carried
from spine.clock import LONDON
from spine.journal import Position
from spine.log import MemoryLog
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.publisher import publish
from spine.record import Effect, Outgoing
from spine.schema import Catalogue
from spine.step import Limits, SetAside, encode_effects, step
from spine.telemetry import metrics

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"])
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


@dataclass
class Post:
    """A channel under the test's hand."""

    answers: list[Outcome] = field(default_factory=list)
    mails: list[tuple[str, Mail]] = field(default_factory=list)

    def send(self, address: str, mail: Mail) -> Outcome:
        self.mails.append((address, mail))
        return self.answers.pop(0) if self.answers else Sent()


@dataclass
class Service:
    """The processor on its journal, and a log to feed it."""

    url: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: When the door took what causes the deliveries.
    taken: datetime | None = None

    def __post_init__(self) -> None:
        migrate(self.url, SERVICE, ROOT / "services" / "alerts")
        self.journal = PostgresJournal(self.url, SERVICE)
        self.log = MemoryLog({"deliveries": 1, "quarantine": 1}, CATALOGUE.frame)
        self.processor = processor(CATALOGUE, CONTRACTS)

    def sender(self, channel: Channel) -> Sender:
        made = policy.load(CONTRACTS)
        people = directory.load(CONTRACTS)
        link = "https://hub.example/"
        return Sender(self.journal.engine, self.log, CATALOGUE, channel, made, people, link, lambda: self.now)

    def create(
        self,
        number: int,
        *,
        severity: str = "P3",
        team: str | None = "yjt",
        role: str = "yjt-manager",
        worker: str | None = None,
    ) -> None:
        delivery = Delivery(
            f"d{number}", f"a{number}", role, team, worker, "A01", "raised", "2026-11-05", severity, "email"
        )
        told = core.told(delivery, "created", attempt=0, at_ms=core.milliseconds(AT))
        taken = int(self.taken.timestamp() * 1000) if self.taken else None
        self.log.append(encode_effects("alerts", f"cause-{number}", [told], CATALOGUE, headers=Carried(taken).headers))

    def settle(self) -> None:
        while True:
            held = self.journal.positions("deliveries").get(("deliveries", 0), Position(0))
            records = self.log.read({("deliveries", 0): held.next}, 500)
            step(records, self.processor, self.journal, CATALOGUE, SetAside(Limits()))
            if not records and not publish(self.journal, self.log):
                return

    def later(self, **span: int) -> None:
        # Rows become ready by the database's clock: on a busy machine it must not be ahead of this one.
        self.now = max(self.now, datetime.now(UTC)) + timedelta(**span)

    def facts(self) -> list[tuple[str, str, int]]:
        records = self.log.read({("deliveries", 0): 0}, 10_000)
        read = [CATALOGUE.fact(record).fields for record in records]
        return [(f["delivery_id"], f["state"], f["attempt"]) for f in read]

    def waiting(self) -> int:
        with self.journal.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(WAITING)) or 0)


def march(day: int, hour: int) -> datetime:
    """A moment of March 2027, when London has UTC; the 5th is a Friday."""
    return datetime(2027, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def service(fresh_database: str) -> Iterator[Service]:
    made = Service(fresh_database)
    yield made
    made.journal.close()


def test_what_comes_within_the_window_travels_in_one_mail_to_the_team(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    for n in range(3):
        service.create(n)
    service.settle()
    assert not sender.once()
    service.later(seconds=61)
    assert sender.once()
    assert not sender.once()
    ((address, mail),) = post.mails
    assert (address, mail.subject) == ("yjt@northshire.example", "You have 3 new alerts")
    service.settle()
    assert service.waiting() == 0
    assert service.facts()[3:] == [("d0", "delivered", 1), ("d1", "delivered", 1), ("d2", "delivered", 1)]


def test_what_waits_for_a_morning_is_not_read_at_each_look(service: Service) -> None:
    """A hundred thousand rows of a quiet night, each look of each sender: half a second of the database."""
    row = {"recipient": "yjt", "attempt": 0, "body": b"", "leased_until": None}
    rows = [
        row | {"delivery_id": f"d{n}", "urgent": n % 50 == 0, "ready_at": AT + timedelta(days=1 + n % 7)}
        for n in range(5_000)
    ]
    looks = [
        longest_waiting(AT + timedelta(days=days), ["csc"], urgent=urgent)
        for days in (0, 4)
        for urgent in (True, False)
    ]
    with service.journal.engine.begin() as connection:
        connection.execute(WAITING.insert(), rows)
        connection.execute(sa.text("analyze waiting"))
        for look in looks:
            text = str(look.compile(connection, compile_kwargs={"literal_binds": True}))
            plan = "\n".join(connection.scalars(sa.text("explain " + text)))
            assert "waiting_ready" in plan and "Seq Scan" not in plan and "Sort" not in plan, plan
        assert [connection.scalar(look) is not None for look in looks] == [False, False, True, True]


def test_an_urgent_alert_leaves_at_once_and_how_long_it_took_is_counted_once(service: Service) -> None:
    post = Post([Failed("smtp_451")])
    labels = {"stage": "urgent message"}
    service.taken = service.now - timedelta(seconds=9)
    service.create(1, severity="P1")
    service.taken = None
    service.create(2, severity="P1", team="sena-east")
    service.settle()
    sender = service.sender(post)
    before, name = {}, "hub_receipt_to_alert_seconds"
    for part in ("sum", "count"):
        before[part] = metrics().registry.get_sample_value(f"{name}_{part}", labels) or 0.0
    service.later(seconds=1)
    while sender.once() or service.waiting():
        service.settle()
        service.later(minutes=5)
    assert len(post.mails) == 3
    counted = {
        part: (metrics().registry.get_sample_value(f"{name}_{part}", labels) or 0) - before[part] for part in before
    }
    assert counted["count"] == 1 and 10 <= counted["sum"] < 1_000


def test_the_duty_desk_of_the_role_is_told_when_nobody_is_assigned(service: Service) -> None:
    post = Post()
    service.create(1, team=None, severity="P1", role="sena-caseworker")
    service.settle()
    service.later(seconds=1)
    service.sender(post).once()
    assert post.mails[0][0] == "sena-east@northshire.example"


def test_a_failure_is_tried_again_and_a_refusal_is_given_up(service: Service) -> None:
    post = Post([Failed("smtp_451"), Failed("refused_550")])
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    sender.once()
    service.settle()
    assert not sender.once()
    service.later(minutes=5)
    assert sender.once()
    service.settle()
    assert service.facts()[1:] == [("d1", "failed", 1), ("d1", "failed", 2), ("d1", "given_up", 2)]
    assert service.waiting() == 0


def test_a_mail_server_that_is_away_costs_no_attempt(service: Service) -> None:
    post = Post([Away("ConnectionRefusedError")])
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    assert not sender.once()
    assert sender.once()
    service.settle()
    assert service.facts()[1:] == [("d1", "delivered", 1)]


def test_two_senders_never_take_the_same_delivery(service: Service) -> None:
    first, second = Post(), Post()
    one, two = service.sender(first), service.sender(second)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    assert one._lease() is not None
    assert two._lease() is None
    service.later(seconds=policy.load(CONTRACTS).retry.lease_s + 1)
    # The first one died: its lease ends and another sends.
    assert two.once()
    assert len(second.mails) == 1


def test_a_sender_that_died_after_sending_repeats_the_mail_under_the_same_reference(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    leased = sender._lease()
    assert leased is not None
    sender._attempt(leased)
    service.later(seconds=policy.load(CONTRACTS).retry.lease_s + 1)
    service.sender(post).once()
    service.settle()
    assert post.mails[0][1].reference == post.mails[1][1].reference
    assert service.facts()[1:] == [("d1", "delivered", 1)]


def test_a_storm_becomes_one_summary_an_hour_and_loses_nothing(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    limit = policy.load(CONTRACTS).mails_per_hour_max
    for n in range(limit + 20):
        service.create(n)
        service.settle()
        service.later(seconds=61)
        while sender.once():
            pass
        if n == limit + 10:
            service.create(1000, severity="P1")
    service.settle()
    assert len(post.mails) == limit + 1
    service.later(hours=1)
    while sender.once():
        pass
    told = {i for _, mail in post.mails for i in mail.delivery_ids}
    assert len(told) == limit + 21
    assert len(post.mails) == limit + 2


def test_in_a_storm_each_row_waits_for_its_own_mail_and_is_written_once(service: Service) -> None:
    """A hub of an hour had 140,000 rows beyond the limit, and had written them nine million times."""
    post = Post()
    sender = service.sender(post)
    sender.policy = replace(sender.policy, mails_per_hour_max=1, deliveries_per_mail_max=2)
    for number in range(7):
        service.create(number)
    service.create(1000, severity="P1")
    service.settle()
    service.later(seconds=61)

    def look() -> dict[str, str]:
        while sender.once():
            pass
        service.settle()
        with service.journal.engine.connect() as connection:
            found = connection.execute(sa.text("select delivery_id, xmin::text from waiting"))
            return {row.delivery_id: row.xmin for row in found}

    waiting, sizes = look(), [2]
    while waiting:
        service.later(hours=1, seconds=1)
        left = look()
        assert left.items() <= waiting.items(), "what does not fit into this hour's mail is not touched"
        sizes.append(len(waiting) - len(left))
        waiting = left
    assert sizes == [2, 2, 2, 2] and [len(mail.delivery_ids) for _, mail in post.mails] == sizes
    assert "d1000" in post.mails[0][1].delivery_ids


def test_urgent_alerts_pass_by_the_limit_also_where_they_fill_more_than_one_mail(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    sender.policy = replace(sender.policy, mails_per_hour_max=1, deliveries_per_mail_max=2)
    for number in range(5):
        service.create(number, severity="P1")
    service.settle()
    service.later(seconds=1)
    while sender.once():
        pass
    assert [len(mail.delivery_ids) for _, mail in post.mails] == [2, 2, 1]


def test_an_unknown_address_is_given_up_and_others_go_on(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    service.create(1, severity="P1", team="nobody-knows")
    service.create(2, severity="P1")
    service.settle()
    service.later(seconds=1)
    while sender.once():
        pass
    service.settle()
    assert ("d1", "given_up", 1) in service.facts()
    assert ("d2", "delivered", 1) in service.facts()


def test_a_broker_that_is_away_after_the_mail_left_does_not_lose_the_fact(service: Service) -> None:
    from spine.errors import Retry

    class Shaky(MemoryLog):
        failures = 1

        def append(self, records: object) -> None:
            if self.failures:
                self.failures -= 1
                raise Retry("away")
            held: list[Outgoing] = list(records)  # type: ignore[call-overload]
            service.log.append(held)

    post = Post()
    sender = service.sender(post)
    sender.log = Shaky({}, CATALOGUE.frame)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    assert sender.once()
    assert len(post.mails) == 1
    assert service.facts()[1:] == [("d1", "delivered", 1)]


def test_a_recipient_is_told_by_its_own_channel_and_by_the_next_when_that_fails(service: Service) -> None:
    post, hook = Post(), Post([Failed("http_503")])
    sender = service.sender(post)
    steps = {"team:yjt": (Step("webhook", "https://x.example/"), Step("smtp"))}
    sender.policy = replace(sender.policy, routes=Routes(urgent=steps))
    sender.others = {"webhook": hook}
    for n in (1, 2):
        service.create(n, severity="P1")
        service.settle()
        service.later(seconds=1)
        assert sender.once()
        service.settle()
    assert [address for address, _ in hook.mails] == ["https://x.example/"] * 2
    assert [address for address, _ in post.mails] == ["yjt@northshire.example"]
    assert post.mails[0][1].reference == hook.mails[0][1].reference
    assert service.waiting() == 0


def test_a_chosen_channel_comes_first_and_what_is_set_takes_what_it_did_not(service: Service) -> None:
    post, texts = Post(), Post([Sent(), Failed("http_503")])
    sender = service.sender(post)
    mail, text = Step("smtp"), Step("notify_sms", "07700900000")
    urgent, routine = {"worker:w-2041": (text, mail)}, {"default": (mail,)}
    sender.policy = replace(sender.policy, routes=Routes(routine, urgent))
    sender.others = {"notify_sms": texts}
    chose = {"worker": "w-2041", "how": [], "digest": "", "channel": "sms", "at": AT}
    told = []
    for n in range(3):
        if n == 1:
            service.log.append(
                encode_effects("console", "chose", [Effect("deliveries", "a", "telling.v1", chose)], CATALOGUE)
            )
        service.create(n, worker="w-2041")
        service.settle()
        service.later(seconds=61)
        assert sender.once()
        service.settle()
        told.append((len(texts.mails), len(post.mails)))
    # Before the choice by mail; then by text; and when the text fails, by the mail that is set.
    assert told == [(0, 1), (1, 1), (2, 2)] and service.waiting() == 0


def test_a_channel_that_fails_again_and_again_is_passed_over_while_the_next_one_takes_it(service: Service) -> None:
    post, most = Post(), policy.load(CONTRACTS).breaker_failures_max
    hook = Post(answers=[Failed("500")] * most)
    sender = service.sender(post)
    steps = {"default": (Step("webhook", "https://a.example/"), Step("smtp", ""))}
    sender.policy = replace(sender.policy, routes=Routes(urgent=steps))
    sender.others = {"webhook": hook}
    for n in range(most + 2):
        service.create(n, severity="P1")
        service.settle()
        service.later(seconds=2)
        assert sender.once()
    assert len(hook.mails) == most, "it rests after so many failures"
    assert len(post.mails) == most + 2, "and nobody waits for it"
    service.later(seconds=policy.load(CONTRACTS).breaker_open_s + 60)
    service.create(99, severity="P1")
    service.settle()
    service.later(seconds=2)
    assert sender.once()
    assert len(hook.mails) == most + 1, "after the pause it is tried again"


def test_a_fall_back_that_refuses_for_good_does_not_end_what_the_first_channel_may_yet_take(service: Service) -> None:
    post, text = Post([Failed("refused_550")] * 2), Post([Away("notify_503"), Failed("http_503"), Sent()])
    sender = service.sender(post)
    steps = {"team:yjt": (Step("notify_sms", "07700900000"), Step("smtp"))}
    sender.policy = replace(sender.policy, routes=Routes(urgent=steps))
    sender.others = {"notify_sms": text}
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    assert not sender.once()
    assert sender.once()
    service.settle()
    service.later(minutes=5)
    assert sender.once()
    service.settle()
    assert service.facts()[1:] == [("d1", "failed", 1), ("d1", "delivered", 2)]
    assert b'hub_last_delivery_timestamp_seconds{team="yjt"}' in metrics().text()


def test_a_channel_without_settings_is_given_up_and_said(service: Service) -> None:
    sender = service.sender(Post())
    sender.policy = replace(sender.policy, routes=Routes(urgent={"default": (Step("notify_sms", "07700900000"),)}))
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    assert sender.once()
    service.settle()
    assert service.facts()[1:] == [("d1", "failed", 1), ("d1", "given_up", 1)]


def test_out_of_hours_the_urgent_leaves_and_the_rest_waits_for_the_morning(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    sender.policy = replace(sender.policy, working=WorkingHours({"default": Hours(time(8, 30), time(17))}))
    service.create(1)
    service.create(2, severity="P1")
    service.settle()
    days = sender.policy.working.days
    day = days.on_or_after(service.now.date() + timedelta(days=1))
    service.now = datetime.combine(day, time(20), LONDON)
    while sender.once():
        pass
    service.settle()
    assert [mail.delivery_ids for _, mail in post.mails] == [("d2",)]
    service.now = datetime.combine(days.after(day, 1), time(8, 29), LONDON)
    assert not sender.once()
    service.later(minutes=1)
    assert sender.once()
    assert post.mails[1][1].delivery_ids == ("d1",)


def test_what_rests_leaves_when_working_hours_are_made_longer_and_not_before(service: Service) -> None:
    post = Post()
    evening = WorkingHours({"default": Hours(time(8, 30), time(17))})
    sender = service.sender(post)
    sender.policy = replace(sender.policy, working=evening)
    service.create(1)
    service.settle()
    service.now = datetime.combine(evening.days.after(service.now.date(), 1), time(18), LONDON)
    while sender.once():
        pass
    for closes, told in ((time(17), 0), (time(20), 1)):
        again = service.sender(post)
        again.policy = replace(again.policy, working=WorkingHours({"default": Hours(time(8, 30), closes)}))
        again.wake()
        while again.once():
            service.settle()
        assert len(post.mails) == told


def test_what_rests_until_the_morning_is_not_written_again_for_each_urgent_mail(service: Service) -> None:
    """A hub of some weeks had 130,000 rows of 30 teams resting, and had written them six million times."""
    post = Post()
    sender = service.sender(post)
    sender.policy = replace(sender.policy, working=WorkingHours({"default": Hours(time(8, 30), time(17))}))
    for number in (1, 2, 3):
        service.create(number)
    service.settle()
    service.now = datetime.combine(sender.policy.working.days.after(service.now.date(), 1), time(20), LONDON)
    while sender.once():
        pass
    assert not post.mails

    def rows() -> dict[str, tuple[object, object]]:
        with service.journal.engine.connect() as connection:
            found = connection.execute(sa.text("select delivery_id, ready_at, xmin::text from waiting"))
            return {name: (ready, xmin) for name, ready, xmin in found}

    resting = rows()
    assert len({ready for ready, _ in resting.values()}) == 1 and len(resting) == 3
    assert len({xmin for _, xmin in resting.values()}) == 1
    for number in (4, 5):
        service.create(number, severity="P1")
        service.settle()
        while sender.once():
            pass
        service.settle()
    assert [mail.delivery_ids for _, mail in post.mails] == [("d4",), ("d5",)]
    assert rows() == resting


def test_what_was_given_up_stands_on_the_worklist_until_a_person_tries_it_again(service: Service) -> None:
    post = Post([Failed("refused_550"), Failed("refused_550"), Sent()])
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.create(2, severity="P1", team="est", role="est")
    for n in (1, 2):
        service.settle()
        service.later(seconds=1)
        while sender.once():
            pass
        service.settle()
        if n == 1:
            held = given_up(service.log, CATALOGUE)
            assert [one.delivery_id for one in held] == ["d1", "d2"]
            # Asked twice, tried once.
            service.log.append([held[0].again(CATALOGUE)] * 2)
    assert [one.delivery_id for one in given_up(service.log, CATALOGUE)] == ["d2"]
    assert len(post.mails) == 3
    assert service.waiting() == 0


def test_what_a_team_took_and_lost_is_sent_again_to_it_alone_and_once(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.create(2, severity="P1", team="est", role="est")
    began = service.now
    recipient = "team:est"

    def settled() -> None:
        service.settle()
        service.later(seconds=1)
        while sender.once():
            pass
        service.settle()

    settled()
    found = taken(service.log, CATALOGUE, recipient, began)
    assert [one.delivery_id for one in found] == ["d2"]
    assert not taken(service.log, CATALOGUE, recipient, service.now + timedelta(hours=1))
    service.log.append([found[0].again(CATALOGUE)] * 2)
    settled()
    assert [mail.delivery_ids for _, mail in post.mails] == [("d1",), ("d2",), ("d2",)]
    assert len({mail.reference for _, mail in post.mails}) == 2
    (again,) = taken(service.log, CATALOGUE, recipient, began)
    assert again.fields["attempt"] == 2 and service.waiting() == 0


def test_a_real_mail_server_takes_the_mail(service: Service, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    sink = open_sink(tmp_path, port)
    try:
        service.create(1, severity="P1")
        service.settle()
        service.later(seconds=1)
        assert service.sender(Smtp("127.0.0.1", port, "hub@northshire.example")).once()
    finally:
        sink.stop()
    (path,) = tmp_path.glob("*.eml")
    mail = email.message_from_bytes(path.read_bytes())
    assert mail["Subject"] == "You have 1 new alert"
    assert mail["X-Hub-Delivery"] == "d1"


def test_nobody_listening_is_away_not_failed() -> None:
    (port,) = free_ports(1)
    mail = Mail("s", "t", "r", ("d",))
    assert isinstance(Smtp("127.0.0.1", port, "hub@northshire.example").send("x@y.example", mail), Away)


def test_a_recipient_hears_once_a_working_day_that_the_hub_is_alive(service: Service) -> None:
    post = Post()
    senders = [service.sender(post), service.sender(post)]
    for sender in senders:
        sender.policy = replace(sender.policy, heartbeats={"team:yjt": time(9)})
    for moment in (march(5, 8), march(5, 9), march(5, 10), march(6, 9), march(8, 9)):
        service.now = moment
        for sender in senders:
            sender.once()
    assert [(to, m.subject) for to, m in post.mails] == [
        ("yjt@northshire.example", "The hub is alive, nothing new")
    ] * 2
    assert len({m.reference for _, m in post.mails}) == 2
    beaten = metrics().registry.get_sample_value("hub_heartbeat_timestamp_seconds", {"team": "yjt"})
    assert beaten == march(8, 9).timestamp()
    assert directory.load(CONTRACTS).team_label("team:Aisha Verity's mother") == "other"


def test_who_was_told_something_today_needs_no_heartbeat(service: Service) -> None:
    post = Post()
    sender = service.sender(post)
    sender.policy = replace(sender.policy, heartbeats={"team:yjt": time(9)})
    service.create(1, severity="P1")
    service.settle()
    service.now = march(5, 8)
    assert sender.once()
    service.now = march(5, 9)
    assert not sender.once()
    assert [m.subject for _, m in post.mails] == ["You have 1 new alert"]


def test_a_receiver_that_asks_for_a_pause_gets_it_and_others_are_told_meanwhile(service: Service) -> None:
    post = Post([Failed("http_429", 600)])
    sender = service.sender(post)
    service.create(1, severity="P1")
    service.settle()
    service.later(seconds=1)
    sender.once()
    service.create(2, severity="P1", team="est", role="est")
    service.settle()
    service.later(seconds=300)
    while sender.once():
        pass
    assert [to for to, _ in post.mails] == ["yjt@northshire.example", "est@northshire.example"]
    service.later(seconds=301)
    assert sender.once()
    assert len(post.mails) == 3
