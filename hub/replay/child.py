"""A service's replay as a process: what it decides on records, without a network, under a given hash seed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from hub.layout import ROOT
from spine.ledger.leaves import FIELDS
from spine.record import Record
from spine.replay import (
    BATCH,
    BEGIN,
    END,
    FAILED,
    HASHES,
    JOURNAL,
    KEPT,
    KEYS,
    READY,
    ROWS,
    SHIFT,
    SPEAKS,
    WANTED,
    Pipe,
)

#: Keys of references, as ``PostgresKeys.data_keys`` gives them.
KeysOf = Callable[[Iterable[str]], Mapping[str, bytes | None]]
#: Kind of effect -> fields that are told of it.
Tell = Mapping[str, Sequence[str]]
RECORDS_AT_ONCE = 500
OFFSET = FIELDS.index("offset")


class ReplayFailed(RuntimeError):
    """The child could not go on; the text says why."""


@lru_cache(maxsize=1)
def walled() -> bool:
    """Whether this machine gives a process a network namespace of its own, without interfaces."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Code:
    """What decides: a service's sources under ``root``, and the contracts and schemas that it reads."""

    service: str
    root: Path
    contracts: Path
    schemas: tuple[Path, ...]
    ids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A decision as made now: its row's canonical body (``spine.ledger.leaves``).

    ``told``: what was asked to be told of its effects. ``reached``: of a fact that went to many keys, each key in order
    and how many of the effects are its.
    """

    body: bytes
    told: Sequence[Sequence[Any]] = ()
    reached: Sequence[tuple[str, int]] = ()


class NoReplay(ReplayFailed):
    """The code can't be run as a child at all: a build from before its service could be replayed."""


class Child:
    """One process of ``python -m services.<name> replay``. Use as a context."""

    def __init__(self, code: Code, keys: KeysOf, *, seed: int = 0, tell: Tell | None = None) -> None:
        self._keys = keys
        command = [sys.executable, "-m", f"services.{code.service}", "replay"]
        walls = ["unshare", "-Urn"] if walled() else []
        environment = {
            # Nothing of this process's environment: an address or a password would be one too many.
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(code.root),
            "PYTHONHASHSEED": str(seed),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if os.environ.get("HUB_BUILD") and code.root == ROOT:
            environment["HUB_BUILD"] = os.environ["HUB_BUILD"]
        self._process = subprocess.Popen(
            [*walls, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=code.root, env=environment
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pipe = Pipe(self._process.stdout, self._process.stdin)
        given = {
            "contracts": str(code.contracts),
            "schemas": [str(folder) for folder in code.schemas],
            "ids": dict(code.ids),
            "tell": dict(tell or {}),
        }
        try:
            said = orjson.loads(self._asked(BEGIN, json.dumps(given).encode(), READY))
        except ReplayFailed as failed:
            self.close()
            raise NoReplay(str(failed)) from failed
        self.build, self.settings = str(said["build"]), str(said["settings"])
        if said.get("speaks") != SPEAKS:
            self.close()
            raise ReplayFailed(f"build {self.build} speaks another form of frames: replay with the hub of its time")

    def decide(self, records: Sequence[Record]) -> list[Made | None]:
        """The decision on each record of one place, in order; None where none was made. Raises ReplayFailed."""
        batch = [(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for r in records]
        said = self._asked(BATCH, pickle.dumps(batch), ROWS)
        made = [_made(line) for line in said.split(b"\n")] if said else []
        if len(made) == len(records):
            return list(made)
        by_offset = {orjson.loads(one.body)[OFFSET]: one for one in made}
        return [by_offset.get(record.offset) for record in records]

    def hashes(self, event_id: str, shift: int) -> list[str | None]:
        """Of the effects of a fact of the last batch that went to many keys, if each had a number higher by ``shift``.
        None for one whose key is gone."""
        found = orjson.loads(self._asked(SHIFT, orjson.dumps([event_id, shift]), HASHES))
        assert isinstance(found, list)
        return found

    def journal(self) -> bytes:
        """What the child remembers, for another build to go on from. Opaque here."""
        return self._asked(JOURNAL, b"", KEPT)

    def take(self, journal: bytes) -> None:
        """Go on from what another build remembered."""
        self._pipe.send(JOURNAL, journal)

    def close(self) -> None:
        try:
            self._pipe.send(END)
        except (BrokenPipeError, ValueError):
            pass
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            # What the child did not read any more is flushed once more here.
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *gone: object) -> None:
        self.close()

    def _asked(self, kind: bytes, body: bytes, expected: bytes) -> bytes:
        try:
            self._pipe.send(kind, body)
            while True:
                answer, said = self._pipe.receive()
                if answer == WANTED:
                    self._pipe.send(KEYS, pickle.dumps(dict(self._keys(orjson.loads(said)))))
                elif answer == FAILED:
                    raise ReplayFailed(said.decode())
                else:
                    assert answer == expected
                    return said
        except (EOFError, BrokenPipeError) as error:
            raise ReplayFailed("the process of the replay ended; its words stand above") from error


def _made(line: bytes) -> Made:
    body, tab, besides = line.partition(b"\t")
    return Made(body, *orjson.loads(besides)) if tab else Made(body)
