"""The kit of one partner: invented people, events about them, and what the hub must answer. Pure.

The same day, seed and contracts give the same kit. Ids come from the content: a kit may be run again and again, and a
changed kit has new ones.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hub.published.examples import SEED, event_for, people_for
from hub.published.sources import Entry, Published, covered

_IDENTIFIERS = ("uln", "nhs_number", "upn", "nino")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the door must answer. ``faults`` are (pointer, code); ``state``: what the receipt must become, if asked."""

    status: int
    reason: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    state: str = ""
    dropped: tuple[str, ...] = ()
    same_receipt_as: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One message, why it is sent, and its expected result. Cases are sent in their order."""

    name: str
    about: str
    event: Mapping[str, Any]
    expected: Expected


@dataclass(frozen=True, slots=True)
class Kit:
    """``agreements`` is what the kit was made from; another version in force may answer otherwise."""

    party: str
    day: date
    agreements: tuple[str, ...]
    people: tuple[Mapping[str, Any], ...]
    cases: tuple[Case, ...]


class NoKit(Exception):
    """No kit can be made for this party; the text says why."""


ACCEPTED = Expected(202, state="accepted")


def kit(published: Published, party: str, day: date, *, seed: int = SEED) -> Kit:
    """Raises NoKit."""
    grants = _in_force(published, party, day)
    good: list[Case] = []
    for grant in grants:
        crowd = people_for(grant, day, seed=seed)
        for optional, word in ((False, "with what is required"), (True, "with all that may be sent")):
            event = event_for(published, grant, next(crowd), day, "", optional=optional)
            good.append(Case(f"{grant['type']}, {word}", "is taken, and accepted", event, ACCEPTED))
    probe = next((g for g in grants if _can_probe(published, g)), None)
    cases = _numbered([*good, *(_probes(published, probe, day, seed) if probe else ())])
    people = {str(c.event["data"]["subject"]): c.event["data"]["subject"] for c in cases if c.expected.status == 202}
    agreements = tuple(sorted({str(grant["agreement"]) for grant in grants}))
    return Kit(party, day, agreements, tuple(subject for subject in people.values() if subject), tuple(cases))


def _in_force(published: Published, party: str, day: date) -> list[Entry]:
    """The party's grants on that day, of each type the one that began last, as the gate takes it."""
    if party not in published.policy["parties"]:
        raise NoKit(f"{party} is no party of the agreements")
    live = published.live_grants(day).get(party, [])
    if not live:
        raise NoKit(f"no agreement of {party} is in force and active on {day}")
    return live


def _can_probe(published: Published, grant: Entry) -> bool:
    """A type with a person, whose birth date may be sent, and with a required fact."""
    spec = published.types[grant["type"]]
    required = any(field.required for field in spec.data.values())
    nobody = spec.about_nobody or spec.name.startswith("event.")
    return required and not nobody and "subject.date_of_birth" in covered(grant)


def _probes(published: Published, grant: Entry, day: date, seed: int) -> Iterator[Case]:
    crowd = people_for(grant, day, seed=seed)
    kind = str(grant["type"])

    def sound() -> dict[str, Any]:
        return event_for(published, grant, next(crowd), day, "", optional=False)

    event = sound()
    yield Case("one to repeat", "is taken", event, ACCEPTED)
    again = Expected(202, same_receipt_as="one to repeat")
    yield Case("the same once more", "gets the same receipt and has no second effect", event | {"id": "@1"}, again)
    other = copy.deepcopy(event)
    other["data"]["effective_on"] = (day - timedelta(days=4)).isoformat()
    yield Case(
        "the same id with other content",
        "is a conflict: use a new id",
        other | {"id": "@2"},
        Expected(409, "id_reused", (("/id", "id_reused"),)),
    )
    yield from _wrong_values(published, grant, sound, day)
    yield from _outside(published, grant, sound, day)
    yield Case("another party's event", "speak for yourself", sound() | {"source": "somebody-else"}, _no("/source"))
    yield Case(
        "an event type that nobody knows",
        "use a type of the catalogue",
        sound() | {"type": f"{kind}.unheard_of"},
        Expected(422, "malformed", (("/type", "unknown_type"),)),
    )


