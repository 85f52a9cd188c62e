"""From an alert's life to facts on the log: ``alert.v1`` acts and the deliveries that tell of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.alerts.case import Case
from services.alerts.disclosure import View, disclose, taken_away
from services.alerts.routing import permitted
from services.alerts.sharing import Sharing
from services.alerts.state import Alert, Recipient
from spine.record import Effect

CHANNELS = ("inbox", "email")

#: Acts of which everybody on the alert is told by a message. Other acts show in the inbox when it is read.
TOLD = frozenset({"raised", "retracted", "escalated"})


def alert_id(*parts: str) -> str:
    """Deterministic identity of an alert: 32 hex digits."""
    return hashlib.sha256("\x1f".join(("alert", *parts)).encode()).hexdigest()[:32]


@dataclass(slots=True)
class Acts:
    """The acts of one step, in order."""

    sharing: Sharing
    person_id: str
    caused_by: str
    at: datetime
    effects: list[Effect] = field(default_factory=list)
    #: Why a role that the rule names is not told of an alert as it is raised, once for each such role.
    refused: list[str] = field(default_factory=list)

    def add(self, case: Case, alert: Alert, act: str, told: Sequence[Recipient] | None = None, once: str = "") -> None:
        """Publish an act with a view for each recipient; ``told`` narrows who gets a message of it, ``once`` names what
        is told once (default: the act)."""
        recipients = [r for r in alert.recipients if r.role not in alert.gone and permitted(case, r.role)]
        self.effects.append(self._alert(case, alert, act, recipients))
        if alert.test or (act not in TOLD and told is None):
            return
        for recipient in recipients if told is None else told:
            if recipient.role not in alert.gone and permitted(case, recipient.role):
                self.effects += self._deliveries(alert, act, recipient, once)

    def pull_back(self, case: Case, alert: Alert, gone: Sequence[Recipient], back: Sequence[Recipient]) -> None:
        """An update that takes an alert away from ``gone`` and gives it to ``back`` again; both get a message."""
        kept = [r for r in alert.recipients if r.role not in alert.gone and permitted(case, r.role)]
        effect = self._alert(case, alert, "updated", kept)
        empty = [_recipient(recipient, taken_away(self.sharing), gone=True) for recipient in gone]
        fields = {**effect.fields, "recipients": [*effect.fields["recipients"], *empty]}
        self.effects.append(replace(effect, fields=fields))
        if not alert.test:
            for recipient in (*gone, *back):
                # The cause is in the act: taken away a second time, it is told a second time.
                act = f"pulled_back:{self.caused_by}" if recipient in gone else f"given_back:{self.caused_by}"
                self.effects += self._deliveries(alert, "updated", recipient, act)

    def escalate(self, case: Case, alert: Alert, role: str) -> None:
        """Tell the owner's manager; the alert itself does not change."""
        manager = [Recipient(role)]
        self.effects.append(self._alert(case, alert, "escalated", manager))
        if not alert.test:
            self.effects += self._deliveries(alert, "escalated", manager[0])

    def _alert(self, case: Case, alert: Alert, act: str, recipients: Sequence[Recipient]) -> Effect:
        views = [(recipient, disclose(case, alert, recipient, self.sharing)) for recipient in recipients]
        fields = {
            "alert_id": alert.alert_id,
            "rule": alert.rule,
            "person_id": self.person_id,
            "act": act,
            "on": case.today,
            "at": self.at,
            "raised_on": alert.raised_on,
            "due_on": alert.due_on,
            "severity": alert.severity,
            "open": alert.open,
            "times": alert.times,
            "because": alert.because,
            "caused_by": self.caused_by,
            "test": alert.test,
            "recipients": [_recipient(recipient, view) for recipient, view in views],
            "policy": case.policy.version,
        }
        return Effect(topic="alerts", key=self.person_id, kind="alert.v1", fields=fields)

    def _deliveries(self, alert: Alert, act: str, recipient: Recipient, once: str = "") -> list[Effect]:
        """One for each channel. ``once`` (default: the act) names what is told once."""
        out = []
        for channel in CHANNELS:
            who = (recipient.role, recipient.team or "", recipient.worker or "")
            fields = {
                "delivery_id": alert_id("delivery", alert.alert_id, once or act, *who, channel),
                "alert_id": alert.alert_id,
                "role": recipient.role,
                "team": recipient.team,
                "worker": recipient.worker,
                "rule": alert.rule,
                "act": act,
                "due_on": alert.due_on,
                "severity": alert.severity,
                "channel": channel,
                "state": "created",
                "attempt": 0,
                "at": self.at,
                "reason": "",
            }
            out.append(Effect(topic="deliveries", key=alert.alert_id, kind="delivery.v1", fields=fields))
        return out


def _recipient(recipient: Recipient, view: View, *, gone: bool = False) -> dict[str, object]:
    who = {"role": recipient.role, "team": recipient.team, "worker": recipient.worker}
    return who | {"view": view.fields(), "gone": gone}
