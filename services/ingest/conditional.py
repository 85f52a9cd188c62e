"""Facts that one event type needs only in some cases (EVENTS, the words "required when")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.ingest.fields import Value

#: Event type -> (the fact that says what somebody does now, the fact that is needed when that is nothing).
WHY_NOT_IN_EET: Mapping[str, tuple[str, str]] = {
    "contact.verified": ("activity", "neet_reason"),
    "employment.ended": ("next_activity", "neet_reason"),
}
NOT_IN_EET = "not_in_eet"
#: Event type -> the fact that a publisher of another authority must give.
NAMED_BY_NEIGHBOURS: Mapping[str, str] = {"education.enrolment.started": "provider_name"}


def conditions(event_type: str, publisher_kind: str, data: Mapping[str, Value]) -> Iterator[tuple[str, str, str]]:
    """(pointer, code, expected) of every fact that this case needs and that is not there."""
    activity, reason = WHY_NOT_IN_EET.get(event_type, ("", ""))
    if activity and data.get(activity) == NOT_IN_EET and reason not in data:
        yield f"/data/data/{reason}", "missing", f"required when {activity} is {NOT_IN_EET}"
    named = NAMED_BY_NEIGHBOURS.get(event_type, "")
    if named and publisher_kind == "neighbouring-authority" and named not in data:
        yield f"/data/data/{named}", "missing", "required when the publisher is not the provider"
