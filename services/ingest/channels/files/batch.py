"""One file, from its first byte to its feedback. Read through once before any row counts, then row by row to the gate.

A row that reads well becomes a submission, whatever the gate says of it, so that a refusal is recorded and its original
waits in quarantine where that is allowed. A row with a damaged cell becomes none: its feedback is all that comes of it.
Memory does not grow with the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.ingest.channels.files.convert import Made, events_of, text_of
from services.ingest.channels.files.feedback import Feedback
from services.ingest.channels.files.ledger import Ledger
from services.ingest.channels.files.mapping import FileRule
from services.ingest.channels.files.read_csv import read_csv
from services.ingest.channels.files.read_xlsx import read_xlsx
from services.ingest.channels.files.read_xml import read_xml
from services.ingest.channels.files.rows import ROWS_MAX, Row, Spoilt
from services.ingest.channels.files.said import FileFault, RowFault, row_fault
from services.ingest.door import Arrival, Door, Message, event_message
from services.ingest.extracts import ID_HEX, Extract
from services.ingest.faults import Fault
from services.ingest.gate import Judge, No
from services.ingest.parse import from_event
from spine.clock import local_date
from spine.errors import Retry
from spine.record import Outgoing

DOOR = "file"
CHUNK_ROWS = 500
PROGRESS_ROWS = 10_000
SHRINK_HOLD_PERCENT = 10
#: Each raises FileFault as soon as the file shows that it can't be taken.
READERS: Mapping[str, Callable[[Path, FileRule], Iterator[Row]]] = {"csv": read_csv, "xlsx": read_xlsx, "xml": read_xml}

Append = Callable[[Sequence[Outgoing]], None]
Tell = Callable[[int], None]


def _nothing() -> None:
    """No sign of life is asked for."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first reading found. ``keys``: different rows of a snapshot."""

    rows: int
    keys: int


@dataclass(slots=True)
class Counts:
    """What became of the rows, and of the events that they tell: a row may tell several, of which one is refused.

    Every row that was read is accepted, refused or unchanged; one of which a part is refused is. ``rows_absent``: in an
    earlier snapshot, not in this one; nothing follows from it. ``events_repeated``: an earlier row of the file says so.
    """

    rows: int = 0
    rows_accepted: int = 0
    rows_refused: int = 0
    rows_unchanged: int = 0
    rows_absent: int = 0
    rows_leaving: int = 0
    events_accepted: int = 0
    events_refused: int = 0
    events_repeated: int = 0


@dataclass(frozen=True, slots=True)
class _Judged:
    """One event of a row: its message, what the gate said."""

    made: Made
    row: Row
    message_id: str
    print_: bytes
    faults: tuple[RowFault, ...]
    outgoing: Outgoing | None


