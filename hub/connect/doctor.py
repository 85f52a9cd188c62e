"""``hub connect doctor``: everything that must be right before the first round, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hub.client import Client, ClientError, Misused
from hub.client.schema import EventSchemas
from hub.connect.mapping import Feed, SourceMapping
from hub.connect.source import Source, SourceWrong


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``advice`` is for what is not right, or is a warning where it could be better."""

    what: str
    right: bool
    advice: str = ""

    @property
    def mark(self) -> str:
        return "NO" if not self.right else "warning" if self.advice else "ok"


def examine(mapping: SourceMapping, source: Source, hub: Client) -> Iterator[Finding]:
    """Every check, also after one has failed. Sends nothing that is kept."""
    schemas = EventSchemas.of_file()
    for feed in mapping.feeds:
        yield _event(feed, schemas)
        yield _query(feed, source)
    yield _rights(source)
    yield _door(hub)
    yield from _agreement(mapping, hub)


def _event(feed: Feed, schemas: EventSchemas) -> Finding:
    what = f"{feed.name}: event type and fields"
    if feed.event not in schemas.types:
        return Finding(what, False, f"{feed.event} is no event type; see events.schema.json")
    subject, data = schemas.fields(feed.event)
    known = {f"subject.{name}" for name in subject} | {f"data.{name}" for name in data} | {"observed_at", "sequence"}
    strange = sorted({field.path for field in feed.fields} - known)
    mapped = {field.path for field in feed.fields}
    absent = sorted(f"data.{name}" for name, needed in data.items() if needed and f"data.{name}" not in mapped)
    faults = [f"the event has no {path}" for path in strange] + [f"{path} is required" for path in absent]
    return Finding(what, not faults, "; ".join(faults))


def _query(feed: Feed, source: Source) -> Finding:
    what = f"{feed.name}: query"
    try:
        with source.reading() as reading:
            given = reading.columns(feed)
    except SourceWrong as wrong:
        return Finding(what, False, f"{wrong}; run the query by hand")
    absent = sorted(feed.columns - given)
    return Finding(what, not absent, f"the query gives no column {', '.join(absent)}" if absent else "")


def _rights(source: Source) -> Finding:
    """The agent never writes; that it could not if it would is the source's to see to."""
    what = "source: a login that can only read"
    try:
        writable = source.writable()
    except SourceWrong as wrong:
        return Finding(what, False, str(wrong))
    advice = f"this login may change {writable} things: {source.dialect.advice}"
    return Finding(what, True, advice if writable else "")


def _agreement(mapping: SourceMapping, hub: Client) -> Iterator[Finding]:
    """What the mapping sends and the agreement in force does not let pass. Says nothing where the door is silent."""
    try:
        terms = hub.terms()
    except ClientError:
        return
    for feed in mapping.feeds:
        what, held = f"{feed.name}: agreement", terms.get(feed.event)
        if held is None:
            yield Finding(what, False, f"no agreement of {mapping.party} in force covers {feed.event}")
            continue
        paths = {field.path for field in feed.fields} - {"observed_at", "sequence"}
        over = ", ".join(sorted(paths - held.fields))
        yield Finding(
            what, not over, f"{held.agreement} does not cover {over}: take it out of the mapping" if over else ""
        )


def _door(hub: Client) -> Finding:
    """The key may write, and the address is a door: asked with a receipt that nobody has and an empty trial."""
    try:
        hub.receipt("doctor")
        hub.knock()
    except Misused as wrong:
        return Finding("door and key", False, str(wrong))
    except ClientError as wrong:
        return Finding("door and key", False, f"{wrong}; check the address, the key and its scopes")
    return Finding("door and key", True)
