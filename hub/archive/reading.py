"""The archive, read: records as they stood on the log, decisions as leaves, and the proof of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.archive.containers import about_of, ends, read_container
from spine.journal import DecisionRow
from spine.keystore import Keys
from spine.ledger.checkpoint import SignedCheckpoint
from spine.ledger.leaves import moment, row_of
from spine.ledger.operations import TREE as OPERATIONS
from spine.ledger.operations import Operation
from spine.ledger.tree import Tree, leaf_hash
from spine.log import Place
from spine.record import Record
from spine.schema import Catalogue


class NotArchived(LookupError):
    """What was asked for is not, or not yet, in the archive; the text names it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf stands in a tree: ``path`` leads from ``leaf_hash`` to the root in ``note``, a signed checkpoint."""

    tree: str
    number: int
    leaf_hash: bytes
    size: int
    path: tuple[bytes, ...]
    note: str


@dataclass(slots=True)
class Archive:
    """The write-once folder. Reads what is there; whether it is unaltered, ``hub verify`` says."""

    folder: Path
    _trees: dict[str, Tree] = field(default_factory=dict)

    def files(self, kind: str, name: str = "") -> list[tuple[int, int, Path]]:
        """(first, last, path) of the containers of a kind (``segments``, ``decisions``, ``operations``), in order."""
        found = []
        for path in (self.folder / kind).glob(f"{name}-*.avro" if name else "*.avro"):
            try:
                stem, first, last = _ends(path, kind)
            except ValueError:
                continue
            if stem == name:
                found.append((first, last, path))
        return sorted(found)

    def services(self) -> list[str]:
        """Services of which there are decisions."""
        return sorted({ends(path)[0] for path in (self.folder / "decisions").glob("*-*-*.avro")})

    def records(self, topic: str, partition: int, first: int, last: int) -> Iterator[Record]:
        """The records at offsets ``first`` to ``last``, both included. Raises NotArchived at the first that is not."""
        wanted = first
        for begin, end, path in self.files("segments", f"{topic}-{partition}"):
            if end < wanted or begin > last:
                continue
            for row in read_container(path):
                if wanted <= row["offset"] <= last:
                    if row["offset"] != wanted:
                        break
                    headers = tuple((header["name"], header["value"]) for header in row["headers"])
                    yield Record(topic, partition, row["offset"], row["key"], row["value"], headers)
                    wanted += 1
        if wanted <= last:
            raise NotArchived(f"{topic}/{partition}@{wanted} is not in the archive")

    def last_offset(self, topic: str, partition: int) -> int | None:
        """Offset of the last record archived."""
        found = self.files("segments", f"{topic}-{partition}")
        return found[-1][1] if found else None

    def places(self, service: str) -> list[Place]:
        """Places at which the service decided, in order."""
        return sorted({(t, p) for _, _, path in self.files("decisions", service) for t, p, *_ in about_of(path)})

    def decisions(self, service: str, place: Place) -> Iterator[tuple[int, DecisionRow, datetime]]:
        """(leaf number, row, time of recording) of a place, in order of offset."""
        for _, _, path in self.files("decisions", service):
            if any((t, p) == place for t, p, *_ in about_of(path)):
                for held in read_container(path):
                    row = decision_of(held)
                    if (row.topic, row.partition) == place:
                        yield held["leaf"], row, moment(held["recorded_us"])

    def operations(self) -> Iterator[Operation]:
        """Every operation archived, in order."""
        for _, _, path in self.files("operations"):
            for row in read_container(path):
                yield operation_of(row)

    def catalogue(self, keys: Keys | None = None) -> Catalogue:
        """Every schema under which an archived record was written, by its id on the wire. Raises NotArchived."""
        try:
            held: dict[str, Any] = json.loads((self.folder / "schemas.json").read_text())
        except FileNotFoundError as error:
            raise NotArchived("schemas.json is not in the archive") from error
        catalogue = Catalogue([], keys)
        for one in held.values():
            catalogue.add(one["kind"], one["schema"])
            if one.get("partner"):
                catalogue.add_parts(one["kind"], one["schema"])
        ids = {one["kind"]: int(number) for number, one in sorted(held.items(), key=lambda item: int(item[0]))}
        catalogue.use_ids(ids, {int(number): one["kind"] for number, one in held.items()})
        return catalogue

    def checkpoints(self, tree: str) -> list[tuple[int, Path]]:
        """(size, note) of a tree's checkpoints, the smallest first."""
        found = []
        for path in (self.folder / "checkpoints").glob(f"{tree}-*.note"):
            name, _, size = path.name.removesuffix(".note").rpartition("-")
            if name == tree and size.isdigit():
                found.append((int(size), path))
        return sorted(found)

    def tree(self, name: str) -> Tree:
        """A service's tree, or ``operations``: as the archived leaf hashes have it. Read once, and kept."""
        if name not in self._trees:
            tree = Tree()
            if name == OPERATIONS:
                tree.add(leaf_hash(operation.leaf) for operation in self.operations())
            else:
                for _, _, path in self.files("decisions", name):
                    tree.add(row["leaf_hash"] for row in read_container(path))
            self._trees[name] = tree
        return self._trees[name]

    def proof(self, service: str, leaf_number: int) -> Proof:
        """Inclusion of a leaf under the newest checkpoint that the archive holds. Raises NotArchived."""
        tree = self.tree(service)
        sizes = [(size, path) for size, path in self.checkpoints(service) if leaf_number < size <= tree.size]
        if leaf_number < 0 or not sizes:
            raise NotArchived(f"leaf {leaf_number} of {service} stands under no archived checkpoint")
        size, path = sizes[-1]
        note = SignedCheckpoint.parse(path.read_text())
        return Proof(service, leaf_number, tree.leaf(leaf_number), size, tree.inclusion(leaf_number, size), note.text)


def decision_of(held: dict[str, Any]) -> DecisionRow:
    """Of an archived row."""
    return row_of(held["row"], held["link"])


def operation_of(row: dict[str, Any]) -> Operation:
    return Operation(row["leaf"], row["kind"], json.loads(row["about"]), moment(row["at_us"]))


def _ends(path: Path, kind: str) -> tuple[str, int, int]:
    if kind == OPERATIONS:
        first, last = path.name.removesuffix(".avro").split("-")
        return "", int(first), int(last)
    return ends(path)
