"""The drop folder of one party: which files are whole, which are not, and what becomes of each.

``<root>/<party>/in`` is the partner's to write, ``out`` the hub's to answer. A file is read when it has lain still for
a while, or when its ``.done`` marker is there; names that end as uploads in progress do are never read. What is read is
a private copy, so that nothing changes under the reader. A file that was taken or refused is removed; a held one stays.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.ingest.channels.files.batch import Counts, FilesDoor, Survey
from services.ingest.channels.files.feedback import Feedback, write_summary
from services.ingest.channels.files.ledger import HELD, READING, REFUSED, RELEASED, TAKEN, FileSeen, Ledger
from services.ingest.channels.files.mapping import FileRule, PartyMapping
from services.ingest.channels.files.places import (
    PRIVATE,
    Signature,
    changed_at,
    copy,
    home_of,
    ledger_path,
    plain,
    receipt_of,
    signature_of,
    stem_of,
)
from services.ingest.channels.files.rows import FILE_BYTES_MAX
from services.ingest.channels.files.said import FileFault
from spine.errors import Retry, SpineError
from spine.telemetry import log, metrics

QUIET_SECONDS = 60
INCOMPLETE_SECONDS = 3_600
MARKER = ".done"
UNDER_WAY = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".uploading")
DIGEST_SHOWN = 12
#: Where a file goes for the moment in which it is seen whether it is still the one that was read.
CLAIMS = ".taken"
RESUME_DAYS_MAX = 7
#: What ends by itself or by an operator's hand; the file is not at fault and is read again.
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS, errno.ESTALE}
)


@dataclass(slots=True)
class _Watched:
    """A file as it lay there when it was last seen to change."""

    signature: Signature
    since: float
    digest: str = ""
    broken: bool = False
    marker: int = 0


@dataclass(slots=True)
class Folder:
    """One party's folder. ``monotonic`` is seconds; only one process may work on a root at a time.

    A test folder, ``<party>/test``, has a ledger of its own: what is tried there is news when it comes in earnest.
    """

    root: Path
    mapping: PartyMapping
    door: FilesDoor
    monotonic: Callable[[], float]
    quiet_seconds: float = QUIET_SECONDS
    incomplete_seconds: float = INCOMPLETE_SECONDS
    bytes_max: int = FILE_BYTES_MAX
    test: bool = False
    _watched: dict[str, _Watched] = field(default_factory=dict)

    @property
    def party(self) -> str:
        return self.mapping.party

    def __post_init__(self) -> None:
        self.door = replace(self.door, test=self.test)
        self._make()
        self._recover()

    def round(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Look once; returns how many files were dealt with. Raises Retry: what is not done lies there still."""
        done = 0
        self._make()
        if not any(not name.startswith(".") for name in os.listdir(self._in)):
            self._watched.clear()
            return 0
        with Ledger(ledger_path(self.root, self.party, test=self.test)) as ledger:
            for path in self._ready(ledger):
                if stopping():
                    break
                done += self._guarded(path, ledger)
        return done

    def _make(self) -> None:
        for folder in (self._in, self._out):
            folder.mkdir(parents=True, exist_ok=True)
        for private in (self.root / PRIVATE, self._work):
            private.mkdir(exist_ok=True, mode=0o700)

    @property
    def _in(self) -> Path:
        return home_of(self.root, self.party, test=self.test) / "in"

    @property
    def _out(self) -> Path:
        return home_of(self.root, self.party, test=self.test) / "out"

    @property
    def _claims(self) -> Path:
        return self._in / CLAIMS

    @property
    def _work(self) -> Path:
        return self.root / PRIVATE / "work"

    def _ready(self, ledger: Ledger) -> Iterator[Path]:
        paths = sorted(p for p in self._in.iterdir() if not p.name.startswith("."))
        names = {path.name for path in paths}
        self._watched = {name: held for name, held in self._watched.items() if name in names}
        for path in paths:
            signature = signature_of(path)
            if signature is None:
                continue
            watched = self._watched.get(path.name)
            if watched is None or watched.signature != signature:
                watched = self._watched[path.name] = _Watched(signature, self.monotonic())
            if self._whole(path, watched, names, ledger) and not self._waits(watched, ledger):
                yield path

    def _whole(self, path: Path, watched: _Watched, names: set[str], ledger: Ledger) -> bool:
        """Whether the upload has ended. One that has not for long is reported, once."""
        lain = self.monotonic() - watched.since
        late = lain >= self.incomplete_seconds
        if path.name.endswith(MARKER):
            if late and path.name.removesuffix(MARKER) not in names:
                self._report(path, watched, "marker_alone", "", ledger)
            return False
        if path.name.lower().endswith(UNDER_WAY):
            if late:
                self._report(path, watched, "incomplete", "", ledger)
            return False
        watched.marker = changed_at(path.with_name(path.name + MARKER))
        rule = self.mapping.rule_for(path.name)
        if rule is not None and rule.wants_marker:
            # A marker older than the file speaks of an earlier upload under the name, however long it lies there.
            if watched.marker >= watched.signature[3]:
                return True
            if late:
                code = "old_marker" if watched.marker else "no_marker"
                self._report(path, watched, code, plain(path.name) + MARKER, ledger)
            return False
        return lain >= self.quiet_seconds

    def _waits(self, watched: _Watched, ledger: Ledger) -> bool:
        """Held until released, or broken under our hands: not read again and again."""
        if watched.broken:
            return True
        seen = ledger.file(watched.digest) if watched.digest else None
        return seen is not None and seen.state == HELD

    def _guarded(self, path: Path, ledger: Ledger) -> int:
        """A fault of ours over one file must not keep the others waiting."""
        watched = self._watched[path.name]
        work = self._work / f"{self.party}.{os.getpid()}"
        try:
            return self._deal(path, work, watched, ledger)
        except (SpineError, sqlite3.Error):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise Retry(f"disk: {errno.errorcode[error.errno]}") from error
            # Whatever a file makes our own code raise: set aside until the door restarts, and told to the operator.
            watched.broken = True
            log().error("file_failed", party=self.party, file=watched.digest[:DIGEST_SHOWN], error=type(error).__name__)
            return 0
        finally:
            work.unlink(missing_ok=True)

    def _deal(self, path: Path, work: Path, watched: _Watched, ledger: Ledger) -> int:
        rule = self.mapping.rule_for(path.name)
        digest = ""
        try:
            try:
                digest = watched.digest = self.door.name_of(copy(path, work, self.bytes_max))
            except FileNotFoundError:
                return 0
            if signature_of(path) != watched.signature:
                return 0
            if rule is None:
                raise FileFault("no_mapping")
            seen = ledger.file(digest)
            if seen is None or seen.state in (REFUSED, RELEASED, READING):
                self._new(path.name, work, rule, digest, ledger, seen)
            else:
                self._again(path.name, seen)
        except FileFault as fault:
            self._refuse(path.name, digest, rule, fault, ledger)
        held = ledger.file(digest)
        if held is None or held.state != HELD:
            self._remove(path, watched)
        return 1

    def _remove(self, path: Path, watched: _Watched) -> None:
        """Remove what was read, and nothing that has come under the same name since."""
        if signature_of(path) != watched.signature:
            # Not even claimed: giving it back would make it younger than its marker.
            return
        claimed = self._claims / path.name
        self._claims.mkdir(exist_ok=True, mode=0o700)
        try:
            os.rename(path, claimed)
        except FileNotFoundError:
            return
        found = signature_of(claimed)
        if found is None or found[:3] != watched.signature[:3]:
            self._give_back(claimed, path)
            return
        marker = path.with_name(path.name + MARKER)
        if watched.marker and changed_at(marker) == watched.marker:
            marker.unlink(missing_ok=True)
        claimed.unlink()
        with suppress(OSError):
            self._claims.rmdir()

    def _recover(self) -> None:
        """What a process that was killed had just claimed: read to its end, or given back."""
        for left in self._claims.glob("*"):
            path = self._in / left.name
            with Ledger(ledger_path(self.root, self.party, test=self.test)) as ledger:
                try:
                    seen = ledger.file(self.door.name_of(copy(left, Path(os.devnull), self.bytes_max)))
                except FileFault:
                    seen = None
            if seen is None or seen.state not in (TAKEN, REFUSED):
                self._give_back(left, path)
                continue
            if not os.path.lexists(path):
                path.with_name(path.name + MARKER).unlink(missing_ok=True)
            left.unlink()

    def _give_back(self, claimed: Path, path: Path) -> None:
        """Under its name again, unless something newer has that by now."""
        try:
            os.link(claimed, path, follow_symlinks=False)
        except FileExistsError:
            pass
        claimed.unlink()

    def _new(self, name: str, work: Path, rule: FileRule, digest: str, ledger: Ledger, seen: FileSeen | None) -> None:
        survey = self.door.survey(work, rule, ledger)
        # One whose reading was interrupted has passed this question before.
        passed = seen is not None and seen.state in (RELEASED, READING)
        if not passed and self.door.shrinks(survey, rule, ledger):
            self._hold(name, digest, rule, survey, ledger)
            return
        begun = self._begun(seen)
        # Noted before the first row goes: a reading that is broken off begins again at the same moment, so that
        # everything it sends has the ids it had.
        ledger.note(self._seen(digest, name, rule, READING, "", survey, begun))
        short = digest[:DIGEST_SHOWN]

        def tell(rows: int) -> None:
            log().info("file_progress", party=self.party, file=short, rows=rows, of=survey.rows)

        with Feedback(self._out, stem_of(name, digest)) as feedback:
            counts = self.door.take(work, rule, digest, ledger, feedback, tell, begun)
        # The answer first: noted as answered, a disk that is full just now would leave the partner without one.
        self._summary(name, digest, TAKEN, rule, counts)
        ledger.note(self._seen(digest, name, rule, TAKEN, "", survey))
        for outcome in () if self.test else ("accepted", "refused", "unchanged"):
            rows = getattr(counts, f"rows_{outcome}")
            metrics().count("hub_file_rows_total", rows, party=self.party, outcome=outcome)
        self._count(TAKEN)
        log().info("file_taken", party=self.party, file=short, rows=counts.rows, refused=counts.rows_refused)

    def _begun(self, seen: FileSeen | None) -> datetime:
        now = self.door.clock()
        if seen is not None and seen.state == READING:
            before = datetime.fromisoformat(seen.seen_at)
            if now - timedelta(days=RESUME_DAYS_MAX) <= before <= now:
                return before
        return now

    def _again(self, name: str, seen: FileSeen) -> None:
        """The same bytes: the same receipt, and nothing else."""
        self._summary(name, seen.digest, seen.state, None, None, again=True)
        self._count("again")
        log().info("file_again", party=self.party, file=seen.digest[:DIGEST_SHOWN])

    def _hold(self, name: str, digest: str, rule: FileRule, survey: Survey, ledger: Ledger) -> None:
        with Feedback(self._out, stem_of(name, digest)) as feedback:
            feedback.tell([FileFault("held").shown()])
        self._summary(name, digest, HELD, rule, None, reason="held")
        ledger.note(self._seen(digest, name, rule, HELD, "held", survey))
        self._count(HELD)
        log().warning("file_held", party=self.party, file=digest[:DIGEST_SHOWN], rows=survey.keys)

    def _refuse(self, name: str, digest: str, rule: FileRule | None, fault: FileFault, ledger: Ledger) -> None:
        digest = digest or self.door.name_of(name)
        with Feedback(self._out, stem_of(name, digest)) as feedback:
            feedback.tell([fault.shown()])
        self._summary(name, digest, REFUSED, rule, None, reason=fault.code)
        ledger.note(self._seen(digest, name, rule, REFUSED, fault.code, Survey(0, 0)))
        self._count(REFUSED)
        log().warning("file_refused", party=self.party, file=digest[:DIGEST_SHOWN], reason=fault.code)

    def _report(self, path: Path, watched: _Watched, code: str, what: str, ledger: Ledger) -> None:
        """Tell once that an upload did not end; the file stays for its sender to mend."""
        mark = self.door.name_of(f"{code}|{path.name}|{watched.signature}")
        if ledger.has_told(mark):
            return
        # The answer first: one that was noted and not written would never come.
        with Feedback(self._out, stem_of(path.name, mark)) as feedback:
            feedback.tell([FileFault(code, what).shown()])
        ledger.note_told(mark)
        log().warning("file_incomplete", party=self.party, file=mark[:DIGEST_SHOWN], reason=code)

    def _seen(
        self,
        digest: str,
        name: str,
        rule: FileRule | None,
        state: str,
        reason: str,
        survey: Survey,
        begun: datetime | None = None,
    ) -> FileSeen:
        at = (begun or self.door.clock()).isoformat()
        shown = plain(name)
        return FileSeen(digest, shown, rule.name if rule else "", state, reason, survey.rows, survey.keys, at)

    def _summary(
        self,
        name: str,
        digest: str,
        state: str,
        rule: FileRule | None,
        counts: Counts | None,
        *,
        reason: str = "",
        again: bool = False,
    ) -> None:
        stem = stem_of(name, digest)
        if again and (self._out / f"{stem}.summary.json").exists():
            return
        summary: dict[str, Any] = {"receipt": receipt_of(digest), "state": state}
        summary |= {"test": True} if self.test else {}
        summary |= {"reason": reason} if reason else {}
        summary |= {"kind": rule.name, "shape": rule.shape} if rule else {}
        summary |= {"seen_before": True} if again else {}
        write_summary(self._out, stem, summary | (asdict(counts) if counts else {}))

    def _count(self, outcome: str) -> None:
        if not self.test:
            metrics().count("hub_files_total", party=self.party, outcome=outcome)
