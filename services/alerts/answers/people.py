"""What a party that asks is answered about somebody it knows by a reference of its own. The gate is the alerts' own.

An answer is a view as an alert has one (``services.alerts.disclosure``), without an alert: rows of agreements that are
bound to a rule open nothing here. A reference of which nobody, or more than one person, is meant gets the answer that
an unknown one gets. The row of access is written before the answer leaves, and where it can't be, nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.alerts.answers.door import Stop, caller
from services.alerts.answers.overreach import Tried, untold
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.disclosure import View, about, disclose
from services.alerts.routing import may_be_told
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


class Question(BaseModel):
    """What is asked. In a body: a reference is personal data, and addresses are written down on their way."""

    model_config = ConfigDict(extra="forbid")

    ref: str = Field(min_length=1, max_length=200, description="Your own reference, as you send it in source_ref.")
    role: str = Field("", max_length=100, description="One of your team's roles; the first of them if you name none.")


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody whom the caller may ask about, as whom it asks, and what holds now."""

    who: Principal
    mine: Recipient
    ref: str
    case: Case
    settings: Settings

    @property
    def view(self) -> View | None:
        return about(self.case, self.mine, self.settings.sharing)

    def told(self) -> list[tuple[Alert, View]]:
        """Open alerts that the role was told of and may still be told of today."""
        sharing = self.settings.sharing
        return [
            (alert, disclose(self.case, alert, recipient, sharing))
            for alert in self.case.alerts
            if alert.open
            for recipient in alert.recipients
            if _is(recipient, self.mine, alert) and may_be_told(self.case, alert, recipient.role, sharing)
        ]


def router(
    held: Held, asked_of: Callable[[str], Asked | None], clock: Callable[[], datetime], tried: Tried = untold
) -> APIRouter:
    """Routes about people. ``asked_of``: as whom a party asks; None for one that no team stands for. ``tried`` hears
    who asks as a role that is not its own."""
    found = APIRouter()

    def opening(question: Question, who: Annotated[Principal, Depends(caller)]) -> Opened:
        team, role = asked_of(who.party), question.role
        # What is known of real people is nothing for test keys.
        if who.test or team is None or not team.roles:
            raise Stop("not_found")
        if role and role not in team.roles:
            # As many people as are asked about, as many tries: a role misspelt in one question is one.
            tried(who, "role", f"{question.ref}\x1f{role}")
            raise Stop("not_found")
        state = held.meant(who.party, question.ref)
        if state is None or state.belief is None:
            raise Stop("not_found")
        settings, today = held.settings(), local_date(clock())
        case = Case(state, max(today, state.last_day or today), settings.policy)
        return Opened(who, Recipient(role or team.roles[0], team.team or None), question.ref, case, settings)

    def written(opened: Opened, asked: str, views: Sequence[View]) -> None:
        relied = ",".join(sorted({agreement for view in views for agreement in view.agreements}))
        whom, digest = opened.case.state.person_id, opened.settings.sharing.digest
        held.write_down(
            Shown(clock(), opened.who.party, opened.who.name, opened.mine.role, whom, asked, relied, digest)
        )

    @found.post("/v1/people/person", summary="What your agreements let you read of somebody, by your own reference")
    def person(opened: Opened = Depends(opening)) -> Mapping[str, Any]:
        view = opened.view
        if view is None:
            raise Stop("not_found")
        written(opened, "person", [view])
        on = opened.case.today.isoformat()
        return {"ref": opened.ref, "on": on, "role": opened.mine.role, **_person(view)}

    @found.post("/v1/people/alerts", summary="The open alerts about somebody that your team was told of")
    def alerts(opened: Opened = Depends(opening)) -> Mapping[str, Any]:
        told = opened.told()
        if not told and opened.view is None:
            raise Stop("not_found")
        written(opened, "alerts", [view for _, view in told])
        items = [_alert(alert, view) for alert, view in told]
        return {"ref": opened.ref, "role": opened.mine.role, "items": items}

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
