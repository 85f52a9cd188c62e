"""The service's processor: the pure ``decide`` behind the spine's keyed loop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from services.alerts.decide import Settings, decide, due_on
from services.alerts.reading import read
from services.alerts.settings import load
from services.alerts.state import State, decode, encode
from spine.keyed import Keyed, KeyedProcessor
from spine.record import Effect, Fact
from spine.schema import Catalogue

SERVICE, TOPIC, BUILD = "alerts", "statuses", "1"

#: States whose bytes are remembered: at least a batch of them.
WRITTEN_MAX = 512


def processor(catalogue: Catalogue, contracts: Path) -> KeyedProcessor[State]:
    """What the shells and the in-process hub run."""
    return with_settings(catalogue, load(contracts))


def with_settings(catalogue: Catalogue, settings: Settings) -> KeyedProcessor[State]:
    """The processor under given settings, for tests and replay."""

    def decide_fact(state: State, fact: Fact) -> tuple[State, Sequence[Effect]]:
        return decide(settings, state, read(fact, catalogue))

    written: dict[str, tuple[State, bytes]] = {}

    def encode_once(state: State) -> bytes:
        """The spine asks for the bytes of one state for its digest and again to keep it."""
        held = written.get(state.person_id)
        if held is not None and held[0] is state:
            return held[1]
        if len(written) >= WRITTEN_MAX:
            written.clear()
        body = encode(state)
        written[state.person_id] = (state, body)
        return body

    keyed: Keyed[State] = Keyed(
        key_of=lambda fact: str(fact.fields["person_id"]),
        empty=State,
        decide=decide_fact,
        encode=encode_once,
        decode=decode,
        due_on=lambda state: due_on(settings, state),
    )
    digest = hashlib.sha256(f"{settings.policy.hash}\x1f{settings.sharing.digest}".encode()).hexdigest()
    return KeyedProcessor(SERVICE, TOPIC, BUILD, digest, keyed)
