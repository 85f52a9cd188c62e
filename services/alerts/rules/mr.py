"""MR match review: a person must decide who a record is about. POLICY 4.3."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """Each open review, one alert. A safeguarding type among what is held makes it due the same day."""
    for review_id, safeguarding in sorted(case.state.reviews.items()):
        if not case.had("MR", review_id):
            sla = case.policy.number("MR", "sla_safeguarding") if safeguarding else None
            return Ground(review_id, "match_review", sla=sla)
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Linked, separated, or decided by a re-send: resolved."""
    return None if alert.matter in case.state.reviews else Closing(RESOLVED, "decided")


RULE = Rule("MR", ground, closing)
