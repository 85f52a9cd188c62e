"""What every rule has: a ground, a closing, the days on which time alone can change either."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from services.alerts.case import Case
from services.alerts.state import Alert


@dataclass(frozen=True, slots=True)
class Ground:
    """Why an alert should stand today. ``matter`` names what it is about: a matter is raised once.

    ``skip``: the mark falls where the rule is silent and is remembered as passed. ``to``: these roles and no others.
    ``told``: roles that had this alert on the unlinked record; they are not sent it twice.
    """

    matter: str
    because: str
    evidence: tuple[str, ...] = ()
    anchor: date | None = None
    until: date | None = None
    tag: str = ""
    source: str = ""
    sla: int | None = None
    severity: str | None = None
    to: tuple[str, ...] | None = None
    told: tuple[str, ...] = ()
    raised_on: date | None = None
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """How an open alert ends."""

    outcome: str
    because: str


RESOLVED, SUPERSEDED, STOOD_DOWN, RETRACTED = "resolved", "superseded", "stood_down", "retracted"


def never(case: Case, alert: Alert) -> Closing | None:
    """Nothing that this phase of the step can see closes it."""
    del case, alert
    return None


def no_days(case: Case) -> Iterable[date]:
    """Time alone changes nothing that the belief does not already announce."""
    del case
    return ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``replaced`` runs after raising: what the alerts of the same step take over.

    ``by_event``: an event must show the ground (POLICY 6: "an event shows", "an event makes"); passing time alone, such
    as a course that runs out, raises nothing. ``for_care``: about somebody in care, and over when care ends. ``wants``:
    where no live fact of one of these types is held there is no ground, so that it need not be asked; empty: it rests
    on more than facts. ``rests_on``: the same of the belief: names of marks of whatever day (``conflict`` for each kind
    of it), ``episode``, ``wait`` and ``plan``.
    """

    id: str
    ground: Callable[[Case], Ground | None]
    closing: Callable[[Case, Alert], Closing | None]
    timers: Callable[[Case], Iterable[date]] = no_days
    replaced: Callable[[Case, Alert], Closing | None] = never
    custody_stands_down: bool = False
    silent_in_custody: bool = False
    by_event: bool = False
    for_care: bool = False
    wants: frozenset[str] = frozenset()
    rests_on: frozenset[str] = frozenset()
