"""What a party that asks is answered about somebody it knows by a reference of its own. The gate is the alerts' own.

An answer is a view as an alert has one (``services.alerts.disclosure``), without an alert: rows of agreements that are
bound to a rule open nothing here. A reference of which nobody, or more than one person, is meant gets the answer that
an unknown one gets. The row of access is written before the answer leaves, and where it can't be, nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from services.alerts.answers.beliefs import Known
from services.alerts.answers.door import Stop, caller
from services.alerts.answers.overreach import Tried, untold
from services.alerts.belief import Belief
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.disclosure import View, about, disclose
from services.alerts.earlier import believed
from services.alerts.routing import may_be_told
from services.alerts.state import Alert, Recipient, State
from spine.clock import LONDON, local_date
from spine.who.principal import Principal

DAY_CHARACTERS = len("2026-01-31")
_KNOWN = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, {"type": "null"}],
        "description": "As known at this moment; a bare day means its end in London. Not ahead.",
    }
)


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

    def known(self, person_id: str, moment: datetime) -> Known | None:
        """What was believed of somebody at a moment."""
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


class Dated(Question):
    """A question that may have two dates: of which day, and as known when. ``known`` stands first: ``on`` is held
    against it."""

    known: Annotated[datetime | None, _KNOWN] = None
    on: date | None = Field(None, description="Of which day the status is told; not after the day of knowing.")


def dated(clock: Callable[[], datetime]) -> type[Dated]:
    """The form that knows what is still ahead, so that every fault of a question is told at once."""

    class Asked(Dated):
        @field_validator("known", mode="before")
        @classmethod
        def moment_of(cls, given: object) -> datetime | None:
            return None if given is None else moment(given, clock())

        @field_validator("on")
        @classmethod
        def not_ahead(cls, on: date | None, info: ValidationInfo) -> date | None:
            if on is not None and on > local_date(info.data.get("known") or clock()):
                raise PydanticCustomError("ahead", "after the day of knowing")
            return on

    return Asked


def moment(given: object, now: datetime) -> datetime:
    """A moment that has come; a bare day means its end in London, or now. Raises PydanticCustomError."""
    try:
        read = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        read = None
    if read is None or (read.tzinfo is None and len(str(given)) != DAY_CHARACTERS):
        raise PydanticCustomError("moment_form", "a day, or a moment with its zone")
    if read.tzinfo is None and read.date() <= local_date(now):
        return min(now, datetime.combine(read, time(23, 59, 59, 999_999), LONDON).astimezone(UTC))
    if read.tzinfo is None or read > now:
        raise PydanticCustomError("ahead", "not known yet")
    return read.astimezone(UTC)


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

    def believed(self, belief: Belief, on: date, until: date) -> View:
        return believed(self.case, self.mine, self.settings.sharing, belief, on, until)

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
        return opened_by(question, who)

    def opening_at(question: Dated, who: Annotated[Principal, Depends(caller)]) -> tuple[Opened, Dated]:
        return opened_by(question, who), question

    # The form knows the clock of this router, so no annotation in text could name it.
    opening_at.__annotations__["question"] = dated(clock)

    def opened_by(question: Question, who: Principal) -> Opened:
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
    def person(asked: tuple[Opened, Dated] = Depends(opening_at)) -> Mapping[str, Any]:
        """With `on`, the status of that day; with `known`, status and timeline as the hub knew them at that moment (a
        bare day: at its end in London), by the agreements of today and without name and address, which are today's.
        `since`: from when it was known so; null where nothing is kept of then. `told_otherwise`: known otherwise today.
        `taken_back`: it was of another person, and is told to nobody."""
        opened, question = asked
        view = opened.view
        if view is None:
            raise Stop("not_found")
        known, on = question.known, question.on
        if known is None:
            on = on or opened.case.today
            if on != opened.case.today:
                view = of_day(opened, view, on)
            written(opened, "person" if on == opened.case.today else f"person on {on}", [view])
            return {"ref": opened.ref, "on": on.isoformat(), "role": opened.mine.role, **_person(view)}
        until = local_date(known)
        on = on or until
        then, answer = as_known(opened, held.known(opened.case.state.person_id, known), on, until)
        written(opened, f"person on {on} known {known.isoformat()}", [then])
        said = {"ref": opened.ref, "on": on.isoformat(), "known": known.isoformat(), "role": opened.mine.role}
        return {**said, **answer, **_person(then)}

    @found.post("/v1/people/alerts", summary="The open alerts about somebody that your team was told of")
    def alerts(opened: Opened = Depends(opening)) -> Mapping[str, Any]:
        told = opened.told()
        if not told and opened.view is None:
            raise Stop("not_found")
        written(opened, "alerts", [view for _, view in told])
        items = [_alert(alert, view) for alert, view in told]
        return {"ref": opened.ref, "role": opened.mine.role, "items": items}

    return found


def of_day(opened: Opened, view: View, on: date) -> View:
    """The view with the status of another day than today, as it is known now."""
    then = opened.believed(opened.case.belief, on, opened.case.today)
    kept = tuple(line for line in view.lines if line.category in ("identity", "contact"))
    agreements = tuple(sorted({*view.agreements, *then.agreements}))
    return replace(view, lines=(*kept, *then.lines), agreements=agreements)


def as_known(opened: Opened, known: Known | None, on: date, until: date) -> tuple[View, Mapping[str, Any]]:
    """The view of then, and what is to be said of it: since when, whether it is told otherwise now, or taken back."""
    belief = Belief() if known is None or known.belief is None else known.belief
    then, now = opened.believed(belief, on, until), opened.believed(opened.case.belief, on, until)
    if known is None or known.belief is None:
        # Not "not known": nothing is said of then.
        then = replace(then, lines=(), timeline=(), agreements=())
    return then, {
        "since": None if known is None else known.since.isoformat(),
        "told_otherwise": known is not None and (then.lines, then.timeline) != (now.lines, now.timeline),
        "taken_back": known is not None and known.belief is None,
    }


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
