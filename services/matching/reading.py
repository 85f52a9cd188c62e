"""The edge: decoded observation.v1 records become matters. Parts that travel as bytes are read once, here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.matching.acts import TEST_SUFFIX
from services.matching.facts import Fed, Linked, Matter, Observation, RecordKey, Separated, Suggested
from services.matching.identity import Identity, identity_of
from services.matching.rows import Codec
from spine.keystore import Erased
from spine.schema import Catalogue

FEED_TYPES = "feed."
ENROLS = "education.enrolment.started"
ENDED = "care.episode.ended"
#: Types whose data can name a provider at which the person is enrolled (POLICY 4.2, I8), and the field.
NAMES_PROVIDER = "education_provider"
IDENTITIES_KEPT_MAX = 1 << 16
#: Identity block as sent -> the source's own reference, and the block as read. The same blocks return all day.
ReadSubject = Callable[[bytes], tuple[str | None, Identity]]


def codec_of(catalogue: Catalogue) -> tuple[Codec, ReadSubject]:
    @lru_cache(maxsize=IDENTITIES_KEPT_MAX)
    def read_subject(subject: bytes) -> tuple[str | None, Identity]:
        fields = catalogue.decode("subject.v1", subject)
        return fields["source_ref"] or None, identity_of(fields)

    def read_identity(subject: bytes) -> Identity | None:
        try:
            return opened(subject)[1]
        except Erased:
            return None

    def opened(subject: bytes) -> tuple[str | None, Identity]:
        return read_subject(catalogue.opened("subject.v1", subject))

    def facts(kind: str, data: bytes) -> bytes:
        try:
            return catalogue.opened(f"{kind}.data.v1", data)
        except Erased:
            return data

    codec = Codec(
        read_identity=read_identity,
        read_observation=lambda body: catalogue.decode("observation.v1", body),
        write_observation=lambda fields: catalogue.encode("observation.v1", fields),
        opened=facts,
    )
    return codec, opened


@dataclass(slots=True)
class Reader:
    """Turns fields of observation.v1 into a matter of matching, or None for types that are about nobody."""

    catalogue: Catalogue
    read_subject: ReadSubject
    naming: frozenset[str]

    @classmethod
    def of(cls, catalogue: Catalogue, read_subject: ReadSubject) -> Reader:
        return cls(catalogue, read_subject, frozenset(_types_with(catalogue, NAMES_PROVIDER)))

    def population(self, fields: Mapping[str, Any]) -> str:
        """Authority, and apart from it the authority's test population."""
        return str(fields["authority"]) + (TEST_SUFFIX if fields["test"] else "")

    def matter(self, fields: Mapping[str, Any]) -> Matter | None:
        match fields["type"]:
            case "identity.linked":
                return self._linked(fields)
            case "identity.separated":
                data = self._data(fields)
                record, person = _key(data, "record"), _key(data, "person")
                return Separated(fields["event_id"], fields["received_at"], record, person)
            case "identity.duplicate_suggested":
                data = self._data(fields)
                one, other = (data["source_a"], data["ref_a"]), (data["source_b"], data["ref_b"])
                return Suggested(fields["event_id"], fields["received_at"], one, other)
            case kind if str(kind).startswith(FEED_TYPES):
                feed = str(self._data(fields)["feed_source"]) + (TEST_SUFFIX if fields["test"] else "")
                return Fed(fields["event_id"], fields["received_at"], feed, fields)
            case kind if str(kind).startswith("identity."):
                return None
            case _:
                return self._observation(fields)

    def _observation(self, fields: Mapping[str, Any]) -> Observation:
        subject: bytes = fields["subject"]
        kind, source = fields["type"], fields["source"]
        ref, identity = self.read_subject(subject)
        return Observation(
            event_id=fields["event_id"],
            source=source,
            ref=ref,
            message_id=fields["message_id"],
            type=kind,
            effective_on=fields["effective_on"],
            received_at=fields["received_at"],
            identity=identity,
            subject=subject,
            data=fields["data"],
            named_provider=self._data(fields).get(NAMES_PROVIDER) if kind in self.naming else None,
            adopted=kind == ENDED and self._data(fields)["reason"] == "adopted",
            enrols=kind == ENROLS,
            body=fields,
            key=(source, ref or _nameless(fields)),
        )

    def _linked(self, fields: Mapping[str, Any]) -> Linked:
        data = self._data(fields)
        record = _key(data, "record") if data["record_ref"] else None
        message = (data["record_source"], data["held_event_id"]) if data["held_event_id"] else None
        return Linked(fields["event_id"], fields["received_at"], record, message, _key(data, "person"))

    def _data(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.catalogue.open(f"{fields['type']}.data.v1", fields["data"])


def _nameless(fields: Mapping[str, Any]) -> str:
    """Name of a record without a reference: the same block of the same source gives the same, and says nothing."""
    block = fields["sealed_under"].encode() if fields["sealed_under"] else fields["subject"]
    return "~" + hashlib.sha256(block).hexdigest()[:20]


def _key(data: Mapping[str, Any], side: str) -> RecordKey:
    return (data[f"{side}_source"], data[f"{side}_ref"])


def _types_with(catalogue: Catalogue, name: str) -> list[str]:
    """Event types whose data record has a field of this name."""
    found = []
    for kind, source in catalogue.sources.items():
        data = next((f for f in source["fields"] if f["name"] == "data"), None)
        parts = data["type"].get("fields", ()) if data is not None and isinstance(data["type"], dict) else ()
        if any(f["name"] == name for f in parts):
            found.append(kind.removesuffix(".v1"))
    return found
