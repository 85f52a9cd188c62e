"""What a party was refused under no agreement, and what somebody tried that their role may not, as facts under a key of
their own (A39, docs/adr/0014 and 0020); and how a breach is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from services.alerts import words
from services.alerts.belief import Belief
from services.alerts.case import Case
from services.alerts.reading import BREACH, OVERREACH, Breached
from services.alerts.state import Alert, Seen, State, with_fact, without_fact
from services.alerts.withdrawn import told_after

#: Different things tried in a day that are kept: more of them say nothing new.
TRIES_MAX = 50


def breached(state: State, news: Breached) -> State:
    state = state if state.belief is not None else replace(state, belief=Belief())
    return _tried(state, news.seen) if news.seen.type == OVERREACH else _refused(state, news.seen)


def _refused(state: State, seen: Seen) -> State:
    """One refusal of a kind is kept: ten thousand more of a batch say nothing new."""
    open_ones = _open_matters(state)
    same = [fact for fact in state.facts if fact.type == BREACH and fact.data == seen.data]
    if any(fact.event_id in open_ones for fact in same):
        return state
    for fact in same:
        state = without_fact(state, fact.event_id)
    return with_fact(state, seen, None)


def _tried(state: State, seen: Seen) -> State:
    """Each thing once a day; of days before, only what an open alert tells of."""
    told = {event_id for alert in state.alerts if alert.open for event_id in alert.evidence}
    of_day = [fact for fact in state.facts if fact.effective_on == seen.effective_on]
    if len(of_day) >= TRIES_MAX or any(fact.data["what"] == seen.data["what"] for fact in of_day):
        return state
    for fact in state.facts:
        if fact.effective_on < seen.effective_on and fact.event_id not in told:
            state = without_fact(state, fact.event_id)
    return with_fact(state, seen, None)


def _open_matters(state: State) -> set[str]:
    return {alert.matter for alert in state.alerts if alert.open} | {
        matter for alert in state.alerts if alert.open for matter in alert.folded
    }


def sentences(case: Case, alert: Alert, party: str) -> Iterator[str]:
    """What happened, without anything of a young person. ``party``: its name, where one is concerned."""
    evidence = [fact for event_id in alert.evidence if (fact := case.fact(event_id)) is not None]
    tries = [fact for fact in evidence if fact.type == OVERREACH]
    if tries:
        yield _of_tries(tries, party)
    elif case.about_a_feed:
        yield f"{party or 'A partner'}: {_of_refusals(case, alert, evidence)}"
    yield from _of_consent(case, {fact.event_id for fact in evidence})


def _of_refusals(case: Case, alert: Alert, facts: list[Seen]) -> str:
    """What was refused of a party, by type and reason; of a person nothing is known."""
    kinds = sorted({fact.text("type") for fact in facts} - {""})
    what = f"events of the type {words.listed(kinds)}" if kinds else "events"
    reasons = sorted({fact.text("reason") for fact in facts} or {alert.tag})
    known = [words.REFUSED[reason] for reason in reasons if reason in words.REFUSED]
    why = f": {words.listed(known)}" if known else ""
    return f"{what} were refused{why}. First on {words.day(alert.anchor or case.today)}."


def _of_tries(facts: list[Seen], party: str) -> str:
    who, roles = facts[0].text("who"), [words.role(role) for role in facts[0].text("role").split()]
    named = f"{party}, {who}" if party else who
    doings = sorted({words.TRIED.get(fact.text("doing"), "what is not theirs") for fact in facts})
    days = sorted({fact.effective_on for fact in facts})
    asked = f" as {words.listed(roles)}" if roles else ""
    on = words.listed([words.day(day) for day in days])
    return f"{named}{asked} was refused what the role may not on {on}: {words.listed(doings)}."


def _of_consent(case: Case, words_of_no: set[str]) -> Iterator[str]:
    """Which alerts were told after consent had ended, and when: to whom would say what the consent was for."""
    days: dict[tuple[str, str], list[str]] = {}
    for word, shared in told_after(case):
        if word.event_id in words_of_no:
            days.setdefault((words.day(word.effective_on), shared.alert_id), []).append(words.day(shared.on))
    for (ended, alert_id), on in sorted(days.items()):
        told = words.listed(list(dict.fromkeys(on)))
        yield f"Alert {alert_id} was told on {told}, after consent had ended on {ended}. It must not be used."
