"""Facts that one event type needs only in some cases (EVENTS, the words "required when")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.ingest.fields import Value

_PROVIDER_NAMED = frozenset({"education.enrolment.started"})


def conditions(event_type: str, publisher_kind: str, data: Mapping[str, Value]) -> Iterator[tuple[str, str, str]]:
    """(pointer, code, expected) of every fact that this case needs and that is not there."""
    if event_type == "contact.verified":
        yield from _reason_of_neet(data, "activity")
    if event_type == "employment.ended":
        yield from _reason_of_neet(data, "next_activity")
    if event_type in _PROVIDER_NAMED and publisher_kind == "neighbouring-authority" and "provider_name" not in data:
        yield "/data/data/provider_name", "missing", "required when the publisher is not the provider"


def _reason_of_neet(data: Mapping[str, Value], activity: str) -> Iterator[tuple[str, str, str]]:
    if data.get(activity) == "not_in_eet" and "neet_reason" not in data:
        yield "/data/data/neet_reason", "missing", f"required when {activity} is not_in_eet"
