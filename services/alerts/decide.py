"""One step of POLICY 5.1: close what has lost its ground, raise in the policy's order, close what is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time

from services.alerts import due, escalation, reopening, withdrawn, workers
from services.alerts.acts import Acts
from services.alerts.case import Case
from services.alerts.disclosure import seen_now
from services.alerts.learning import learn
from services.alerts.looks import allocated_otherwise, begun_by_a_fact, different
from services.alerts.policy import Policy
from services.alerts.raising import cooling, new_alert
from services.alerts.reading import Acted, Moved, News, Ticked, Told, millis
from services.alerts.reads import movable, moving, wanting
from services.alerts.routing import may_be_told, permitted, resolve
from services.alerts.rules import RULES
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.scope import care_ended, scope_ended
from services.alerts.settled import moved_by_one_kind, settled_until
from services.alerts.sharing import Sharing
from services.alerts.state import Alert, Recipient, Skip, State, but
from spine.clock import LONDON, local_date
from spine.record import Effect

TICK_AT = time(0, 30)
ROUNDS_MAX = 8

_OUTCOMES = {"done": RESOLVED, "declined": RESOLVED, "not_needed": STOOD_DOWN, "wrong_person": RETRACTED}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a decision depends on besides its state and its fact."""

    policy: Policy
    sharing: Sharing
    #: Of the rules' code: what one build has settled, another asks again.
    build: str = ""

    @property
    def name(self) -> str:
        """Under which rules and numbers a state is settled."""
        return f"{self.build}:{self.policy.hash}"


def decide(settings: Settings, state: State, news: News) -> tuple[State, list[Effect]]:
    """New state, and the acts and deliveries that follow from one fact."""
    held, acts = judge(settings, state, news)
    return held, acts.effects


def judge(settings: Settings, state: State, news: News) -> tuple[State, Acts]:
    """As ``decide``; the acts say besides why roles were not told."""
    today, at = moment(state, news)
    before, at_once = state.until_whole or state, state.until_whole is not None
    state = learn(state, news)
    case = Case(state, today, settings.policy)
    step = Step(case, Acts(settings.sharing, state.person_id, news.event_id, at), before, news, at, at_once)
    if isinstance(news, Moved):
        step.refresh()
    elif state.until_whole is not None:
        # Half of what one decision brought says nothing (POLICY P4), but nothing a worker does is lost.
        step.left_open = True
        step.apply_outcome()
    else:
        step.moved_by = "" if at_once else moved_by_one_kind(settings.name, before, state, news, today)
        step.run()
    # Copied once: a copy of the state costs as much as asking a rule.
    if step.touched or step.skipped:
        alerts, skips, shared = tuple(case.alerts), tuple(case.skips), withdrawn.noted(case, step.acts.effects)
        return but(case.state, alerts=alerts, skipped=skips, last_day=today, settled=None, shared=shared), step.acts
    settled = None if step.left_open else settled_until(settings.name, case, before, news, step.moved_by)
    return but(case.state, last_day=today, settled=settled), step.acts


def due_on(settings: Settings, state: State) -> date | None:
    """First day after the last one decided on which a tick could change something."""
    if state.last_day is None:
        return None
    if state.settled is not None and state.settled[1] == settings.name:
        first = state.settled[0]
    else:
        first = due.due_on(Case(state, state.last_day, settings.policy))
    # An agreement that ends takes back what stands open, on its day.
    turn = settings.sharing.next_turn(state.last_day) if any(alert.open for alert in state.alerts) else None
    return first if turn is None else min(first, turn)


def moment(state: State, news: News) -> tuple[date, datetime]:
    """(today, moment of the cause). A policy that moves brings no new day: the day's tick may still be due."""
    if isinstance(news, Moved):
        return (state.last_day or local_date(news.at)), news.at
    if isinstance(news, Ticked):
        at = datetime.combine(news.on, TICK_AT, LONDON).astimezone(UTC)
        day = news.on
    else:
        at, day = news.at, local_date(news.at)
    return (day if state.last_day is None else max(state.last_day, day)), at


