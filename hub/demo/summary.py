"""What came of a run, read from the topics alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from spine.kafka import Broker, KafkaLog
from spine.record import Fact
from spine.schema import Catalogue
from spine.step import TICK


@dataclass(slots=True)
class Summary:
    """Counts, none of them with a person in it."""

    submitted: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    without_effect: int = 0
    doubled: int = 0
    people: int = 0
    reviews_opened: int = 0
    reviews_waiting: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    alerts_raised: Counter[str] = field(default_factory=Counter)
    alerts_standing: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    mails: int = 0
    files: Counter[str] = field(default_factory=Counter)
    file_rows: Counter[str] = field(default_factory=Counter)
    by_file: int = 0

    def as_json(self) -> dict[str, Any]:
        # Not asdict: it takes a Counter's pairs for things to count.
        held = {name: getattr(self, name) for name in Summary.__slots__}
        return {name: dict(sorted(v.items())) if isinstance(v, Counter) else v for name, v in held.items()}

    def faults(self) -> list[str]:
        """Why these counts can't be right; empty if they can."""
        wrong = []
        if self.accepted == 0:
            wrong.append("no event was accepted")
        if not self.alerts_raised:
            wrong.append("no alert was raised")
        if self.set_aside:
            wrong.append(f"records were set aside: {dict(self.set_aside)}")
        if self.submitted != self.accepted + sum(self.refused.values()) + self.without_effect:
            wrong.append("a submission was neither accepted nor refused nor known as a duplicate")
        if self.files["unanswered"]:
            wrong.append("a file was delivered and not answered")
        if self.doubled < 0:
            wrong.append("more was decided than was sent")
        return wrong


def summarise(where: str | Broker, catalogue: Catalogue, today: date, mail: Path) -> Summary:
    """Read every topic from its first record. ``catalogue`` has the registry's ids."""
    with closing(KafkaLog(where, catalogue.frame, source="summary")) as log:
        made = Summary()
        _gate(made, log, catalogue)
        _people(made, log, catalogue, today)
        _alerts(made, log, catalogue)
    made.mails = len(list(mail.glob("*.eml")))
    return made


def facts(log: KafkaLog, catalogue: Catalogue, topic: str) -> Iterator[Fact]:
    """Every fact that stands on ``topic`` now, ticks left out, repetitions of an id once. Raises Poison."""
    places = [(topic, n) for n in range(log.partitions(topic))]
    ends = {place: log.end(place) for place in places}
    positions = {place: log.start(place) for place in places}
    seen: set[str] = set()
    while any(positions[place] < ends[place] for place in places):
        for record in log.read(positions, 5_000, 200):
            positions[record.place] = record.offset + 1
            fact = catalogue.fact(record)
            if fact.kind != TICK and fact.event_id not in seen:
                seen.add(fact.event_id)
                yield fact


def _gate(made: Summary, log: KafkaLog, catalogue: Catalogue) -> None:
    submitted = (fact for fact in facts(log, catalogue, "submissions") if fact.kind == "submission.v1")
    doors = Counter(fact.fields["door"] for fact in submitted)
    made.submitted, made.by_file = doors.total(), doors["file"]
    made.accepted = sum(1 for fact in facts(log, catalogue, "observations") if fact.kind == "observation.v1")
    made.refused = Counter(fact.fields["reason"] for fact in facts(log, catalogue, "refusals"))
    made.set_aside = Counter(
        f"{fact.fields['service']}: {fact.fields['reason']}"
        for fact in facts(log, catalogue, "quarantine")
        if fact.kind == "set_aside.v1"
    )


def _people(made: Summary, log: KafkaLog, catalogue: Catalogue, today: date) -> None:
    last: dict[str, Mapping[str, Any]] = {}
    for fact in facts(log, catalogue, "statuses"):
        if fact.is_a("status") and fact.fields.get("belief") is not None:
            last[fact.fields["person_id"]] = fact.fields["belief"]
    made.statuses = Counter(group_on(belief, today) for belief in last.values())
    attributed = {
        fact.fields["person_id"] for fact in facts(log, catalogue, "attributions") if fact.fields.get("person_id")
    }
    states: dict[str, str] = {}
    stubs: set[str] = set()
    for fact in facts(log, catalogue, "reviews"):
        states[fact.fields["review_id"]] = fact.fields["state"]
        stubs.add(fact.fields["person_id"])
    made.people = len(attributed - stubs)
    made.reviews_opened = len(states)
    made.reviews_waiting = sum(1 for state in states.values() if state == "open")


def group_on(belief: Mapping[str, Any], day: date) -> str:
    """The status group that a belief gives ``day``."""
    for span in belief["timeline"]:
        if span["start"] <= day and (span["end"] is None or day <= span["end"]):
            return str(span["group"])
    return "no status"


def _alerts(made: Summary, log: KafkaLog, catalogue: Catalogue) -> None:
    standing: dict[str, tuple[str, bool]] = {}
    for fact in facts(log, catalogue, "alerts"):
        if fact.kind != "alert.v1":
            continue
        if fact.fields["act"] == "raised":
            made.alerts_raised[fact.fields["rule"]] += 1
        standing[fact.fields["alert_id"]] = (fact.fields["rule"], fact.fields["open"])
    made.alerts_standing = Counter(rule for rule, is_open in standing.values() if is_open)
    made.deliveries = _deliveries(log, catalogue)


def _deliveries(log: KafkaLog, catalogue: Catalogue) -> Counter[str]:
    last: dict[str, str] = {}
    for fact in facts(log, catalogue, "deliveries"):
        if fact.kind == "delivery.v1":
            last[fact.fields["delivery_id"]] = f"{fact.fields['channel']} {fact.fields['state']}"
    return Counter(last.values())
