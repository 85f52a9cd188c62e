"""What a party that asks is answered about somebody it knows by a reference of its own. The gate is the alerts' own.

An answer is a view as an alert has one (``services.alerts.disclosure``), without an alert: rows of agreements that are
bound to a rule open nothing here. A reference of which nobody, or more than one person, is meant gets the answer that
an unknown one gets. The row of access is written before the answer leaves, and where it can't be, nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from services.alerts.answers.door import Stop, caller, tagged
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.disclosure import View, about, disclose
from services.alerts.state import Alert, Recipient, State
from spine.clock import local_date
from spine.who.principal import Principal


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the record of access."""

    at: datetime
    party: str
    principal: str
    role: str
    person_id: str
    asked: str
    agreements: str
    policy: str


class Held(Protocol):
    """Where states, references and the record of access stand."""

    def meant(self, party: str, ref: str) -> State | None:
        """The one person whom the party's reference means."""
        ...

    def settings(self) -> Settings:
        """Rules, and the agreements in force now."""
        ...

    def write_down(self, shown: Shown) -> None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a party speaks as: its team, or none where all teams of its roles are its own, and the roles."""

    team: str
    roles: tuple[str, ...]


def router(held: Held, asked_of: Callable[[str], Asked | None], clock: Callable[[], datetime]) -> APIRouter:
    """Routes about people. ``asked_of``: as whom a party asks; None for one that no team stands for."""
    found = APIRouter()

    def asking(
        who: Annotated[Principal, Depends(caller)],
        role: Annotated[str, Query(description="One of your team's roles; the first of them if you name none.")] = "",
    ) -> Recipient:
        team = asked_of(who.party)
        # What is known of real people is nothing for test keys.
        if who.test or team is None or not team.roles or (role and role not in team.roles):
            raise Stop("not_found")
        return Recipient(role or team.roles[0], team.team or None)

    def case_of(who: Principal, ref: str, settings: Settings, today: date) -> Case:
        state = held.meant(who.party, ref)
        if state is None or state.belief is None:
            raise Stop("not_found")
        return Case(state, max(today, state.last_day or today), settings.policy)

    def written(who: Principal, mine: Recipient, case: Case, asked: str, views: Sequence[View], policy: str) -> None:
        relied = sorted({agreement for view in views for agreement in view.agreements})
        held.write_down(
            Shown(clock(), who.party, who.name, mine.role, case.state.person_id, asked, ",".join(relied), policy)
        )

    @found.get("/v1/people/{ref}", summary="What your agreements let you read of somebody, by your own reference")
    def person(
        ref: str,
        request: Request,
        who: Annotated[Principal, Depends(caller)],
        mine: Recipient = Depends(asking),
    ) -> Response:
        settings = held.settings()
        case = case_of(who, ref, settings, local_date(clock()))
        view = about(case, mine, settings.sharing)
        if view is None:
            raise Stop("not_found")
        written(who, mine, case, "person", [view], settings.sharing.digest)
        return tagged(request, {"ref": ref, "on": case.today.isoformat(), "role": mine.role, **_person(view)})

    @found.get("/v1/people/{ref}/alerts", summary="The open alerts about somebody that your team was told of")
    def alerts(
        ref: str,
        request: Request,
        who: Annotated[Principal, Depends(caller)],
        mine: Recipient = Depends(asking),
    ) -> Response:
        settings = held.settings()
        case = case_of(who, ref, settings, local_date(clock()))
        told = [(alert, r) for alert in case.alerts if alert.open for r in alert.recipients if _is(r, mine, alert)]
        views = [(alert, disclose(case, alert, recipient, settings.sharing)) for alert, recipient in told]
        if about(case, mine, settings.sharing) is None and not views:
            raise Stop("not_found")
        written(who, mine, case, "alerts", [view for _, view in views], settings.sharing.digest)
        items = [_alert(alert, view) for alert, view in views]
        return tagged(request, {"ref": ref, "role": mine.role, "items": items})

    return found


def _is(told: Recipient, asking: Recipient, alert: Alert) -> bool:
    return told.role == asking.role and asking.team in (None, told.team) and told.role not in alert.gone


def _person(view: View) -> Mapping[str, Any]:
    fields = view.fields()
    return {name: fields[name] for name in ("lines", "timeline", "agreements", "policy")}


def _alert(alert: Alert, view: View) -> Mapping[str, Any]:
    """Without the rule's number, which can say more than the headline."""
    return {
        "alert_id": alert.alert_id,
        "raised_on": alert.raised_on.isoformat(),
        "due_on": alert.due_on.isoformat(),
        "severity": alert.severity,
        **view.fields(),
    }
