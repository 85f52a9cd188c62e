"""The child of a replay: decides recorded records again, in a process that can reach nothing.

``python -m services.<name> replay`` reads frames from its parent and answers each: what to decide under, batches of
records, keys that it asked for. It opens no file but its own code and the contracts, and no connection: an audit hook
refuses both, besides the namespace without interfaces in which the parent starts it. Nothing that it decides goes
anywhere but back through the pipe, as rows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from spine.errors import SpineError
from spine.journal import MemoryJournal
from spine.keystore import Erased
from spine.ledger.leaves import body_of
from spine.record import Decided, Effect, Fact, Record
from spine.schema import Catalogue
from spine.seal import DATA_KEY_BYTES, FieldSealer, sealers
from spine.step import Limits, Processor, SetAside, encode_effects, step

#: Frames of the parent: how to begin, a batch of records, keys, a journal to go on from, effects under other numbers,
#: the end.
BEGIN, BATCH, KEYS, JOURNAL, SHIFT, END = b"B", b"R", b"K", b"J", b"S", b"E"
#: Frames of the child: ready, rows of a batch, keys wanted, its journal, hashes of effects, why it can't go on.
READY, ROWS, WANTED, KEPT, HASHES, FAILED = b"b", b"r", b"k", b"j", b"h", b"f"
#: The form of the frames: a kept build that speaks another one is not understood.
SPEAKS = 2
_HEAD = struct.Struct(">cI")
_LOOSE = Limits(set_aside_in_a_row_max=10**9, set_aside_percent_max=100)
#: What the guard refuses: whatever leaves the process.
_REFUSED = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "smtplib.", "urllib.", "ctypes."),
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.utime", "shutil."),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(RuntimeError):
    """A replay tried to leave its process."""


class Pipe:
    """Frames over a pair of streams."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self._sink.write(_HEAD.pack(kind, len(body)) + body)
        self._sink.flush()

    def receive(self) -> tuple[bytes, bytes]:
        """Raises EOFError where the other side has gone."""
        kind, length = _HEAD.unpack(self._exactly(_HEAD.size))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        body = self._source.read(count)
        if len(body) < count:
            raise EOFError("the other side of a replay has gone")
        return body


class PipedKeys:
    """Keys that the parent hands over one by one. What it has none of gets one that nobody else has."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._keys: dict[str, bytes | None] = {}
        self._sealers = sealers()

    def ready(self, refs: Iterable[str]) -> None:
        wanted = sorted({ref for ref in refs if ref not in self._keys})
        if wanted:
            self._keys.update(self.handed(wanted))

    def handed(self, refs: Sequence[str]) -> Mapping[str, bytes | None]:
        """Keys as the parent has them, of whatever kind; None for one that was destroyed, nothing for one unknown."""
        self._pipe.send(WANTED, orjson.dumps(refs))
        kind, body = self._pipe.receive()
        assert kind == KEYS
        # The parent is trusted with everything; it never reads a pickle of its child.
        found: Mapping[str, bytes | None] = pickle.loads(body)
        return found

    def make(self, refs: Iterable[str]) -> None:
        asked = set(refs)
        self.ready(asked)
        for ref in asked - self._keys.keys():
            self._keys[ref] = hmac.new(b"replay", ref.encode(), hashlib.sha512).digest()[:DATA_KEY_BYTES]

    def key(self, ref: str) -> FieldSealer:
        if ref not in self._keys:
            self.make([ref])
        held = self._keys[ref]
        if held is None:
            raise Erased(ref)
        return self._sealers(held)

    def destroy(self, refs: Iterable[str]) -> int:
        raise Refused("a replay destroys nothing")


class Telling:
    """A processor that is listened to while it decides a batch.

    ``told``: named fields of effects, for whoever compares. ``spread``: what was decided on facts that went to many
    keys, by event id.
    """

    def __init__(self, inner: Processor, named: Mapping[str, Sequence[str]]) -> None:
        self._inner, self._named = inner, named
        self.service, self.topic, self.build = inner.service, inner.topic, inner.build
        self.begin, self.changes, self.discard = inner.begin, inner.changes, inner.discard
        self.told: dict[str, list[list[Any]]] = {}
        self.spread: dict[str, Decided] = {}

    def __getattr__(self, name: str) -> Any:
        """The settings, which move."""
        return getattr(self._inner, name)

    def apply(self, fact: Fact) -> Decided:
        decided = self._inner.apply(fact)
        if decided.reached:
            self.spread[fact.event_id] = decided
        if self._named:
            named = [effect for effect in decided.effects if effect.kind in self._named]
            self.told[fact.event_id] = [_part(effect, self._named[effect.kind]) for effect in named]
        return decided

    def silent(self) -> None:
        self.told, self.spread = {}, {}


def _part(effect: Effect, names: Sequence[str]) -> list[Any]:
    return [effect.kind, *(_plain(effect.fields.get(name)) for name in names)]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def guard() -> None:
    """Refuse, from here on and for good, everything that reaches out of this process, and every write to a file."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise Refused(f"a replay can reach nothing: {event}")
        if event == "open" and isinstance(given[2], int) and given[2] & _WRITES:
            raise Refused("a replay writes nothing")

    sys.addaudithook(hook)


