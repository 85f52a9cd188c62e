"""Whether what retention will take from the log stands in the archive.

Asks the ledger, which holds each archived file's name: the folder itself is seen by few.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hub.doctor.finding import Finding, fault, sound, warning
from hub.topics.broker import counts, younger
from hub.topics.contract import read_topics
from spine.kafka import Broker
from spine.log import Place

CHECK = "archive"
#: The process writes every hour; a record that has waited for three runs waits for somebody.
WAIT_SECONDS_MAX = 3 * 3_600
#: The part of a topic's retention after which what is not archived yet is about to be lost.
RETENTION_PART_MAX = 0.5
DAY_SECONDS = 86_400
MEND = (
    "see the log of the process `archive` for `halt` or `retry` and start it, or run `hub archive run`"
    " (docs/runbooks/archive-behind.md)"
)
_SEGMENT = re.compile(r"segments/(.+)-(\d+)-\d+-(\d+)\.avro")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One partition: where log and archive stand. ``old`` and ``perilous``: the first offsets younger than three hours,
    and than half the retention."""

    place: Place
    start: int
    end: int
    old: int
    perilous: int
    archived: int | None

    @property
    def following(self) -> int:
        """The first record that is in no segment. An archive begins where the log begins then."""
        return self.start if self.archived is None else self.archived + 1


def archive(where: str | Broker, postgres: str, contracts: Path) -> Iterator[Finding]:
    """Raises Retry, psycopg.Error."""
    days = {topic.name: topic.retention_days for topic in read_topics(contracts) if not topic.party}
    # The ledger first: what is archived while we look would else seem to be beyond the log.
    held = archived(_files(postgres))
    ends = counts(where, list(days))
    old = younger(where, ends, dict.fromkeys(ends, WAIT_SECONDS_MAX))
    perilous = younger(where, ends, {name: int(days[name] * DAY_SECONDS * RETENTION_PART_MAX) for name in ends})
    places = [
        Waiting((name, n), *ends[name][n], old[name, n], perilous[name, n], held.get((name, n)))
        for name in sorted(ends)
        for n in sorted(ends[name])
    ]
    yield from behind(places)


def archived(files: Iterable[str]) -> Mapping[Place, int]:
    """The last archived offset of each partition, by names of files."""
    last: dict[Place, int] = {}
    for name in files:
        if read := _SEGMENT.fullmatch(name):
            place = (read[1], int(read[2]))
            last[place] = max(last.get(place, -1), int(read[3]))
    return last


def behind(places: Iterable[Waiting]) -> Iterator[Finding]:
    """What is lost for the archive, about to be, or late."""
    late: list[Waiting] = []
    well = True
    for one in places:
        name = f"{one.place[0]}/{one.place[1]}"
        if one.following < one.start:
            well = False
            lost = f"{name}: records {one.following} to {one.start - 1} were removed before they were archived"
            yield fault(CHECK, lost, "they are lost for replay: restore them from a copy of the log, tell the auditor")
        elif one.following < one.perilous:
            well = False
            what = f"{name}: {one.perilous - one.following} records are not archived and past half of their retention"
            yield fault(CHECK, what, f"at once: {MEND}; until it has caught up, raise retention.ms of the topic")
        elif one.following < one.old:
            late.append(one)
    if late:
        count = sum(one.old - one.following for one in late)
        topics = ", ".join(sorted({one.place[0] for one in late}))
        yield warning(CHECK, f"{count} records older than three hours are not archived ({topics})", MEND)
    elif well:
        yield sound(CHECK, "nothing older than three hours waits for it")


def _files(postgres: str) -> Iterator[str]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        try:
            rows = connection.execute("SELECT about FROM audit.operation WHERE kind = 'archive'").fetchall()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return
    for (about,) in rows:
        yield from json.loads(about)["files"]
