"""The shell of matching: an index in memory per partition, kept warm; rows in the journal are its truth.

Another worker may have owned the partition in between. A version row, written with every change, shows it: if the
version on file is not the one in memory, the index is built anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ruamel.yaml import YAML

from services.matching.aliases import read_aliases
from services.matching.compare import NameComparer
from services.matching.decide import decide
from services.matching.erasure import ERASED, Erasing, erase, erasing
from services.matching.index import Index
from services.matching.model import read_model
from services.matching.reading import Reader, codec_of
from services.matching.register import Register
from services.matching.rows import ERASED as ERASED_ROW
from services.matching.rows import STORED, Codec, Ledger, erased_key, keys_in, population_of
from services.matching.search import WEIGHABLE, WEIGHED, Matcher
from spine import build
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Effect, Fact
from spine.schema import Catalogue
from spine.step import SEALED, Processor

_ROOT = Path(__file__).resolve().parents[2]
_SHIPPED, _KEPT = _ROOT / "models" / "2026-11-27-weights.json", _ROOT / build.GIVEN_MODEL
#: HUB_MODEL names another model file; a kept build brings the one with it that it was given.
MODEL = Path(os.environ.get("HUB_MODEL") or (_KEPT if _KEPT.exists() else _SHIPPED))
ALIASES = Path(__file__).resolve().parent / "aliases.txt"
#: The rules of reading and comparing: another text of theirs may decide otherwise, so it is another setting.
RULES = (
    *("normalise", "contact", "identifiers", "identity", "aliases", "blocking"),
    *("compare", "rules", "weigh", "search", "decide"),
)
OBSERVATION = "observation.v1"
#: Rows whose keys are fetched in one journey while an index is built.
LOADED_AT_ONCE = 1000


@dataclass(slots=True)
class _Partition:
    """What is known of one place: its populations and the version of the rows that they were built from."""

    version: int
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    #: References of keys destroyed by order; and those of the batch at work.
    erased: set[str] = field(default_factory=set)
    erasing: set[str] = field(default_factory=set)
    written_version: int | None = None

    def ledger(self, population: str, codec: Codec) -> Ledger:
        if population not in self.ledgers:
            self.ledgers[population] = Ledger(Index(population), codec)
        return self.ledgers[population]


@dataclass(slots=True)
class MatchingProcessor:
    """A ``spine.step.Processor``. Not for several threads."""

    build: str
    settings: str
    matcher: Matcher
    codec: Codec
    reader: Reader
    service: str = "matching"
    topic: str = "observations"
    _partitions: dict[Place, _Partition] = field(default_factory=dict)
    _open: list[Place] = field(default_factory=list)
    _transaction: Transaction | None = None

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        del facts
        if transaction is not self._transaction:
            # A new step: what the one before wrote was committed, or ``discard`` would have been called.
            self._settled()
            self._transaction = transaction
        self._open.append(place)
        on_file = int(transaction.load([_version_key(place)]).get(_version_key(place), b"0"))
        held = self._partitions.get(place)
        if held is None or held.version != on_file:
            self._partitions[place] = self._build(place, on_file, transaction)

    def apply(self, fact: Fact) -> Decided:
        partition = self._partitions[self._open[-1]]
        if fact.kind == ERASED:
            return self._erase(partition, erasing(fact.fields))
        if fact.kind != OBSERVATION:
            return Decided(note="nothing_to_match")
        if fact.fields["sealed_under"] in partition.erased | partition.erasing:
            # Accepted before the order reached the gate, or opened with a key that this process still remembers.
            return Decided(note=SEALED)
        matter = self.reader.matter(fact.fields)
        if matter is None:
            return Decided(note="about_nobody")
        ledger = partition.ledger(self.reader.population(fact.fields), self.codec)
        effects = decide(self.matcher, ledger, self._stored, matter)
        before, after = ledger.settle()
        return Decided(tuple(effects), before, after, "" if effects else "nothing_to_do")

    def _erase(self, partition: _Partition, order: Erasing) -> Decided:
        effects: list[Effect] = []
        before, after = hashlib.sha256(), hashlib.sha256()
        for _, ledger in sorted(partition.ledgers.items()):
            effects += erase(ledger, order)
            was, now = ledger.settle()
            before.update(was)
            after.update(now)
        refs = {ref for effect in effects if effect.topic == "attributions" for ref in effect.fields.get("refs", ())}
        partition.erasing |= refs | set(order.refs)
        return Decided(tuple(effects), before.digest(), after.digest(), "" if effects else "about_nobody")

    def changes(self) -> Changes:
        changes = Changes()
        place = self._open[-1]
        partition = self._partitions.get(place)
        if partition is None:
            return changes
        for ledger in partition.ledgers.values():
            for key, body in ledger.latest.items():
                if body is not None:
                    changes.states[key] = (body, None)
                elif ledger.before[key] is not None:
                    changes.deleted.add(key)
            for key, stored in ledger.stored.items():
                if key not in ledger.dropped:
                    changes.states[key] = (stored, None)
            changes.deleted |= ledger.dropped
        changes.states |= {erased_key(place, ref): (b"", None) for ref in sorted(partition.erasing)}
        if changes.states or changes.deleted:
            partition.written_version = partition.version + 1
            changes.states[_version_key(place)] = (str(partition.written_version).encode(), None)
        return changes

    def discard(self) -> None:
        for place in self._open:
            partition = self._partitions.get(place)
            if partition is not None:
                partition.written_version = None
                partition.erasing = set()
                for ledger in partition.ledgers.values():
                    ledger.undo()

    def forget(self, place: Place) -> None:
        """Another owner worked at ``place``: build its index anew when it returns."""
        self._partitions.pop(place, None)

    def _settled(self) -> None:
        for place in self._open:
            partition = self._partitions.get(place)
            if partition is None:
                continue
            if partition.written_version is not None:
                partition.version, partition.written_version = partition.written_version, None
            partition.erased |= partition.erasing
            partition.erasing = set()
            for ledger in partition.ledgers.values():
                ledger.forget()
        self._open = []

    def _build(self, place: Place, version: int, transaction: Transaction) -> _Partition:
        partition = _Partition(version)
        rows = iter(transaction.load_partition(place, before=STORED))
        while chunk := list(islice(rows, LOADED_AT_ONCE)):
            self.reader.catalogue.keys.ready({ref for key, body in chunk if key[0] == "p" for ref in keys_in(body)})
            for key, body in chunk:
                if key[0] == ERASED_ROW:
                    partition.erased.add(key.split(":", 2)[2])
                if key[0] in "lprx":
                    partition.ledger(population_of(key), self.codec).load(key, body)
        return partition

    def _stored(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        assert self._transaction is not None
        return self._transaction.load(keys)


def _version_key(place: Place) -> str:
    return f"v:{place[0]}:{place[1]}"


def matcher_of(contracts: Path, model: Path = MODEL) -> tuple[Matcher, str]:
    """The matcher, and the hash of all that it was set with. Raises ValueError for a model that decides alone."""
    matcher, settings = _set(contracts, model)
    if matcher.model.register is not None:
        raise ValueError(
            f"{model.name} decides a register alone, but POLICY 4.2 and 4.3 bind here: guards bar, readers decide "
            "what is near. Such a model is for `hub matching register` only"
        )
    return matcher, settings


def register_of(contracts: Path, model: Path) -> tuple[Register, str]:
    """A register to be filled, and the hash of all that it was set with. Raises ValueError for a model of the hub."""
    matcher, settings = _set(contracts, model)
    if matcher.model.register is None:
        raise ValueError(f"{model.name} has no section `register`: it is for the hub, where rules and readers decide")
    return Register(matcher, matcher.model.register), settings


def _set(contracts: Path, model: Path) -> tuple[Matcher, str]:
    aliases, weights = ALIASES.read_text("utf-8"), model.read_text("utf-8")
    policy = contracts / "policy" / "policy.yaml"
    identity = YAML(typ="safe", pure=False).load(policy)["identity"]
    urgent = frozenset(identity["safeguarding_types"])
    weighed = _weighed(identity.get("weighed"))
    asks = _asks_given(identity.get("another_given_name", "ask"))
    matcher = Matcher(NameComparer(read_aliases(aliases.splitlines())), read_model(weights), urgent, weighed, asks)
    settings = (*sorted(urgent), "weighed", *sorted(weighed), "asks" if asks else "links")
    return matcher, settings_hash(aliases, weights, *rules_texts(), *settings)


def _asks_given(setting: str) -> bool:
    """Raises ValueError."""
    if setting not in ("ask", "link"):
        raise ValueError(f"policy.yaml, identity.another_given_name: {setting}: write ask or link")
    return setting == "ask"


def _weighed(named: Sequence[str] | None) -> frozenset[str]:
    """Raises ValueError."""
    if named is None:
        return WEIGHED
    unknown = [str(rule) for rule in named if rule not in WEIGHABLE]
    if unknown:
        allowed = ", ".join(sorted(WEIGHABLE))
        raise ValueError(f"policy.yaml, identity.weighed: {', '.join(unknown)}: a weight may decide {allowed} only")
    return frozenset(named)


def rules_texts() -> list[str]:
    return [(ALIASES.parent / f"{name}.py").read_text("utf-8") for name in RULES]


def settings_hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def build_name() -> str:
    """Name of the running build, as decisions record it."""
    return build.name("matching")


def processor(catalogue: Catalogue, contracts: Path) -> Processor:
    """Matching as the spine runs it."""
    matcher, settings = matcher_of(contracts)
    codec, read_subject = codec_of(catalogue)
    return MatchingProcessor(build_name(), settings, matcher, codec, Reader.of(catalogue, read_subject))
