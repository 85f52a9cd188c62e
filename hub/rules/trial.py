"""What the rules say to a story, through the real decisions of every service, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hub.story import Story, play
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.looks import begun_by_a_fact
from services.alerts.raising import cooling
from services.alerts.routing import covered, permitted, roles_of
from services.alerts.rules import HELD_ORDER, ORDER
from services.alerts.rules.shape import Rule
from services.alerts.sharing import Sharing
from services.alerts.state import State, decode


@dataclass(frozen=True, slots=True)
class Raised:
    """One alert as it stood at the end."""

    person: str
    rule: str
    raised_on: date
    due_on: date
    to: tuple[str, ...]
    because: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Silent:
    """A rule that never spoke of a person, and the first gate that it does not pass on the last day."""

    person: str
    rule: str
    why: str


def attempt(story: Story, contracts: Path, schemas: Path, settings: Settings) -> tuple[list[Raised], list[Silent]]:
    """Alerts raised and rules that stayed silent, person by person (numbered in the order of their ids)."""
    told = play(story, contracts, schemas)
    today = date.fromisoformat(str(story["until"]))
    raised, silent = [], []
    for number, (_, body) in enumerate(sorted(told.hub.states("alerts").items()), 1):
        state, person = decode(body), f"person {number}"
        for alert in state.alerts:
            to = tuple(sorted(recipient.role for recipient in alert.recipients))
            raised.append(Raised(person, alert.rule, alert.raised_on, alert.due_on, to, alert.because, alert.outcome))
        silent += [Silent(person, rule, why) for rule, why in quiet(state, today, settings).items()]
    return raised, silent


def quiet(state: State, today: date, settings: Settings) -> Mapping[str, str]:
    """Rule -> why it is silent on ``today``, of the rules that were never raised.

    A rule is one function: which of its conditions fails cannot be read off it, so only the gates around it are told.
    """
    case = Case(state, today, settings.policy)
    spoke = {alert.rule for alert in state.alerts}
    order = ORDER if state.belief is not None else HELD_ORDER
    return {rule.id: _why(case, rule, settings.sharing) for rule in order if rule.id not in spoke}


def _why(case: Case, rule: Rule, sharing: Sharing) -> str:
    if rule.silent_in_custody and case.in_custody:
        return "silent in custody"
    ground = rule.ground(case)
    if ground is None:
        return "its ground does not hold on the last day"
    if ground.skip:
        return "its mark falls where the rule is silent"
    if cooling(case, rule):
        return "one was closed within the cool-down"
    roles = roles_of(case, rule.id, ground)
    agreed = [role for role in roles if permitted(case, role)]
    if not roles:
        return "its ground holds, but it names nobody to tell"
    if not agreed:
        return f"its ground holds, but {_listed(roles)} may be told only with a consent that is not there"
    if not any(covered(case, rule.id, ground, role, sharing) for role in agreed):
        return f"its ground holds, but no agreement lets {_listed(agreed)} be told"
    if not case.policy.calendar.is_working(case.today):
        return "its ground holds; it waits for a working day"
    if rule.by_event and not begun_by_a_fact(case):
        return "its ground holds, but only an event raises it, and none came"
    return "its ground holds: it is raised at the next fact or tick"


def _listed(roles: Sequence[str]) -> str:
    return ", ".join(roles)


def story_of(read: Any) -> Story:
    """A story; ValueError names every key that is missing. ``expect`` may be absent: here nothing is expected."""
    missing = [key for key in ("id", "events", "until") if not isinstance(read, dict) or key not in read]
    if missing:
        raise ValueError(f"it needs {', '.join(missing)}; tests/stories has files of this form")
    if not read["events"]:
        raise ValueError("events is empty: write at least one")
    story: Story = read
    return story
