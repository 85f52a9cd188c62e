"""Kill -9 each process of the whole hub once while a county's events stream in: nothing lost, nothing doubled.

One run of real processes on a real broker and a real database; the tests look at what it left behind. The oracle is
the same hub in one process that nobody kills.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pytest

from hub.inprocess import SERVICES, InProcessHub
from hub.layout import Home
from hub.machine import kafka
from hub.machine.ports import wait_until
from hub.sample.county import county
from services.alerts.state import decode, encode
from services.alerts.story import alerts_of
from services.ingest.processor import CHOICE
from spine.headed import POLICY
from spine.journal import DecisionRow
from spine.step import TICK, link_after
from tests.faults.whole_hub import Topics, WholeHub, in_one_process, replayed, stream

pytestmark = [
    *(pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)),
    # One run serves all tests here: they must meet in one worker.
    pytest.mark.xdist_group("whole-hub"),
]

HOPS = {"ingest": "submissions", "matching": "observations", "status": "attributions", "alerts": "statuses"}
KILLED = ("ingest", "matching", "status", "alerts", "delivery", "console", "door", "kafka-door")
PEOPLE, DAYS, SEED, BATCH = 160, 20, 11, 10
#: How many days of them are said; later ones take time and show nothing more.
DAYS_SAID = 7
#: Batches between two kills.
EVERY = 3
WAIT_SECONDS_MAX = 90


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the run left, and what it should have left."""

    hub: WholeHub
    topics: Topics
    decisions: dict[str, list[DecisionRow]]
    oracle: InProcessHub
    #: Decisions that stood when the service was killed.
    at_kill: dict[str, int]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Aftermath]:
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    hub = WholeHub(Home(tmp_path_factory.mktemp("whole-hub")), module_database)
    try:
        hub.up()
        at_kill = run(hub)
        yield look(hub, at_kill)
    finally:
        hub.command("down")


def run(hub: WholeHub) -> dict[str, int]:
    """Day by day: its tick, its events, and all of it decided. The kills fall on the first, the fullest day."""
    at_kill: dict[str, int] = {}
    left = list(KILLED)

    def kill_next(count: int) -> None:
        if left and count % EVERY == EVERY - 1:
            name = left.pop(0)
            if name in HOPS:
                # In the middle of its work, not before it began: more than the day's ticks is decided.
                ticks = sum(one.decided for one in begun if one.service == name)
                assert wait_until(lambda: hub.decided(name) > ticks, WAIT_SECONDS_MAX)
                at_kill[name] = hub.decided(name)
            hub.kill(name)

    lines = county(people=PEOPLE, days=DAYS, seed=SEED)
    ticker = hub.ticker()
    try:
        for day, group in islice(groupby(lines, key=lambda line: line.received_at.date()), DAYS_SAID):
            ticker.write(day)
            hub.drained()
            begun = hub.backlogs()
            stream(hub, list(group), BATCH, kill_next)
            hub.drained()
            assert not left, "too few batches on the first day to kill everybody"
    finally:
        ticker.close()
    assert wait_until(lambda: all(hub.process(name).running() for name in KILLED), WAIT_SECONDS_MAX)
    return at_kill


def look(hub: WholeHub, at_kill: dict[str, int]) -> Aftermath:
    topics = hub.read([*HOPS.values(), "alerts", "deliveries", "refusals", "quarantine", "reviews"])
    decisions = {name: hub.decisions(name) for name in (*HOPS, "delivery", "console")}
    caused = {row.event_id: {i for i, _ in row.effects} for row in decisions["ingest"] if row.note != "repeated"}
    return Aftermath(hub, topics, decisions, in_one_process(topics, caused), at_kill)


def test_every_process_was_killed_once_in_the_middle_of_its_work(aftermath: Aftermath) -> None:
    restarts = {name: aftermath.hub.process(name).restarts for name in KILLED}
    assert restarts == dict.fromkeys(KILLED, 1)
    for name in HOPS:
        assert aftermath.at_kill[name] < len(aftermath.decisions[name]), name


def test_every_accepted_submission_has_one_decision_in_ingest(aftermath: Aftermath) -> None:
    decided = Counter(row.event_id for row in aftermath.decisions["ingest"] if row.note != "repeated")
    assert len(aftermath.hub.accepted) > 200
    assert {decided[receipt] for receipt in aftermath.hub.accepted} == {1}


@pytest.mark.parametrize(("service", "topic"), HOPS.items())
def test_each_service_decided_each_record_once_and_skipped_none(aftermath: Aftermath, service: str, topic: str) -> None:
    rows = aftermath.decisions[service]
    following: dict[tuple[str, int], int] = {}
    links: dict[tuple[str, int], bytes] = {}
    for row in rows:
        place = (row.topic, row.partition)
        assert row.offset == following.get(place, 0)
        assert row.link == link_after(links.get(place, b""), row)
        following[place], links[place] = row.offset + 1, row.link
    assert following == aftermath.topics.ends(topic)
    told = {fact.event_id for fact in aftermath.topics.facts(topic)}
    decided = Counter(row.event_id for row in rows if row.note != "repeated")
    assert decided == Counter(dict.fromkeys(told, 1))


