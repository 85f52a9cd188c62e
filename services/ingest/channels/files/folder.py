"""The drop folder of one party: which files are whole, which are not, and what becomes of each.

``<root>/<party>/in`` is the partner's to write, ``out`` the hub's to answer. A file is read when it has lain still for
a while, or when its ``.done`` marker is there; names that end as uploads in progress do are never read. What is read is
a private copy, so that nothing changes under the reader. A file that was taken or refused is removed; a held one stays.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.ingest.channels.files.batch import Counts, FilesDoor, Survey
from services.ingest.channels.files.feedback import Feedback, write_summary
from services.ingest.channels.files.ledger import HELD, REFUSED, RELEASED, TAKEN, FileSeen, Ledger
from services.ingest.channels.files.mapping import FileRule, PartyMapping
from services.ingest.channels.files.rows import FILE_BYTES_MAX
from services.ingest.channels.files.said import FileFault
from spine.telemetry import log, metrics

QUIET_SECONDS = 60
INCOMPLETE_SECONDS = 3_600
MARKER = ".done"
UNDER_WAY = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".uploading")
PRIVATE = ".hub"
COPY_BYTES = 1_048_576
DIGEST_SHOWN = 12
_STRANGE = re.compile(r"[^A-Za-z0-9 ._()-]")
_RECEIPT = "file-{0}"

Signature = tuple[int, int, int]


@dataclass(slots=True)
class _Watched:
    """A file as it lay there when it was last seen to change."""

    signature: Signature
    since: float
    digest: str = ""
    broken: bool = False


@dataclass(slots=True)
class Folder:
    """One party's folder. ``monotonic`` is seconds; only one process may work on a root at a time."""

    root: Path
    mapping: PartyMapping
    door: FilesDoor
    monotonic: Callable[[], float]
    quiet_seconds: float = QUIET_SECONDS
    incomplete_seconds: float = INCOMPLETE_SECONDS
    bytes_max: int = FILE_BYTES_MAX
    _watched: dict[str, _Watched] = field(default_factory=dict)

    @property
    def party(self) -> str:
        return self.mapping.party

    def __post_init__(self) -> None:
        for part in ("in", "out"):
            (self.root / self.party / part).mkdir(parents=True, exist_ok=True)
        self._work.mkdir(parents=True, exist_ok=True, mode=0o700)

    def round(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Look once; returns how many files were dealt with. Raises Retry: what is not done lies there still."""
        done = 0
        with Ledger(ledger_path(self.root, self.party)) as ledger:
            for path in self._ready(ledger):
                if stopping():
                    break
                done += self._guarded(path, ledger)
        return done

    @property
    def _in(self) -> Path:
        return self.root / self.party / "in"

    @property
    def _out(self) -> Path:
        return self.root / self.party / "out"

    @property
    def _work(self) -> Path:
        return self.root / PRIVATE / "work"

    def _ready(self, ledger: Ledger) -> Iterator[Path]:
        paths = sorted(p for p in self._in.iterdir() if not p.name.startswith("."))
        names = {path.name for path in paths}
        self._watched = {name: held for name, held in self._watched.items() if name in names}
        for path in paths:
            signature = _signature(path)
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
        rule = self.mapping.rule_for(path.name)
        if rule is not None and rule.wants_marker:
            if path.name + MARKER in names:
                return True
            if late:
                self._report(path, watched, "no_marker", path.name + MARKER, ledger)
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
        except (OSError, AssertionError, LookupError, ArithmeticError, TypeError, ValueError) as error:
            watched.broken = True
            log().error("file_failed", party=self.party, file=watched.digest[:DIGEST_SHOWN], error=type(error).__name__)
            return 0
        finally:
            work.unlink(missing_ok=True)

    def _deal(self, path: Path, work: Path, watched: _Watched, ledger: Ledger) -> int:
        rule = self.mapping.rule_for(path.name)
        digest = ""
        try:
            digest = watched.digest = copy(path, work, self.bytes_max)
            if _signature(path) != watched.signature:
                return 0
            if rule is None:
                raise FileFault("no_mapping")
            seen = ledger.file(digest)
            if seen is None or seen.state in (REFUSED, RELEASED):
                self._new(path.name, work, rule, digest, ledger, released=seen is not None and seen.state == RELEASED)
            else:
                self._again(path.name, seen)
        except FileFault as fault:
            self._refuse(path.name, digest, rule, fault, ledger)
        held = ledger.file(digest)
        if held is None or held.state != HELD:
            path.unlink(missing_ok=True)
            path.with_name(path.name + MARKER).unlink(missing_ok=True)
        return 1

    def _new(self, name: str, work: Path, rule: FileRule, digest: str, ledger: Ledger, *, released: bool) -> None:
        survey = self.door.survey(work, rule, ledger)
        if not released and self.door.shrinks(survey, rule, ledger):
            self._hold(name, digest, rule, survey, ledger)
            return
        short = digest[:DIGEST_SHOWN]

        def tell(rows: int) -> None:
            log().info("file_progress", party=self.party, file=short, rows=rows, of=survey.rows)

        with Feedback(self._out, stem_of(name, digest)) as feedback:
            counts = self.door.take(work, rule, digest, ledger, feedback, tell)
        ledger.note(self._seen(digest, name, rule, TAKEN, "", survey))
        self._summary(name, digest, TAKEN, rule, counts)
        for outcome in ("accepted", "refused", "duplicates", "unchanged"):
            metrics().count("hub_file_rows_total", getattr(counts, outcome), party=self.party, outcome=outcome)
        self._count(TAKEN)
        log().info("file_taken", party=self.party, file=short, rows=counts.rows, refused=counts.refused)

    def _again(self, name: str, seen: FileSeen) -> None:
        """The same bytes: the same receipt, and nothing else."""
        self._summary(name, seen.digest, seen.state, None, None, again=True)
        self._count("again")
        log().info("file_again", party=self.party, file=seen.digest[:DIGEST_SHOWN])

    def _hold(self, name: str, digest: str, rule: FileRule, survey: Survey, ledger: Ledger) -> None:
        ledger.note(self._seen(digest, name, rule, HELD, "held", survey))
        with Feedback(self._out, stem_of(name, digest)) as feedback:
            feedback.tell([FileFault("held").shown()])
        self._summary(name, digest, HELD, rule, None, reason="held")
        self._count(HELD)
        log().warning("file_held", party=self.party, file=digest[:DIGEST_SHOWN], rows=survey.keys)

    def _refuse(self, name: str, digest: str, rule: FileRule | None, fault: FileFault, ledger: Ledger) -> None:
        digest = digest or hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        with Feedback(self._out, stem_of(name, digest)) as feedback:
            feedback.tell([fault.shown()])
        ledger.note(self._seen(digest, name, rule, REFUSED, fault.code, Survey(0, 0)))
        self._summary(name, digest, REFUSED, rule, None, reason=fault.code)
        self._count(REFUSED)
        log().warning("file_refused", party=self.party, file=digest[:DIGEST_SHOWN], reason=fault.code)

    def _report(self, path: Path, watched: _Watched, code: str, what: str, ledger: Ledger) -> None:
        """Tell once that an upload did not end; the file stays for its sender to mend."""
        mark = hashlib.sha256(f"{code}|{path.name}|{watched.signature}".encode("utf-8", "surrogateescape")).hexdigest()
        if ledger.tell_once(mark):
            with Feedback(self._out, stem_of(path.name, mark)) as feedback:
                feedback.tell([FileFault(code, what).shown()])
            log().warning("file_incomplete", party=self.party, file=mark[:DIGEST_SHOWN], reason=code)

    def _seen(self, digest: str, name: str, rule: FileRule | None, state: str, reason: str, survey: Survey) -> FileSeen:
        at = self.door.clock().isoformat()
        shown = _STRANGE.sub("_", name)[:120]
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
        summary: dict[str, Any] = {"receipt": _RECEIPT.format(digest[:24]), "state": state}
        summary |= {"reason": reason} if reason else {}
        summary |= {"kind": rule.name, "shape": rule.shape} if rule else {}
        summary |= {"seen_before": True} if again else {}
        write_summary(self._out, stem, summary | (asdict(counts) if counts else {}))

    def _count(self, outcome: str) -> None:
        metrics().count("hub_files_total", party=self.party, outcome=outcome)


def ledger_path(root: Path, party: str) -> Path:
    """Where the ledger of a party lies."""
    return root / PRIVATE / f"{party}.sqlite"


def stem_of(name: str, digest: str) -> str:
    """Name of an answer: the partner's file name, made plain, and the beginning of the content's digest."""
    return f"{_STRANGE.sub('_', name)[:120].lstrip('.') or 'file'}.{digest[:8]}"


def copy(path: Path, target: Path, bytes_max: int) -> str:
    """A private copy; its sha256 in hex. FileFault for a link, a pipe, or more than ``bytes_max``."""
    digest, size = hashlib.sha256(), 0
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileFault("not_a_file") from error
    with os.fdopen(handle, "rb") as source:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileFault("not_a_file")
        private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "wb") as sink:
            while block := source.read(COPY_BYTES):
                size += len(block)
                if size > bytes_max:
                    raise FileFault("too_big")
                digest.update(block)
                sink.write(block)
    return digest.hexdigest()


def _signature(path: Path) -> Signature | None:
    """What changes when a file does; None if it has gone or is a folder."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return None if stat.S_ISDIR(found.st_mode) else (found.st_ino, found.st_size, found.st_mtime_ns)
