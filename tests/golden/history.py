"""Golden histories: what a service decided on recorded inputs, kept as text, so that a change of behaviour is a diff.

For each story and service there are two files. ``*.inputs.jsonl`` holds the service's input as it stood on the log:
``[kind, key, Avro body in base64]`` for a fact, ``[first day, last day]`` for ticks day by day. ``*.decisions.txt``
holds what was decided under the policy of this checkout, a block for each decision that did anything:

    #12 2025-11-20 attribution.v1 contact.failed
      note: ...
      state: digest of all that the decision changed in the state
      1: status.v1 to statuses under p-...
      1 cause: observed

An effect's fields are written where they differ from the effect before it about the same matter, ``-`` where they are
gone: a history is read as what happened. Left out is what any change of code or contract changes: the build, the hash
of the sharing policy, and until when the rules have nothing to say. Bytes are shown as a digest.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from hub.sharing import ensure_built
from spine.canonical import canonical
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.record import Effect, Fact, Record
from spine.schema import Catalogue
from spine.step import TICK, Limits, Processor, SetAside, encode_effects, forget, step

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
#: Drop-out, an EHC plan, consent and its masks, a held safeguarding record, twins.
STORIES = ("S01", "S05", "S07", "S09", "S23")
SERVICES = ("matching", "status", "alerts")
_LIMITS = Limits(set_aside_in_a_row_max=10**9, set_aside_percent_max=100)
_DIGITS = 12
#: Whole facts that are passed on: one digest for all of it.
_PASSED_ON = "observation"
_HASH = re.compile(r"[0-9a-f]{64}")

#: Path of a field -> what it is, as text.
Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """One decision that did anything. ``number``: its offset on the topic."""

    number: int
    head: str
    lines: Mapping[str, str]

    def text(self) -> str:
        return "\n".join([f"#{self.number} {self.head}", *(f"  {name}: {value}" for name, value in self.lines.items())])


def files(story: str, service: str) -> tuple[Path, Path]:
    """Inputs and decisions."""
    return FOLDER / f"{story}.{service}.inputs.jsonl", FOLDER / f"{story}.{service}.decisions.txt"


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    return Catalogue([SCHEMAS], MemoryKeys())


@lru_cache(maxsize=len(SERVICES))
def _processor(service: str, contracts: Path) -> Processor:
    ensure_built(contracts)
    made: Processor = importlib.import_module(f"services.{service}.agent").processor(catalogue(), contracts)
    return made


def decided(service: str, inputs: Iterable[str], contracts: Path = CONTRACTS) -> list[Block]:
    """What the service of this checkout decides on recorded inputs (lines of an inputs file)."""
    known, processor = catalogue(), _processor(service, contracts)
    # One processor for all histories: what it remembers of another one's place is not of this one's.
    forget(processor, (processor.topic, 0))
    journal, aside, told = MemoryJournal(), SetAside(_LIMITS), _Told(service)
    found: list[Block] = []
    for record, fact in _records(inputs, processor.topic, known):
        step([record], processor, journal, known, aside)
        (row,) = journal.store.decisions
        effects = [
            (out.topic, out.key, known.open_fact(Fact(out.kind, out.event_id, known.decode(out.kind, out.body))))
            for out in journal.store.outbox.values()
        ]
        journal.store.decisions.clear()
        journal.store.outbox.clear()
        states = {key: body for key, (_, body, _) in journal.store.states.items()}
        lines = told.lines(row.note, states, effects)
        if lines:
            found.append(Block(record.offset, told.head(fact), lines))
    return found


def _records(inputs: Iterable[str], topic: str, known: Catalogue) -> Iterator[tuple[Record, Fact]]:
    offset = 0
    for line in inputs:
        given = json.loads(line)
        for kind, key, body in _facts(given, topic, known) if len(given) == 2 else [_fact(given)]:
            record = Record(topic, 0, offset, key, known.frame(kind, body))
            yield record, known.fact(record)
            offset += 1


def _fact(given: Sequence[str]) -> tuple[str, str, bytes]:
    kind, key, body = given
    return kind, key, base64.b64decode(body)


def _facts(given: Sequence[str], topic: str, known: Catalogue) -> Iterator[tuple[str, str, bytes]]:
    day, last = (date.fromisoformat(text) for text in given)
    while day <= last:
        (out,) = encode_effects("ticker", f"tick-{topic}-0-{day}", [Effect(topic, "", TICK, {"on": day})], known)
        yield TICK, "", out.body
        day += timedelta(days=1)


@dataclass(slots=True)
class _Told:
    """What a history has told by now."""

    service: str
    day: str = ""
    states: dict[str, str] = field(default_factory=dict)
    effects: dict[tuple[str, ...], Fields] = field(default_factory=dict)

    def head(self, fact: Fact) -> str:
        if fact.kind == TICK:
            self.day = str(fact.fields["on"])
            return f"{self.day} tick"
        observation = fact.fields.get(_PASSED_ON) or fact.fields
        words = (self.day, fact.kind, fact.fields.get("act") or fact.fields.get("cause"), observation.get("type"))
        return " ".join(word for word in words if word)

    def lines(self, note: str, states: Mapping[str, bytes], effects: Sequence[tuple[str, str, Fact]]) -> dict[str, str]:
        found: dict[str, str] = {}
        now = {key: _digest(_without_cache(self.service, body)) for key, body in states.items()}
        changed = {key: now.get(key) for key in now.keys() | self.states.keys() if now.get(key) != self.states.get(key)}
        self.states = now
        if changed:
            found["state"] = _digest(canonical(changed))
        for number, (topic, key, fact) in enumerate(effects, 1):
            fields = dict(_flat("", fact.fields))
            matter = (fact.kind, key, fields.get("alert_id", ""))
            before = self.effects.get(matter, {})
            self.effects[matter] = fields
            found[str(number)] = f"{fact.kind} to {topic} under {key}"
            new = {name: value for name, value in fields.items() if before.get(name) != value}
            gone = dict.fromkeys(before.keys() - fields.keys(), "-")
            found |= {f"{number} {name}": value for name, value in sorted((new | gone).items())}
        # A note alone is what most ticks and ignored facts leave.
        return {"note": note, **found} if note else found


def _without_cache(service: str, body: bytes) -> bytes:
    """A state of alerts remembers under which build and numbers its rules have nothing to say."""
    if service != "alerts" or not body.startswith(b"{"):
        return body
    read = orjson.loads(body)
    read.pop("settled", None)
    return orjson.dumps(read)


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Leaves of a value by their paths."""
    name = path.rpartition(".")[2]
    if name in ("event_id", "policy") and (name == "event_id" or _HASH.fullmatch(str(value))):
        return
    if isinstance(value, Mapping) and name != _PASSED_ON:
        for inner in value:
            yield from _flat(f"{path}.{inner}" if path else inner, value[inner])
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(f"{path}.{number}", inner)
    elif isinstance(value, Mapping):
        yield path, _digest(canonical({key: part for key, part in value.items() if key != "policy"}))
    elif isinstance(value, bytes):
        yield path, _digest(value)
    else:
        yield path, json.dumps(value, ensure_ascii=False, default=str)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_DIGITS]