def test_what_was_decided_is_what_stands_on_the_topics(aftermath: Aftermath) -> None:
    caused = {effect for name in (*HOPS, "delivery") for row in aftermath.decisions[name] for effect, _ in row.effects}
    standing: set[str] = set()
    for topic in ("observations", "attributions", "statuses", "alerts", "refusals", "reviews"):
        standing |= {fact.event_id for fact in aftermath.topics.facts(topic) if fact.kind not in (TICK, POLICY)}
    # What a person has instructed goes back to the gate's own topic, among what the doors write.
    standing |= {fact.event_id for fact in aftermath.topics.facts("submissions") if fact.kind == CHOICE}
    deliveries = {fact.event_id for fact in aftermath.topics.facts("deliveries")}
    quarantined = {fact.event_id for fact in aftermath.topics.facts("quarantine")}
    assert standing <= caused, "somebody else wrote"
    assert caused <= standing | deliveries | quarantined, "an effect was lost"


@pytest.mark.parametrize(("service", "topic"), HOPS.items())
def test_each_decision_is_shown_again_by_replaying_its_topic(aftermath: Aftermath, service: str, topic: str) -> None:
    """Every field of every row, the chain of each partition too: what nobody killed decides on the same records.

    Not compared with the oracle, which has an order of its own: a tick stands before or after what another tick
    caused, by a race that is harmless (the states agree in the end) and on the record.
    """
    rows = [row for row in aftermath.decisions[service] if row.note != "repeated"]
    again = [row for row in replayed(aftermath.topics, service, topic) if row.note != "repeated"]
    assert in_places(rows) == in_places(again)


def test_hub_replay_shows_every_decision_again(aftermath: Aftermath, tmp_path: Path) -> None:
    """The command, on the servers: records from Kafka, decisions and keys from PostgreSQL, after eight kills."""
    report = tmp_path / "replay.html"
    done = aftermath.hub.command("replay", "--report", str(report))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["good"]
    for service in found["services"]:
        verdicts = {verdict: n for verdict, n in service["verdicts"].items() if n}
        assert verdicts == {"SAME": len(aftermath.decisions[service["service"]])}
    assert "SAME" in report.read_text()


def in_places(rows: Iterable[DecisionRow]) -> list[DecisionRow]:
    return sorted(rows, key=lambda row: (row.topic, row.partition, row.offset))


@pytest.mark.parametrize("service", SERVICES)
def test_persons_statuses_and_alerts_end_as_in_an_undisturbed_hub(aftermath: Aftermath, service: str) -> None:
    def kept(states: Any) -> dict[str, bytes]:
        # Matching counts the batches that wrote its index: a matter of how they fell.
        return {key: known(body) for key, body in states.items() if not key.startswith("v:")}

    def known(body: bytes) -> bytes:
        # Until when alerts need not look again follows which news came last; tests/alerts/world.py holds it to be true.
        return encode(replace(decode(body), settled=None)) if service == "alerts" else body

    mine, theirs = kept(aftermath.hub.states(service)), kept(aftermath.oracle.states(service))
    assert mine.keys() == theirs.keys()
    different = [key for key in mine if mine[key] != theirs[key]]
    assert {key: mine[key] for key in different} == {key: theirs[key] for key in different}


def test_the_same_alerts_stand(aftermath: Aftermath) -> None:
    def standing(states: Any) -> set[tuple[Any, ...]]:
        alerts = [alert for body in states.values() for alert in alerts_of(body) if alert["outcome"] == "open"]
        assert len({alert["alert_id"] for alert in alerts}) == len(alerts), "one id for two alerts"
        return {(a["alert_id"], a["rule"], a["person_id"], a["raised_on"], a["due_on"]) for a in alerts}

    mine = standing(aftermath.hub.states("alerts"))
    assert len(mine) > 5
    assert mine == standing(aftermath.oracle.states("alerts"))


def test_no_delivery_is_lost_each_is_delivered_or_waits(aftermath: Aftermath) -> None:
    # The hub goes on delivering while these tests look: what waits now is read first, then what was delivered since.
    waiting = {row[0] for row in aftermath.hub.rows("SELECT delivery_id FROM delivery.waiting")}
    later = aftermath.hub.read(["deliveries"]).facts("deliveries")
    facts = [fact.fields for fact in later if fact.kind == "delivery.v1"]
    created = {f["delivery_id"]: f["channel"] for f in facts if f["state"] == "created"}
    wanted = {
        fact.fields["delivery_id"]: fact.fields["channel"]
        for fact in aftermath.oracle.facts("deliveries")
        if fact.kind == "delivery.v1" and fact.fields["state"] == "created"
    }
    assert created == wanted
    done = {f["delivery_id"] for f in facts if f["state"] == "delivered"}
    mails = aftermath.hub.mails()
    for delivery_id, channel in created.items():
        assert delivery_id in done | waiting, channel
        if channel == "email" and delivery_id in done:
            assert delivery_id in mails


def test_the_console_shows_every_alert(aftermath: Aftermath) -> None:
    told = {fact.fields["alert_id"] for fact in aftermath.topics.facts("alerts") if fact.fields["recipients"]}
    shown = {row[0] for row in aftermath.hub.rows("SELECT DISTINCT alert_id FROM console.told")}
    assert told <= shown


def test_nothing_was_set_aside(aftermath: Aftermath) -> None:
    aside = [row.note for rows in aftermath.decisions.values() for row in rows if row.note.startswith("poison")]
    assert aside == []