def _no(pointer: str) -> Expected:
    return Expected(422, "wrong_principal", ((pointer, "wrong_principal"),))


def _invalid(*faults: tuple[str, str]) -> Expected:
    return Expected(422, "invalid", faults)


def _wrong_values(published: Published, grant: Entry, sound: Any, day: date) -> Iterator[Case]:
    spec, may = published.types[grant["type"]], covered(grant)
    needed = next(field for field in spec.data.values() if field.required)
    event = sound()
    event["data"]["effective_on"] = day.strftime("%d/%m/%Y")
    yield Case(
        "a date as people write it", "dates are YYYY-MM-DD", event, _invalid(("/data/effective_on", "date_form"))
    )
    event = sound()
    event["data"]["effective_on"] = (day + timedelta(days=800)).isoformat()
    yield Case("a date far ahead", "at most a month", event, _invalid(("/data/effective_on", "date_range")))
    event = sound()
    event["data"]["effective_on"] = "soon"
    del event["data"]["data"][needed.name]
    both = _invalid(("/data/effective_on", "date_form"), (needed.pointer, "missing"))
    yield Case("two faults at once", "both are named", event, both)
    closed = next((field for field in spec.data.values() if field.kind == "enum" and field.required), None)
    if closed is not None:
        event = sound()
        event["data"]["data"][closed.name] = "something_else"
        yield Case("a value that is not in the list", "see expected", event, _invalid((closed.pointer, "not_in_list")))
    event = sound()
    event["data"]["subject"] = {}
    yield Case("an event about nobody", "source_ref or family_name", event, _invalid(("/data/subject", "who")))
    number = next((name for name in _IDENTIFIERS if f"subject.{name}" in may), "")
    if number:
        event = sound()
        event["data"]["subject"][number] = "7000000015" if number == "uln" else "0000000001"
        wrong_digit = _invalid((f"/data/subject/{number}", "check_digit"))
        yield Case(f"a {number} with a wrong check digit", "is refused", event, wrong_digit)


def _outside(published: Published, grant: Entry, sound: Any, day: date) -> Iterator[Case]:
    """What the agreement does not cover."""
    spec, may = published.types[grant["type"]], covered(grant)
    minimise = published.policy["agreements"][grant["agreement"]]["over_sharing"] == "minimise"
    event = sound()
    event["data"]["subject"]["date_of_birth"] = f"{day.year - int(grant['max_age']) - 2}-01-31"
    faults: tuple[tuple[str, str], ...] = (("/data/subject/date_of_birth", "age_outside_agreement"),)
    over = Expected(422, "not_in_agreement", faults)
    yield Case("somebody too old for the agreement", "is not to be sent", event, over)
    extra = next((name for name in _IDENTIFIERS if f"subject.{name}" not in may), "")
    if extra:
        event = sound()
        event["data"]["subject"][extra] = "9990000018"
        faults = ((spec.subject[extra].pointer, "field_not_in_agreement"),)
        refused = Expected(422, "not_in_agreement", faults)
        taken = replace(ACCEPTED, dropped=(f"subject.{extra}",))
        about = "is dropped, the rest is taken" if minimise else "refuses the whole event"
        yield Case("a field that the agreement does not name", about, event, taken if minimise else refused)
    if not minimise:
        event = sound()
        event["data"]["data"]["no_such_field"] = "x"
        refused = Expected(422, "not_in_agreement", (("/data/data", "unknown_field"),))
        yield Case("a field that no schema has", "refuses the whole event", event, refused)


def _bytes(cases: list[Case]) -> bytes:
    # Not canonical(): events hold fractions, and nothing of the hub depends on these bytes.
    return json.dumps([[case.name, case.event] for case in cases], sort_keys=True).encode()


def _numbered(cases: list[Case]) -> list[Case]:
    """Ids: a digest of the whole kit and a number. ``@n`` in a case repeats the id of the case n before it."""
    digest = hashlib.sha256(_bytes(cases)).hexdigest()[:10]
    out: list[Case] = []
    for number, case in enumerate(cases):
        back = str(case.event["id"])
        message_id = str(out[number - int(back[1:])].event["id"]) if back else f"sbx-{digest}-{number:04d}"
        out.append(replace(case, event={**case.event, "id": message_id}))
    return out
