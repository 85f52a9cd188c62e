"""A belief in the words of ``status.v1``."""

from __future__ import annotations

from typing import Any

from services.status import days
from services.status.belief import Belief
from services.status.codes import GROUPS
from services.status.reading import moment


def belief_fields(told: Belief) -> dict[str, Any]:
    """Fields of the Avro record ``Belief``."""
    to_date, end_date = days.to_date, days.end_date
    return {
        "date_of_birth": None if told.born is None else to_date(told.born),
        "timeline": [
            {
                "start": to_date(span.start),
                "end": end_date(span.end),
                "code": span.code,
                "group": GROUPS[span.code],
                "ends_by": span.ends_by,
                "source": span.source,
            }
            for span in told.timeline
        ],
        "episodes": [
            {"start": to_date(one.start), "end": end_date(one.end), "re_entry": one.re_entry} for one in told.episodes
        ],
        "marks": [{"name": one.name, "start": to_date(one.start), "end": end_date(one.end)} for one in told.marks],
        "waits": [
            {
                "agreed_on": to_date(one.agreed_on),
                "starts_on": to_date(one.starts_on),
                "ends_on": to_date(one.last),
                "kind": one.kind,
                "code": one.code,
                "ended_by": one.ended_by,
            }
            for one in told.waits
        ],
        "plans": [
            {
                "known_at": moment(one.known_at),
                "start": to_date(one.start),
                "state": one.state,
                "hold": one.hold,
                "appeal_deadline_on": None if one.appeal_deadline_on is None else to_date(one.appeal_deadline_on),
                "refused": one.refused,
                "event_id": one.event_id,
            }
            for one in told.plans
        ],
    }