def written(blocks: Iterable[Block]) -> str:
    return "".join(f"{block.text()}\n" for block in blocks)


def read(text: str) -> list[Block]:
    """``written`` backwards."""
    found: list[Block] = []
    lines: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            number, _, head = line[1:].partition(" ")
            lines = {}
            found.append(Block(int(number), head, lines))
        else:
            name, _, value = line.strip().partition(": ")
            lines[name] = value
    return found


def first_difference(was: Sequence[Block], now: Sequence[Block]) -> str:
    """The first decision that is not as it was, field by field; empty where all are."""
    by_number = [{block.number: block for block in blocks} for blocks in (was, now)]
    for number in sorted(by_number[0].keys() | by_number[1].keys()):
        old, new = (blocks.get(number) for blocks in by_number)
        if old is not None and new is not None and (old.head, old.lines) == (new.head, new.lines):
            continue
        if old is None or new is None:
            one = old or new
            assert one is not None
            what = "did something, and does nothing now" if new is None else "did nothing, and does something now"
            return f"decision #{number} ({one.head}) {what}:\n{one.text()}"
        names = [*old.lines, *(name for name in new.lines if name not in old.lines)]
        told = [
            f"  {name}: was {old.lines.get(name, 'not there')}, is {new.lines.get(name, 'not there')}"
            for name in names
            if old.lines.get(name) != new.lines.get(name)
        ]
        return "\n".join([f"decision #{number} ({old.head}) is another one:", *told])
    return ""
