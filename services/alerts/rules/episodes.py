"""What A01 and A03 share: a NEET episode was established and it stands today."""

from __future__ import annotations

from services.alerts.case import Case, same_episode
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, SUPERSEDED, Closing, Ground
from services.alerts.state import Alert


def new_episode(case: Case, *rules: str) -> Ground | None:
    """Ground while today is a NEET day of an episode for which none of ``rules`` was raised."""
    episode = case.episode
    if episode is None or not case.in_neet or case.quiet or case.in_custody:
        return None
    if case.had_in_episode(episode, rules):
        return None
    evidence = neet_evidence(case)
    return Ground(f"episode:{episode.start}", "neet_episode", evidence, anchor=episode.start)


def neet_evidence(case: Case) -> tuple[str, ...]:
    """Facts that most likely established NEET: the contact, or the end of learning or work and the regime."""
    found = [
        case.latest("education.enrolment.withdrawn", "provision.ended", "employment.ended"),
        case.latest("contact.verified"),
        case.latest("uc.claim_started", "uc.regime_changed"),
    ]
    return tuple(fact.event_id for fact in found if fact is not None)


def episode_ended(case: Case, alert: Alert) -> Closing | None:
    """First EET day: resolved. Lapse: superseded. Never was an episode: retracted. Awaiting start leaves it open."""
    if not any(same_episode(alert, episode) for episode in case.belief.episodes):
        return Closing(RETRACTED, "the episode never was")
    if case.in_eet:
        return Closing(RESOLVED, "in education, employment or training")
    if case.in_custody:
        return Closing(STOOD_DOWN, "custody")
    if case.not_known:
        return Closing(SUPERSEDED, "status has lapsed")
    if case.episode is not None and not same_episode(alert, case.episode):
        return Closing(RESOLVED, "that episode is over")
    return None


def ended_by_eet(case: Case, alert: Alert) -> bool:
    """The episode that the alert spoke of has ended with an EET day, whatever came after."""
    return case.in_eet or (case.episode is not None and not same_episode(alert, case.episode))
