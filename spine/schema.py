"""Avro schemas by name, the Confluent framing, and the typed door between bytes and facts.

A catalogue is read from a folder of ``*.avsc`` files; a schema's *kind* is its file name without ``.avsc``
(``observation.v1``). On the wire a value is ``0x00`` + int32 registry id + Avro body. In one process, ids are the
position in the sorted catalogue; with a registry they are the registry's (``spine.registry``).
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import fastavro

from spine.errors import Poison
from spine.keystore import Keys, NoKeys
from spine.parts import Clear, Part, SealedField, is_sealed, under
from spine.record import Effect, Fact, Fields, Record

_HEAD = struct.Struct(">bI")


class Catalogue:
    """All schemas under some folders, parsed once. ``ids`` maps kind -> registry id; a registry may replace them.

    A record field of record type in a file below a ``partner`` folder is also a kind of its own, without an id:
    field ``data`` of ``a.b.v1`` is ``a.b.data.v1``. So a part can travel as bytes, sealed, and be read alone.
    ``keys`` opens and seals them; who starts a process gives it one.
    """

    def __init__(self, folders: list[Path], keys: Keys | None = None) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self._parsed: dict[str, Any] = {}
        self._part_sources: dict[str, Mapping[str, Any]] = {}
        self._parts: dict[str, Part] = {}
        self._sealed: dict[str, tuple[SealedField, ...]] = {}
        #: Kinds whose record fields are kinds of their own.
        self.partners: set[str] = set()
        self.keys: Keys = keys or NoKeys()
        for folder in folders:
            for path in sorted(folder.rglob("*.avsc")):
                kind, source = path.name.removesuffix(".avsc"), json.loads(path.read_text())
                self.add(kind, source)
                if path.parent.name == "partner":
                    self.add_parts(kind, source)
        self.ids: dict[str, int] = {}
        self._kinds: dict[int, str] = {}
        self.use_ids({kind: n for n, kind in enumerate(sorted(self.sources), start=1)})

    def add(self, kind: str, source: dict[str, Any]) -> None:
        """Add one schema. Named types are inlined in each file, so that files stand alone."""
        self.sources[kind] = source
        self._parsed[kind] = fastavro.parse_schema(source, named_schemas={})
        if fields := SealedField.all_of(kind, source):
            self._sealed[kind] = fields

    def add_parts(self, kind: str, source: dict[str, Any]) -> None:
        """Make the record fields of a partner's schema kinds of their own."""
        self.partners.add(kind)
        stem, _, version = kind.rpartition(".")
        for field in source["fields"]:
            if isinstance(field["type"], dict) and field["type"].get("type") == "record":
                part = f"{stem}.{field['name']}.{version}"
                self._parsed[part] = fastavro.parse_schema(field["type"], named_schemas={})
                self._part_sources[part] = field["type"]

    def has(self, kind: str) -> bool:
        return kind in self._parsed

    def use_ids(self, ids: Mapping[str, int], earlier: Mapping[int, str] | None = None) -> None:
        """Take the ids of a registry; ``earlier`` ids are only read by."""
        self.ids = dict(ids)
        self._kinds = {**(earlier or {}), **{n: kind for kind, n in self.ids.items()}}

    def kind_of(self, schema_id: int) -> str | None:
        return self._kinds.get(schema_id)

    def encode(self, kind: str, fields: Fields) -> bytes:
        """Avro body without framing, with everything sealed that is to be. Raises ValueError if ``fields`` do not fit,
        and what ``keys`` raises (``needed`` names the keys, so that they can be made before)."""
        clear = [(name, self.seal(part, fields["event_id"])) for name, part in fields.items() if type(part) is Clear]
        sealed = self._sealed.get(kind, ())
        if clear or sealed:
            fields = {**fields, **dict(clear), **{one.name: one.seal(fields, self.keys) for one in sealed}}
        return self.write(kind, fields)

    def write(self, kind: str, fields: Fields) -> bytes:
        """As ``encode``, of fields as ``decode`` gives them: what is sealed stays as it is."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._parsed[kind], fields)
        return out.getvalue()

    def decode(self, kind: str, body: bytes, reader: str | None = None) -> dict[str, Any]:
        """Fields of an Avro body; with ``reader``, seen through that kind's schema."""
        read = fastavro.schemaless_reader(
            io.BytesIO(body), self._parsed[kind], self._parsed[reader] if reader else None
        )
        assert isinstance(read, dict)
        return read

    def seal(self, part: Clear, about: str) -> bytes:
        """The part sealed for the fact ``about``. Raises ValueError if it does not fit, and what ``keys`` raises."""
        return self._part(part.kind).seal(part, about, self.keys)

    def open(self, kind: str, part: bytes, names: Collection[str] | None = None) -> dict[str, Any]:
        """Fields of a part; of a sealed one only those named are decrypted, and the others read as nothing.

        Raises Erased, SealBroken, and what ``keys`` raises.
        """
        return self._part(kind).open(part, self.keys, names) if is_sealed(part) else self.decode(kind, part)

    def opened(self, kind: str, part: bytes, names: Collection[str] | None = None) -> bytes:
        """As ``open``, but the Avro body."""
        return self._part(kind).body(part, self.keys, names) if is_sealed(part) else part

    def _part(self, kind: str) -> Part:
        held = self._parts.get(kind)
        if held is None:
            held = self._parts[kind] = Part(kind, self._part_sources.get(kind) or self.sources[kind])
        return held

    def needed(self, effects: Iterable[Effect]) -> set[str]:
        """References of the keys that encoding these effects takes."""
        refs = {part.under for effect in effects for part in effect.fields.values() if type(part) is Clear}
        for effect in effects:
            refs |= {one.ref(effect.fields) for one in self._sealed.get(effect.kind, ())}
        return refs

    def named(self, facts: Iterable[Fact]) -> set[str]:
        """References of the keys under which these facts, or the observations that they carry, are sealed."""
        refs: set[str] = set()
        for fact in facts:
            carried = fact.fields.get("observation") or fact.fields
            if carried.get("sealed_under"):
                refs.add(carried["sealed_under"])
            refs |= {under(fact.fields[one.name] or b"") for one in self._sealed.get(fact.kind, ())}
        return refs - {""}

    def open_fact(self, fact: Fact) -> Fact:
        """The fact with the hub's own sealed fields opened. Raises Erased, SealBroken, and what ``keys`` raises."""
        sealed = self._sealed.get(fact.kind)
        if not sealed:
            return fact
        opened = {one.name: one.open(fact.fields[one.name], self.keys) for one in sealed}
        return Fact(fact.kind, fact.event_id, {**fact.fields, **opened})

    def frame(self, kind: str, body: bytes) -> bytes:
        return _HEAD.pack(0, self.ids[kind]) + body

    def unframe(self, value: bytes) -> tuple[str, bytes] | None:
        """(kind, body) of a framed value, or None if it is not framed or its id is unknown."""
        if len(value) < 5 or value[0] != 0:
            return None
        kind = self._kinds.get(_HEAD.unpack_from(value)[1])
        return None if kind is None else (kind, value[5:])

    def fact(self, record: Record) -> Fact:
        """Decode and open a record. Raises what ``sealed_fact`` and ``open_fact`` raise."""
        return self.open_fact(self.sealed_fact(record))

    def sealed_fact(self, record: Record) -> Fact:
        """Decode a record, sealed as it is. Raises Poison (``not_framed_or_unknown_schema``, ``undecodable``,
        ``no_event_id``)."""
        opened = self.unframe(record.value)
        if opened is None:
            raise Poison(record, "not_framed_or_unknown_schema")
        kind, body = opened
        try:
            fields = self.decode(kind, body)
        except Exception as error:
            raise Poison(record, "undecodable") from error
        event_id = fields.get("event_id")
        if not isinstance(event_id, str) or not event_id:
            raise Poison(record, "no_event_id")
        return Fact(kind, event_id, fields)
