"""How a worker is told of what is not urgent, as they chose: when a message comes, and by which channel. Pure.

The choice is a fact on the log, written to every partition of ``deliveries``: a delivery is decided under the choice
last seen in its own partition, so a replay decides alike. What the policy does not leave to a worker stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

import orjson

from services.alerts.delivery import routes
from spine.record import Fact

KIND = "telling.v1"
#: Ways that a channel may mean. A webhook is a system's, nobody's to choose.
OFFERED = tuple(way for way in routes.WAYS if way != "webhook")
AT_ONCE, DIGEST, INBOX = "at_once", "digest", "inbox"
WAYS = (AT_ONCE, DIGEST, INBOX)
#: Acts that nobody chooses away: what was told proved untrue, or a manager must act.
ALWAYS = frozenset({"retracted", "escalated"})


@dataclass(frozen=True, slots=True)
class Choices:
    """What a worker may choose: ways by severity, the times of a digest (London), and channels, each with the ways of
    ``routes`` that are meant."""

    ways: Mapping[str, frozenset[str]] = field(default_factory=dict)
    digests: frozenset[str] = frozenset()
    channels: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a worker chose, by severity; one that is not there is told as the council set it, and so is all that is not
    urgent where no ``channel`` is chosen."""

    how: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    at_ms: int = 0
    channel: str = ""


def decide(choices: Choices, held: Telling, fact: Fact, at_ms: int) -> Telling:
    """The later word counts; of it what may be chosen, and a digest only at a time that is offered."""
    if at_ms < held.at_ms:
        return held
    digest = str(fact.fields["digest"]) if fact.fields["digest"] in choices.digests else ""
    how = {
        str(one["severity"]): str(one["how"])
        for one in fact.fields["how"]
        if one["how"] in choices.ways.get(one["severity"], ()) and (one["how"] != DIGEST or digest)
    }
    channel = str(fact.fields.get("channel", ""))
    return Telling(dict(sorted(how.items())), digest, at_ms, channel if channel in choices.channels else "")


def chosen(held: Telling, severity: str, act: str) -> str:
    """``at_once``, ``inbox``, or the time of the digest; empty: as the council set it."""
    if act in ALWAYS:
        return ""
    way = held.how.get(severity, "")
    return held.digest if way == DIGEST else way if way in WAYS else ""


def by(held: Telling, act: str) -> str:
    """The channel that comes first; empty: as the council set it."""
    return "" if act in ALWAYS else held.channel


def encode(held: Telling) -> bytes:
    """Where no channel was chosen, as the version before wrote it, which can still read it."""
    plain = {name: value for name in Telling.__slots__ if (value := getattr(held, name)) or name != "channel"}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def decode(body: bytes) -> Telling:
    return Telling(**known(body, Telling.__slots__))


def known(body: bytes, names: Collection[str]) -> dict[str, Any]:
    """Of a row these ``names``: what a later version wrote besides counts as not said, so that both can work on one
    table while pods roll. Only for a state where that is right: told as the council set it."""
    return {name: value for name, value in orjson.loads(body).items() if name in names}


def parse(read: Mapping[str, Any], urgent: frozenset[str]) -> Choices:
    """``choices``, ``digests`` and ``channels`` of delivery.yaml. ValueError names every fault at once."""
    faults = []
    digests = [str(one) for one in read.get("digests") or []]
    for one in digests:
        try:
            time.fromisoformat(one)
        except ValueError:
            faults.append(f'digests: {one} is no time; write "16:00"')
    made = {str(severity): frozenset(map(str, ways)) for severity, ways in (read.get("choices") or {}).items()}
    for severity, ways in sorted(made.items()):
        if severity in urgent:
            faults.append(f"choices.{severity}: what is urgent is not chosen away; take it out")
        faults += [f"choices.{severity}: {one} is none of {', '.join(WAYS)}" for one in sorted(ways - set(WAYS))]
        if DIGEST in ways and not digests:
            faults.append(f"choices.{severity}: a digest needs a time in digests")
    channels = {str(one): frozenset(map(str, ways)) for one, ways in (read.get("channels") or {}).items()}
    for channel, meant in channels.items():
        faults += [f"channels.{channel}: {one} is none of {', '.join(OFFERED)}" for one in sorted(meant - set(OFFERED))]
    if faults:
        raise ValueError("; ".join(faults))
    return Choices(made, frozenset(digests), channels)
