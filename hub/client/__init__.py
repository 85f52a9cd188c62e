"""The partner's client of the hub's HTTP door. It needs httpx2, jsonschema and no other part of the hub.

    with Client("https://hub.northshire.example", key, "northvale-college") as hub:
        report = hub.publish([Event("nvc-000184", "education.enrolment.withdrawn", "2025-11-21", subject, data)])
        report.raise_for_refusals()

It writes no log. Its errors and reprs hold no value of an event; docs/client.md says more.
"""

from hub.client.door import Client
from hub.client.event import Event
from hub.client.faults import (
    Answer,
    ClientError,
    Fault,
    Misused,
    NotAllowed,
    Receipt,
    Refused,
    Report,
    Terms,
    Unavailable,
    Verdict,
)
from hub.client.schema import EventSchemas
from hub.client.sending import Patience

__all__ = [
    "Answer",
    "Client",
    "ClientError",
    "Event",
    "EventSchemas",
    "Fault",
    "Misused",
    "NotAllowed",
    "Patience",
    "Receipt",
    "Refused",
    "Report",
    "Terms",
    "Unavailable",
    "Verdict",
]