def serve(factory: Callable[[Catalogue, Path], Processor]) -> int:
    """Be the child: all of ``python -m services.<name> replay``. Exit code 0; 1 where the parent has gone."""
    pipe = Pipe(sys.stdin.buffer, sys.stdout.buffer)
    # What there was to log was logged when it was decided.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Whatever is printed by mistake must not be taken for a frame.
    sys.stdout = sys.stderr
    try:
        kind, body = pipe.receive()
        assert kind == BEGIN
        return _Child(pipe, factory, json.loads(body)).run()
    except EOFError:
        return 1


class _Child:
    def __init__(self, pipe: Pipe, factory: Callable[[Catalogue, Path], Processor], given: Mapping[str, Any]) -> None:
        self._pipe = pipe
        self._catalogue = Catalogue([Path(folder) for folder in given["schemas"]], PipedKeys(pipe))
        if given["ids"]:
            self._catalogue.use_ids(given["ids"])
        processor = factory(self._catalogue, Path(given["contracts"]))
        self._telling = Telling(processor, given["tell"])
        self._journal, self._aside = MemoryJournal(), SetAside(_LOOSE)
        guard()
        said = {"build": processor.build, "settings": processor.settings, "speaks": SPEAKS}
        pipe.send(READY, orjson.dumps(said))

    def run(self) -> int:
        while True:
            kind, body = self._pipe.receive()
            if kind == END:
                return 0
            try:
                if kind == JOURNAL and body:
                    self._journal.store = pickle.loads(body)
                    self._aside = SetAside(_LOOSE)
                elif kind == JOURNAL:
                    self._pipe.send(KEPT, pickle.dumps(self._journal.store))
                elif kind == SHIFT:
                    self._pipe.send(HASHES, orjson.dumps(self._hashes(*orjson.loads(body))))
                else:
                    self._pipe.send(ROWS, self._rows(pickle.loads(body)))
            except SpineError as error:
                self._pipe.send(FAILED, f"{type(error).__name__}: {error}".encode())

    def _rows(self, batch: Sequence[tuple[Any, ...]]) -> bytes:
        """A line for each row: its canonical body, and behind a tab what else is to be said of it, if anything."""
        records = [Record(*one) for one in batch]
        before = len(self._journal.store.decisions)
        self._telling.silent()
        try:
            step(records, self._telling, self._journal, self._catalogue, self._aside)
        except SpineError:
            raise
        except Exception:
            # As the host does it: one by one, so that what breaks is set aside by itself.
            self._telling.silent()
            for record in records:
                step([record], self._telling, self._journal, self._catalogue, self._aside, isolate=True)
        made = self._journal.store.decisions[before:]
        self._journal.store.decisions.clear()
        self._journal.store.outbox.clear()
        return b"\n".join(body_of(row) + self._besides(row.event_id) for row in made)

    def _besides(self, event_id: str) -> bytes:
        spread = self._telling.spread.get(event_id)
        told = self._telling.told.get(event_id)
        if not told and spread is None:
            return b""
        return b"\t" + orjson.dumps([told or [], [] if spread is None else spread.reached])

    def _hashes(self, event_id: str, shift: int) -> list[str | None]:
        """What the effects of a fact that went to many keys would be hashed as, did each stand ``shift`` places later:
        an effect's number is part of it. None for one that can't be sealed any more."""
        effects = self._telling.spread[event_id].effects
        made: list[str | None] = []
        for number, effect in enumerate(effects, shift):
            sent = encode_effects(self._telling.service, event_id, [effect], self._catalogue, number)
            made.append(hashlib.sha256(sent[0].body).hexdigest() if sent else None)
        return made