@dataclass(slots=True)
class Step:
    """The phases of one step over one case."""

    case: Case
    acts: Acts
    before: State
    news: News
    at: datetime
    #: The last of several acts of one decision: ``before`` is the state before the first.
    at_once: bool = False
    touched: set[str] = field(default_factory=set)
    #: See ``moved_by_one_kind``.
    moved_by: str = ""
    skipped: bool = False
    #: A ground stands and was not raised now: it may be at the next fact.
    left_open: bool = False

    @property
    def narrow(self) -> bool:
        """Whether only what moved can change what a rule says. Once an alert has changed, each may say anything."""
        return bool(self.moved_by) and not self.touched and not self.skipped

    def asks(self, rule: Rule) -> bool:
        """Whether ``rule`` may say anything else than after the step before."""
        return not self.narrow or rule.id in movable(self.moved_by)

    def asked(self) -> Iterator[Rule]:
        """The rules to ask for a ground, in their order."""
        kinds, believed = self.case.kinds, self.case.believed
        after = 0
        if self.narrow:
            for place, rule in moving(kinds, believed, self.moved_by):
                if not self.narrow:
                    break
                after = place + 1
                yield rule
            if self.narrow:
                return
        yield from wanting(kinds, believed)[after:]

    def run(self) -> None:
        self.move_away()
        self.apply_outcome()
        if scope_ended(self.case):
            for alert in [a for a in self.case.alerts if a.open and a.rule != "MR"]:
                self.close(alert, Closing(STOOD_DOWN, "out of scope"))
            # Nobody was asked: should they come back, each rule must be.
            self.left_open = True
            return
        self.close_lost()
        if self.may_raise():
            for rule in self.asked():
                self.raise_rule(rule)
        else:
            self.left_open = True
        if not any(alert.open for alert in self.case.alerts):
            return
        self.close_replaced()
        for alert in escalation.due(self.case):
            manager = self.case.policy.manager_of[alert.owner]
            self.put(replace(alert, escalated=True, former=workers.with_former(alert, [Recipient(manager)])))
            self.acts.escalate(self.case, alert, manager)
        self.reassign()
        self.refresh()

    # Closing

    def close_lost(self) -> None:
        for alert in [a for a in self.case.alerts if a.open]:
            closing = self.lost(alert) if self.asks(RULES[alert.rule]) else None
            if closing is not None:
                self.close(alert, closing)

    def lost(self, alert: Alert) -> Closing | None:
        """How an alert ends whose ground does not stand; None while it stands."""
        rule = RULES[alert.rule]
        closing = taken_back(self.case, alert) or rule.closing(self.case, alert)
        if closing is None and rule.custody_stands_down and self.case.in_custody:
            return Closing(STOOD_DOWN, "custody")
        if closing is None and rule.for_care and care_ended(self.case):
            return Closing(STOOD_DOWN, "no longer in care")
        return closing

    def close_replaced(self) -> None:
        for alert in [a for a in self.case.alerts if a.open]:
            rule = RULES[alert.rule]
            closing = rule.replaced(self.case, alert) if self.asks(rule) else None
            if closing is not None:
                self.close(alert, closing)

    def close(self, alert: Alert, closing: Closing, *, barred: bool = False) -> None:
        closed = replace(
            alert,
            outcome=closing.outcome,
            because=closing.because,
            closed_on=self.case.today,
            closed_ms=millis(self.at),
            barred=barred,
        )
        self.put(closed)
        told = workers.to_recall(closed) if closing.outcome == RETRACTED else None
        self.acts.add(self.case, closed, closing.outcome, told)

    def move_away(self) -> None:
        """Observations went to another person, and the safeguarding alert on them went with them."""
        if not isinstance(self.news, Told) or (self.news.cause != "withdrawn" and not self.at_once):
            return
        lost = {fact.event_id for fact in self.before.facts} - {fact.event_id for fact in self.case.state.facts}
        for alert in [a for a in self.case.alerts if a.open and a.rule == "A36"]:
            if not lost.isdisjoint((alert.matter, *alert.folded)):
                moved = replace(alert, outcome="moved", closed_on=self.case.today, closed_ms=millis(self.at))
                self.put(moved)
                self.acts.add(self.case, moved, "moved")

    # Raising

    def may_raise(self) -> bool:
        """Timers fire on working days only; an event may raise on any day."""
        return not isinstance(self.news, Ticked) or self.case.policy.calendar.is_working(self.case.today)

    def raise_rule(self, rule: Rule) -> None:
        case, ground = self.case, rule.ground(self.case)
        # Most have none, and cost no more than the question.
        if ground is None or (rule.silent_in_custody and case.in_custody):
            return
        if rule.by_event and isinstance(self.news, Ticked) and not begun_by_a_fact(case):
            self.left_open = True
            return
        for _ in range(ROUNDS_MAX + (len(case.state.facts) if self.at_once else 0)):
            if not self.is_news(rule, ground):
                self.left_open = True
                return
            open_alert = case.open_alert(rule.id) if rule.id != "MR" else None
            if ground.skip:
                self._skip(rule, ground)
            elif open_alert is None:
                if cooling(case, rule) or not self._raise(rule, ground):
                    self.left_open = True
                    return
            elif ground.matter in (open_alert.matter, *open_alert.folded):
                return
            else:
                self._fold(open_alert, ground)
            ground = rule.ground(case)
            if ground is None:
                return

    def is_news(self, rule: Rule, ground: Ground) -> bool:
        """On a free day only what this event brought about; what a timer brought about waits for a working day."""
        case = self.case
        if case.policy.calendar.is_working(case.today):
            return True
        earlier = Case(replace(self.before, last_day=case.today), case.today, case.policy)
        then = rule.ground(earlier)
        return then is None or then.matter != ground.matter

    def _skip(self, rule: Rule, ground: Ground) -> None:
        self.skipped = True
        self.case.skips.append(Skip(rule.id, ground.tag, ground.anchor or self.case.today, self.case.today))

    def _fold(self, alert: Alert, ground: Ground) -> None:
        evidence = tuple(dict.fromkeys((*alert.evidence, *ground.evidence)))
        folded = replace(alert, times=alert.times + 1, folded=(*alert.folded, ground.matter), evidence=evidence)
        self.put(folded)
        self.acts.add(self.case, folded, "updated")

    def _raise(self, rule: Rule, ground: Ground) -> bool:
        alert = new_alert(self.case, rule, ground, self.acts)
        if not alert.recipients:
            return False
        self.case.alerts.append(alert)
        self.touched.add(alert.alert_id)
        told = [r for r in alert.recipients if r.role not in ground.told]
        self.acts.add(self.case, alert, "raised", told)
        closing = rule.closing(self.case, alert)
        if closing is not None:
            # Only a record that was linked after its matter was settled gets here: its alert ends as it arrives.
            self.close(alert, closing)
        return True

    # Workers

    def apply_outcome(self) -> None:
        """Acknowledge, outcome, wrong person, assign, snooze; or an outcome that a partner recorded."""
        news = self.news
        seen = news.seen if isinstance(news, Told) and news.cause == "observed" else None
        if seen is not None and seen.type == "alert.outcome_recorded":
            alert = self.case.open_alert(seen.text("rule"))
            if alert is not None:
                self._outcome(alert, seen.text("outcome"))
        if not isinstance(news, Acted):
            return
        alert = next((a for a in self.case.alerts if a.alert_id == news.alert_id), None)
        if alert is not None and news.verb == "reopen":
            self._reopen(alert, news)
        if alert is None or not alert.open:
            return
        if news.verb == "ask_review":
            self.case.state = workers.with_review_asked(self.case.state, alert, news.event_id)
        elif news.verb == "acknowledge" and not alert.acknowledged:
            self.put(replace(alert, acknowledged=True))
            self.acts.add(self.case, replace(alert, acknowledged=True), "acknowledged")
        elif news.verb == "outcome":
            self._outcome(alert, news.value)
        elif news.verb == "wrong_person":
            self._outcome(alert, "wrong_person")
        elif (later := workers.acted(self.case, alert, news)) is not None:
            self.put(later)
            self.acts.add(self.case, later, "updated", [r for r in later.recipients if r not in alert.recipients])

    def _reopen(self, alert: Alert, news: Acted) -> None:
        if not reopening.askable(alert, news.role, news.value):
            return
        again = reopening.reopened(alert)
        ended = scope_ended(self.case) or self.lost(again) is not None
        why = reopening.stays_closed(self.case, alert, ended=ended)
        if why:
            self.acts.add(self.case, replace(alert, because=why), "kept_closed")
            return
        self.put(again)
        others = [r for r in again.recipients if r.role != news.role]
        self.acts.add(self.case, again, "reopened", others, f"reopened:{news.event_id}")

    def _outcome(self, alert: Alert, word: str) -> None:
        outcome = _OUTCOMES.get(word)
        if outcome is None:
            return
        wrong = word == "wrong_person"
        if wrong:
            reviews = {**self.case.state.reviews, f"wrong-person:{alert.alert_id}": False}
            self.case.state = replace(self.case.state, reviews=reviews)
        elif alert.rule == "MR":
            reviews = {k: v for k, v in self.case.state.reviews.items() if k != alert.matter}
            self.case.state = replace(self.case.state, reviews=reviews)
        self.close(alert, Closing(outcome, f"outcome {word}"), barred=wrong)

    # Keeping

    def put(self, alert: Alert) -> None:
        self.touched.add(alert.alert_id)
        for index, held in enumerate(self.case.alerts):
            if held.alert_id == alert.alert_id:
                self.case.alerts[index] = alert

    def reassign(self) -> None:
        """The same roles, but the worker who now holds the case: a standing alert follows, and says so.

        Also on the day after the last day of an allocation, when nobody says anything: then the duty desk has it.
        """
        standing = [a for a in self.case.alerts if a.open and a.alert_id not in self.touched]
        if not standing or not (self.at_once or allocated_otherwise(self.case, self.before, self.news)):
            return
        for alert in standing:
            ground = Ground(alert.matter, alert.because, alert.evidence, source=alert.source)
            recipients = tuple(resolve(self.case, r.role, ground) for r in alert.recipients)
            if recipients != alert.recipients:
                lost = [r for r in alert.recipients if r not in recipients]
                handed = replace(alert, recipients=recipients, former=workers.with_former(alert, lost))
                self.put(handed)
                self.acts.add(self.case, handed, "updated", [r for r in recipients if r not in alert.recipients])

    def refresh(self) -> None:
        """Recipients of a standing alert get new views when what they may see has changed."""
        standing = [a for a in self.case.alerts if a.open and a.rule != "MR"]
        anew = bool(standing) and (self.at_once or different(self.case, self.before, self.news, self.acts.sharing))
        for alert in standing:
            if alert.shown and not anew:
                continue
            told = tuple(r for r in alert.recipients if may_be_told(self.case, alert, r.role, self.acts.sharing))
            gone = tuple(sorted(r.role for r in alert.recipients if r not in told))
            asked = alert if told == alert.recipients else replace(alert, recipients=told)
            now = seen_now(self.case, asked, self.acts.sharing)
            fresh = alert
            if now != alert.shown or gone != alert.gone:
                fresh = replace(alert, shown=now, gone=gone)
                known = bool(alert.shown) and alert.alert_id not in self.touched
                self.put(fresh)
                if gone != alert.gone:
                    taken = [r for r in alert.recipients if r.role in gone and r.role not in alert.gone]
                    self.acts.pull_back(self.case, fresh, taken, [r for r in told if r.role in alert.gone])
                elif known:
                    self.acts.add(self.case, fresh, "updated")
            if alert.recipients and not any(permitted(self.case, r.role) for r in alert.recipients):
                # An agreement that is suspended or has ended may come again; a consent that ended leaves nobody to
                # whom this alert could still matter. Whichever came first.
                self.close(fresh, Closing(STOOD_DOWN, "nobody may be told"))


def taken_back(case: Case, alert: Alert) -> Closing | None:
    """The event that an alert was about was retracted by its source, or proved to be about somebody else."""
    if alert.matter not in alert.evidence[:1] or case.fact(alert.matter) is not None:
        return None
    return Closing(RETRACTED, "the event was taken back")
