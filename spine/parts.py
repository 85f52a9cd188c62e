"""Parts of facts that travel as bytes, sealed field by field under the key of their subject.

A part is an Avro record of its own (``spine.schema``: kind ``a.b.data.v1``). Sealed, it is a record of four: the
reference of the key, the fact that it was sealed for, a nonce, and a map from a field's name to the sealed Avro
encoding of its value. Associated data is fact, kind and field, so nothing can be moved. Whoever opens a part names the
fields that it needs: the others are not decrypted, and read as nothing. Fields that hold nothing are not in the map.

Sealed bytes are carried on from topic to topic as they are; they open wherever the key may be had.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fastavro

from spine.avro import length, plain_decoding, plain_encoding, read_nullable_text, read_text, text
from spine.keystore import Keys
from spine.record import Fields
from spine.seal import RECORD_NONCE_BYTES

#: The agency of keys for what the hub itself says about a subject.
HUB = "hub"
#: First bytes of every sealed part. A clear part can't begin so: its first field would have an impossible length.
MARK = b"\xf5EH\x01"
_SEALED = fastavro.parse_schema(
    {
        "type": "record",
        "name": "SealedPart",
        "fields": [
            {"name": "under", "type": "string"},
            {"name": "about", "type": "string"},
            {"name": "nonce", "type": "bytes"},
            {"name": "fields", "type": {"type": "map", "values": "bytes"}},
        ],
    },
    named_schemas={},
)
#: Values of one of the hub's own sealed fields that are remembered, so that what is said again is not read again.
REMEMBERED = 512
_Encode = Callable[[Any], bytes]
_Decode = Callable[[bytes], Any]
_NONCE_HEAD = length(RECORD_NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class Clear:
    """A part as a decision gives it: the step seals it under ``under`` before anything is written."""

    kind: str
    fields: Fields
    under: str


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field of a part is written and read, and what stands for it when it is not opened.

    ``tag`` ends its associated data, ``head`` is its key in the map.
    """

    name: str
    encode: _Encode
    decode: _Decode
    zero: bytes
    nullable: bool
    tag: bytes
    head: bytes


class Part:
    """One kind of part: writes and reads its record, field by field."""

    def __init__(self, kind: str, schema: Mapping[str, Any]) -> None:
        self.kind = kind
        self._fields = tuple(_field(field) for field in schema["fields"])
        self._names = frozenset(field.name for field in self._fields)
        self._zeros = [field.zero for field in self._fields]
        self._nothing = {field.name: field.decode(field.zero) for field in self._fields}
        self._known = {field.name: (number, field) for number, field in enumerate(self._fields)}

    def seal(self, part: Clear, about: str, keys: Keys) -> bytes:
        """Sealed bytes for the fact ``about``. Raises ValueError if the fields do not fit, and what ``keys`` raises."""
        fields = part.fields
        if not fields.keys() <= self._names:
            raise ValueError(f"{part.kind} has no field {', '.join(sorted(fields.keys() - self._names))}")
        key, prefix = keys.key(part.under), self._about(about)
        held: list[tuple[_Field, bytes]] = []
        # Written here, as is each plain value, because this is most of what the gate costs (hub bench gate).
        for field in self._fields:
            value = fields.get(field.name)
            if value is None and field.nullable:
                continue
            encoded = field.encode(value)
            if encoded != field.zero:
                held.append((field, encoded))
        nonce = key.nonce(prefix + b"".join([field.head + encoded for field, encoded in held]))
        out = [MARK, text(part.under), text(about), _NONCE_HEAD, nonce]
        if held:
            out.append(length(len(held)))
        for place, (field, encoded) in enumerate(held):
            sealed = key.seal(nonce, place, encoded, prefix + field.tag)
            out += field.head, length(len(sealed)), sealed
        out.append(b"\0")
        return b"".join(out)

    def body(self, sealed: bytes, keys: Keys, names: Collection[str] | None = None) -> bytes:
        """The part's Avro body with the named fields opened; the others read as nothing. Raises Erased, SealBroken."""
        out = self._zeros.copy()
        for number, _, value in self._opened(sealed, keys, names):
            out[number] = value
        return b"".join(out)

    def open(self, sealed: bytes, keys: Keys, names: Collection[str] | None = None) -> dict[str, Any]:
        """The fields of ``body``."""
        # Most parts hold a few of many fields: only those that are opened are read.
        out, known, read = self._nothing.copy(), self._known, _read(sealed)
        opening, nonce, prefix = keys.key(read["under"]).open, read["nonce"], self._about(read["about"])
        # As in ``_opened``, without an iterator between: this is most of what reading a fact costs.
        for place, (name, value) in enumerate(read["fields"].items()):
            if name in known and (names is None or name in names):
                field = known[name][1]
                out[name] = field.decode(opening(nonce, place, value, prefix + field.tag))
        return out

    def decode_only(self, body: bytes) -> Any:
        """The value of the only field, of the part's Avro body."""
        (field,) = self._fields
        return field.decode(body)

    def _opened(self, sealed: bytes, keys: Keys, names: Collection[str] | None) -> Iterator[tuple[int, _Field, bytes]]:
        """The encodings of the fields that are held and named, with their numbers in the schema."""
        read = _read(sealed)
        held: Mapping[str, bytes] = read["fields"]
        key, nonce, prefix = keys.key(read["under"]), read["nonce"], self._about(read["about"])
        # The place of a value is that in the map, so that a schema may put its fields in another order.
        for place, (name, value) in enumerate(held.items()):
            known = self._known.get(name)
            if known is not None and (names is None or name in names):
                yield *known, key.open(nonce, place, value, prefix + known[1].tag)

    def _about(self, fact: str) -> bytes:
        return f"{fact}|{self.kind}|".encode()