@dataclass(frozen=True, slots=True)
class FilesDoor:
    """The door behind its file form. ``append`` returns when all are durable, or raises Retry.

    ``beat`` is called every few hundred rows of either reading, and may raise Retry to break the file off.
    """

    door: Door
    gate: Judge
    append: Append
    clock: Callable[[], datetime]
    test: bool = False
    beat: Callable[[], None] = _nothing

    def name_of(self, digest: str) -> str:
        """A file's name in ledger, log and answers: keyed, since a bare hash of a short file can be guessed."""
        return self.door.sealer.fingerprint(digest.encode("utf-8", "surrogateescape")).hex()

    def survey(self, path: Path, rule: FileRule, ledger: Ledger) -> Survey:
        """Read the file through. Raises FileFault: then no row of it has had any effect."""
        ledger.begin()
        rows = 0
        for chunk in _chunks(READERS[rule.format](path, rule)):
            self.beat()
            rows += len(chunk)
            if rows > ROWS_MAX:
                raise FileFault("too_many_rows")
            if rule.snapshot_key:
                ledger.add_keys(self._row_key(row, rule) for row in chunk)
        if not rows:
            raise FileFault("empty")
        return Survey(rows, ledger.count_keys())

    def shrinks(self, survey: Survey, rule: FileRule, ledger: Ledger) -> bool:
        """Whether a snapshot has fewer rows than the last one by more than the agreement lets pass."""
        last = ledger.last_snapshot_keys(rule.name) if rule.snapshot_key else 0
        return (last - survey.keys) * 100 > last * self._shrink_percent(rule)

    def take(
        self,
        path: Path,
        rule: FileRule,
        digest: str,
        ledger: Ledger,
        feedback: Feedback,
        tell: Tell = lambda rows: None,
        begun: datetime | None = None,
    ) -> Counts:
        """Every row to the gate, and one fact about the whole file. Call after ``survey``. Raises Retry.

        All is received at the moment ``begun``: read again from there, even on another day, it has the same ids.
        """
        at = begun or self.clock()
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        counts = Counts(rows_absent=ledger.count_absent(rule.name) if rule.snapshot_key else 0)
        for chunk in _chunks(READERS[rule.format](path, rule)):
            self.beat()
            self._chunk(chunk, rule, digest, at, ledger, feedback, counts)
            counts.rows += len(chunk)
            counts.rows_accepted = counts.rows - counts.rows_refused - counts.rows_unchanged
            if counts.rows % PROGRESS_ROWS < len(chunk):
                tell(counts.rows)
        self.append([self._extract(rule, digest, at, counts)])
        return counts

    def _chunk(
        self,
        rows: Sequence[Row],
        rule: FileRule,
        digest: str,
        at: datetime,
        ledger: Ledger,
        feedback: Feedback,
        counts: Counts,
    ) -> None:
        kept, fresh, bad_rows = self._fresh(rows, rule, digest, ledger, feedback, counts)
        judged = [self._judge(row, one, rule, at) for row, made in kept for one in made]
        earlier = dict(ledger.seen([one.message_id for one in judged if one.message_id]))
        going: list[_Judged] = []
        for one in judged:
            again = self._again(one, earlier, feedback, counts)
            if again == "contradiction" or one.faults:
                bad_rows.add(one.row.number)
                counts.events_refused += 1
            if again or not one.outgoing:
                feedback.tell(one.faults if not again else ())
                continue
            earlier[one.message_id] = one.print_
            going.append(one)
        self.append([one.outgoing for one in going if one.outgoing])
        self._receipts(going, feedback, counts)
        ledger.see({one.message_id: one.print_ for one in going})
        if rule.snapshot_key:
            good = {key: print_ for number, key, print_ in fresh if number not in bad_rows}
            ledger.be_present(rule.name, digest, good)
        counts.rows_refused += len(bad_rows)

    def _fresh(
        self, rows: Sequence[Row], rule: FileRule, digest: str, ledger: Ledger, feedback: Feedback, counts: Counts
    ) -> tuple[list[tuple[Row, list[Made]]], list[tuple[int, bytes, bytes]], set[int]]:
        """The rows that say something new, with their events; (row, key, print) of those that are a snapshot's; and
        the rows of which a part could not be read."""
        read: list[tuple[Row, list[Made]]] = []
        bad_rows: set[int] = set()
        for row in rows:
            made, faults = events_of(row, rule)
            feedback.tell(faults)
            if made:
                read.append((row, made))
                if faults:
                    bad_rows.add(row.number)
                counts.rows_leaving += any(one.rule.leaver and not one.faults for one in made)
            else:
                counts.rows_refused += bool(faults)
        if not rule.snapshot_key:
            return read, [], bad_rows
        prints = [(row.number, self._row_key(row, rule), self._row_print(made)) for row, made in read]
        known = ledger.present(rule.name, [key for _, key, _ in prints], digest)
        same = {number for number, key, print_ in prints if known.get(key) == print_ and number not in bad_rows}
        counts.rows_unchanged += len(same)
        return [pair for pair in read if pair[0].number not in same], [p for p in prints if p[0] not in same], bad_rows

    def _judge(self, row: Row, made: Made, rule: FileRule, at: datetime) -> _Judged:
        message_id = self._message_id(row, made, rule)
        faults = list(made.faults)
        if isinstance(message_id, RowFault):
            faults.append(message_id)
            message_id = ""
        event = {
            "specversion": "1.0",
            "id": message_id or "unnamed",
            "source": rule.party,
            "type": made.rule.type,
            "data": {"effective_on": None, **made.body},
        }
        verdict = self.gate.examine(rule.party, at, from_event(event))
        if isinstance(verdict, No):
            if verdict.reason == "policy_missing":
                raise Retry("no sharing policy in force")
            told = {fault.column for fault in faults}
            faults += [f for f in (_shown(row, made, fault) for fault in verdict.faults) if f.column not in told]
        if made.faults or not message_id:
            return _Judged(made, row, "", b"", tuple(faults), None)
        message = event_message(event)
        out = self._submission(rule.party, at, message)
        return _Judged(made, row, message_id, self.door.sealer.fingerprint(message.said), tuple(faults), out)

    def _again(self, one: _Judged, earlier: dict[str, bytes], feedback: Feedback, counts: Counts) -> str:
        """Whether this file has said so before: ``duplicate``, ``contradiction`` or empty."""
        before = earlier.get(one.message_id) if one.message_id else None
        if before is None:
            return ""
        code = "duplicate" if before == one.print_ else "contradiction"
        counts.events_repeated += code == "duplicate"
        feedback.tell([row_fault(one.row.number, "", code, note=code == "duplicate")])
        return code

    def _receipts(self, going: Sequence[_Judged], feedback: Feedback, counts: Counts) -> None:
        for one in going:
            assert one.outgoing is not None
            feedback.tell(one.faults, one.outgoing.event_id)
            outcome = "refused" if one.faults else "accepted"
            feedback.receipt(one.row.number, one.message_id, outcome, one.outgoing.event_id)
            counts.events_accepted += not one.faults

    def _message_id(self, row: Row, made: Made, rule: FileRule) -> str | RowFault:
        if rule.id_from == "content":
            return f"file-{self._print([made.rule.type, made.body]).hex()[:ID_HEX]}"
        texts = [text_of(row.cells.get(column)) for column in rule.id_columns]
        for column, text in zip(rule.id_columns, texts, strict=True):
            if isinstance(text, Spoilt):
                return row_fault(row.number, column, text.code)
            if not text:
                return row_fault(row.number, column, "empty_cell")
        if rule.id_from == "column":
            return f"{texts[0]}:{made.rule.type}" if len(rule.events) > 1 else str(texts[0])
        return f"file-{self._print([made.rule.type, texts]).hex()[:ID_HEX]}"

    def _row_key(self, row: Row, rule: FileRule) -> bytes:
        text = text_of(row.cells.get(rule.snapshot_key))
        return self._print([rule.name, text if isinstance(text, str) else "", None if text else row.number])[:16]

    def _row_print(self, made: Sequence[Made]) -> bytes:
        """Of all that a snapshot's row says; its date is the extract's and makes nothing new."""
        said = [[one.rule.type, {k: v for k, v in one.body.items() if k != "effective_on"}] for one in made]
        return self._print(said)[:16]

    def _print(self, said: Any) -> bytes:
        return self.door.sealer.fingerprint(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str))

    def _arrival(self, party: str, at: datetime) -> Arrival:
        return Arrival(party, f"folder:{party}", DOOR, at, policy=self.gate.stand)

    def _submission(self, party: str, at: datetime, message: Message) -> Outgoing:
        return self.door.submission(replace(self._arrival(party, at), test=self.test), message)

    def _shrink_percent(self, rule: FileRule) -> int:
        policy, day = self.gate.policy, local_date(self.clock())
        grants = [policy.grant(event.type, rule.party, day) for event in rule.events] if policy else []
        limits = [grant.agreement.shrink_hold_percent for grant in grants if grant]
        return min(limits, default=SHRINK_HOLD_PERCENT)

    def _extract(self, rule: FileRule, digest: str, at: datetime, counts: Counts) -> Outgoing:
        """``feed.extract_received``: the hub's own word that a batch came. Silence of a source is judged by it."""
        policy = self.gate.policy
        if policy is None:
            raise Retry("no sharing policy in force")
        extract = Extract(rule.party, digest, rule.shape, counts.rows, counts.rows_leaving, local_date(at))
        event = extract.event(policy)
        return self._submission(str(event["source"]), at, event_message(event))


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
        yield chunk


def _shown(row: Row, made: Made, fault: Fault) -> RowFault:
    """A fault of the gate at the partner's own heading. Where no column stands behind it, the mapping does."""
    parts = fault.pointer.removeprefix("/data/").split("/")
    headings = made.rule.headings()
    for path in (".".join(parts[:2]), parts[0]):
        if path in headings:
            return RowFault(row.number, headings[path], fault.code, fault.message, fault.expected)
        if any(rule.path == path for rule in made.rule.fields):
            return row_fault(row.number, "", "mapping")
    return RowFault(row.number, "", fault.code, fault.message, fault.expected)
