"""Matching alone on a memory log and journal, fed with observations as the gate would pass them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from services.matching.agent import MatchingProcessor, processor
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.step import Limits, Position, SetAside, step

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
START = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
TOPICS = {"observations": 1, "attributions": 1, "reviews": 1, "quarantine": 1}
DATES = {"date_of_birth"}
_MADE: list[MatchingProcessor] = []
DEFAULT_DATA = {"register": "ccis", "home_authority": None}


def subject_bytes(subject: Mapping[str, Any]) -> bytes:
    fields = {k: date.fromisoformat(v) if k in DATES and isinstance(v, str) else v for k, v in subject.items()}
    return CATALOGUE.encode("subject.v1", fields)


def _encoded(kind: str, data: Mapping[str, Any] | bytes | None) -> bytes:
    if isinstance(data, bytes):
        return data
    return CATALOGUE.encode(f"{kind}.data.v1", dict(DEFAULT_DATA if data is None else data))


def fresh_processor() -> MatchingProcessor:
    """A processor that has seen nothing. What it was set with is read once."""
    if not _MADE:
        made = processor(CATALOGUE, CONTRACTS)
        assert isinstance(made, MatchingProcessor)
        _MADE.append(made)
    (made,) = _MADE
    return MatchingProcessor(made.build, made.settings, made.matcher, made.codec, made.reader)


class Matching:
    """Give it observations; ask who is who."""

    def __init__(self, processor_: MatchingProcessor | None = None, journal: Any = None) -> None:
        self.processor = processor_ or fresh_processor()
        #: A ``Journal``; a MemoryJournal unless a test brings another.
        self.journal = journal or MemoryJournal()
        self.log = MemoryLog(TOPICS, CATALOGUE.frame)
        self._aside = SetAside(Limits())
        self._count = 0

    def observe(
        self,
        label: str,
        source: str,
        subject: Mapping[str, Any] | None = None,
        kind: str = "person.registered",
        data: Mapping[str, Any] | bytes | None = None,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """Feed one observation; returns the attributions that it causes."""
        self.append(label, source, subject, kind, data, **more)
        return self.run()

    def append(
        self,
        label: str,
        source: str,
        subject: Mapping[str, Any] | None = None,
        kind: str = "person.registered",
        data: Mapping[str, Any] | bytes | None = None,
        **more: Any,
    ) -> None:
        self._count += 1
        fields = {
            "event_id": hashlib.sha256(label.encode()).hexdigest()[:32],
            "source": source,
            "source_kind": "",
            "message_id": label,
            "type": kind,
            "effective_on": date(2026, 9, 1),
            "received_at": START + timedelta(minutes=self._count),
            "sequence": None,
            "withheld": [],
            "dropped": [],
            "agreement": "a@1",
            "policy": "p",
            "authority": "northshire",
            "test": False,
            "subject": subject_bytes(subject or {}),
            "data": _encoded(kind, data),
            "sealed_under": None,
            **more,
        }
        body = CATALOGUE.encode("observation.v1", fields)
        self.log.append([Outgoing(0, fields["event_id"], "observations", "northshire", "observation.v1", body)])

    def run(self, batch: int = 500) -> list[dict[str, Any]]:
        """Decide all that is there; returns the attributions that this causes."""
        done = self.log.end(("attributions", 0))
        while self.run_once(batch):
            pass
        return self.facts("attributions", done)

    def run_once(self, batch: int) -> bool:
        """One step; False if there was nothing to do."""
        place = ("observations", 0)
        at = self.journal.positions("observations").get(place, Position(0)).next
        records = self.log.read({place: at}, batch, 0)
        if records:
            step(records, self.processor, self.journal, CATALOGUE, self._aside)
            while publish(self.journal, self.log):
                pass
        return bool(records)

    def facts(self, topic: str, start: int = 0) -> list[dict[str, Any]]:
        records = self.log.read({(topic, 0): start}, 1_000_000, 0)
        return [dict(CATALOGUE.fact(record).fields) for record in records]

    def whose(self) -> dict[str, str]:
        """Person of each observation at the end, by message id."""
        out: dict[str, str] = {}
        for row in self.facts("attributions"):
            if row["act"] in ("linked", "held", "released"):
                out[row["observation"]["message_id"]] = row["person_id"]
        return out

    def held(self) -> set[str]:
        rows = self.facts("attributions")
        return {row["observation"]["message_id"] for row in rows if row["act"] == "held"}

    def clusters(self) -> set[frozenset[str]]:
        groups: dict[str, set[str]] = {}
        for label, person in self.whose().items():
            groups.setdefault(person, set()).add(label)
        return {frozenset(group) for group in groups.values()}


def acts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["act"] for row in rows]