def is_sealed(part: bytes) -> bool:
    return part.startswith(MARK)


def under(part: bytes) -> str:
    """Reference of the key of a sealed part; empty for a clear one."""
    if not is_sealed(part):
        return ""
    # Written first, as a text: seven bits of its length a byte, lowest first.
    at, size, shift = len(MARK), 0, 0
    while part[at] > 0x7F:
        size |= (part[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    size |= part[at] << shift
    return part[at + 1 : at + 1 + (size >> 1)].decode()


@dataclass(frozen=True, slots=True)
class SealedField:
    """A field that the hub's own facts hold sealed: its schema says under which field's value, and of what type it is.

    Written in a schema as ``"type": "bytes", "sealed": {"under": <field>, "type": <what it holds>}``, with ``default``
    in the same place. Services give and get the value itself; between two services it is bytes that only the key opens.
    Equal values may come as the same object: whoever gets one leaves it as it is.
    """

    name: str
    under: str
    part: Part
    decode: _Decode
    default: Any = None

    @classmethod
    def all_of(cls, kind: str, schema: Mapping[str, Any]) -> tuple[SealedField, ...]:
        return tuple(cls.of(kind, field) for field in schema["fields"] if "sealed" in field)

    @classmethod
    def of(cls, kind: str, field: Mapping[str, Any]) -> SealedField:
        part, sealed = Part(kind, _alone(field)), field["sealed"]
        remembering = lru_cache(maxsize=REMEMBERED)(part.decode_only)
        return cls(field["name"], sealed["under"], part, remembering, sealed.get("default"))

    def ref(self, fields: Fields) -> str:
        return f"{HUB}/{fields[self.under]}"

    def seal(self, fields: Fields, keys: Keys) -> bytes | None:
        value = fields.get(self.name, self.default)
        if value is None:
            return None
        clear = Clear(self.part.kind, {self.name: value}, self.ref(fields))
        return self.part.seal(clear, fields["event_id"], keys)

    def open(self, value: bytes | None, keys: Keys) -> Any:
        return None if value is None else self.decode(self.part.body(value, keys))


def _alone(field: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "record", "name": "Sealed", "fields": [{"name": field["name"], "type": field["sealed"]["type"]}]}


def _read(part: bytes) -> dict[str, Any]:
    source = io.BytesIO(part)
    source.seek(len(MARK))
    read = fastavro.schemaless_reader(source, _SEALED, None)
    assert isinstance(read, dict)
    return read


def _field(field: Mapping[str, Any]) -> _Field:
    name, kind = field["name"], field["type"]
    nullable = isinstance(kind, list) and kind[0] == "null"
    plain = kind[1] if nullable and len(kind) == 2 else kind
    encode, decode = plain_encoding(plain), plain_decoding(plain)
    if encode is None or decode is None:
        encode, decode = _by_library(field)
    elif nullable:
        encode, decode = _second_branch(encode, decode)
    return _Field(name, encode, decode, _zero(kind), nullable, name.encode(), text(name))


def _second_branch(encode: _Encode, decode: _Decode) -> tuple[_Encode, _Decode]:
    if decode is read_text:
        return lambda value: b"\x02" + encode(value), read_nullable_text
    return lambda value: b"\x02" + encode(value), lambda body: None if body == b"\0" else decode(body[1:])


def _by_library(field: Mapping[str, Any]) -> tuple[_Encode, _Decode]:
    """The encoding of a record is that of its fields, one after the other; of a record with one field, the field's."""
    name = field["name"]
    alone = fastavro.parse_schema({"type": "record", "name": "Alone", "fields": [dict(field)]}, named_schemas={})

    def encode(value: Any) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, alone, {} if value is None else {name: value})
        return out.getvalue()

    def decode(body: bytes) -> Any:
        read = fastavro.schemaless_reader(io.BytesIO(body), alone, None)
        assert isinstance(read, dict)
        return read[name]

    return encode, decode


def _zero(kind: Any) -> bytes:
    """The encoding that reads as nothing: null where null comes first, else an empty or first value of the type."""
    match kind:
        case {"type": "record", "fields": fields}:
            return b"".join(_zero(field["type"]) for field in fields)
        case {"type": "fixed"}:
            return bytes(kind["size"])
        case {"type": plain}:
            return _zero(plain)
        case "double":
            return bytes(8)
        case "float":
            return bytes(4)
        case [first, *_]:
            return b"\0" + _zero(first) if first != "null" else b"\0"
        case "null":
            return b""
        case _:
            return b"\0"
