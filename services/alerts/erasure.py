"""A person was erased: nothing is kept of them, and the next one down the line is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.alerts.state import State
from spine.record import Effect

ERASED = "erased.v1"


def forget(fields: Mapping[str, Any]) -> tuple[State, Sequence[Effect]]:
    """The state of somebody who was never heard of, and the word for whoever reads on."""
    person = str(fields["person_id"])
    said = {name: value for name, value in fields.items() if name != "event_id"}
    return State(person), (Effect("alerts", person, ERASED, said),)


def forgotten(state: State) -> bool:
    """Whether nothing at all is known; then there is no row."""
    return not state.facts and state == State(state.person_id)
