"""The stream processor of status: keys, states and facts around the pure ``decide``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from services.status import state as person
from services.status.decide import decide
from services.status.erasure import ERASED, forget, forgotten
from services.status.policy import Policy, parse
from services.status.reading import read
from services.status.state import State
from spine import build
from spine.keyed import Keyed, KeyedProcessor
from spine.record import Effect, Fact
from spine.schema import Catalogue

SERVICE, TOPIC = "status", "attributions"


def policy_of(contracts: Path) -> Policy:
    """The policy in force, from contracts/policy."""
    yaml, folder = YAML(typ="safe", pure=False), contracts / "policy"
    policy = yaml.load(folder / "policy.yaml") | yaml.load(folder / "alerts.yaml")
    return parse(policy, yaml.load(folder / "codes.yaml"))


def processor(catalogue: Catalogue, contracts: Path) -> KeyedProcessor[State]:
    """The processor that ``spine.step`` drives."""
    policy = policy_of(contracts)

    def decided(state: State, fact: Fact) -> tuple[State, Sequence[Effect]]:
        return forget(fact.fields) if fact.kind == ERASED else decide(state, read(fact, catalogue), policy)

    keyed = Keyed(
        key_of=lambda fact: str(fact.fields["person_id"]),
        empty=person.empty,
        decide=decided,
        encode=person.encode,
        decode=person.decode,
        due_on=lambda state: state.due_on,
        gone=forgotten,
    )
    return KeyedProcessor(SERVICE, TOPIC, build.name(SERVICE), policy.fingerprint, keyed)
