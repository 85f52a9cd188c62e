"""What it takes to bring a broker to the contract, and what is left to a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from hub.sharing import compile_policy
from hub.topics.contract import Topic, read_topics
from hub.topics.plan import (
    AddUser,
    Allow,
    Configure,
    Create,
    Grow,
    Held,
    HeldTopic,
    RemoveUser,
    Revoke,
    described,
    make_plan,
)
from hub.topics.rights import Desired, Right, desired

CONTRACTS = Path(__file__).parents[3] / "contracts"
TOPICS = read_topics(CONTRACTS)
WANTED = desired(TOPICS, compile_policy(CONTRACTS).content, None, date(2026, 1, 15))
ADMIN = frozenset({"admin"})
STATUSES = next(topic for topic in TOPICS if topic.name == "statuses")


def as_wanted(wanted: Desired = WANTED) -> Held:
    topics = {topic.name: HeldTopic(topic.partitions, topic.config, records=True) for topic in wanted.topics}
    return Held(topics, wanted.rights, wanted.users | ADMIN)


def with_topic(held: HeldTopic | None, topic: Topic = STATUSES) -> Held:
    topics = {name: one for name, one in as_wanted().topics.items() if name != topic.name}
    return replace(as_wanted(), topics=topics | ({topic.name: held} if held else {}))


def test_an_empty_broker_gets_everything_of_the_contract() -> None:
    plan = make_plan(WANTED, Held({}, frozenset(), ADMIN))
    assert {c.topic for c in plan.changes if isinstance(c, Create)} == set(TOPICS)
    assert {c.right for c in plan.changes if isinstance(c, Allow)} == WANTED.rights
    assert {c.user for c in plan.changes if isinstance(c, AddUser)} == WANTED.users
    assert plan.left == () and len(plan.changes) == len(TOPICS) + len(WANTED.rights) + len(WANTED.users)


def test_a_broker_that_is_as_the_contracts_say_needs_nothing() -> None:
    assert make_plan(WANTED, as_wanted()).changes == ()


def test_a_broker_without_an_authorizer_gets_its_topics_only() -> None:
    plan = make_plan(WANTED, Held({}))
    assert {type(change) for change in plan.changes} == {Create}


def test_a_right_given_by_hand_is_taken_and_one_taken_by_hand_is_given() -> None:
    drifted = Right("User:hub-status", "topic", "observations", "literal", "read")
    missing = Right("User:hub-matching", "topic", "observations", "literal", "read")
    held = replace(as_wanted(), rights=(WANTED.rights - {missing}) | {drifted})
    assert make_plan(WANTED, held).changes == (Revoke(drifted), Allow(missing))


def test_a_denial_set_by_hand_against_a_service_is_drift_too() -> None:
    denied = Right("User:hub-matching", "topic", "observations", "literal", "read", "deny")
    held = replace(as_wanted(), rights=WANTED.rights | {denied})
    assert make_plan(WANTED, held).changes == (Revoke(denied),)


def test_others_keep_their_rights_unless_told_and_are_named_where_they_reach_the_hub() -> None:
    backup = Right("User:backup", "topic", "*", "literal", "read")
    payroll = Right("User:payroll", "topic", "payroll", "literal", "write")
    held = replace(as_wanted(), rights=WANTED.rights | {backup, payroll})
    assert make_plan(WANTED, held).changes == ()
    assert make_plan(WANTED, held).foreign == (backup,)
    assert make_plan(WANTED, held, foreign=True).changes == (Revoke(backup),)


def test_what_everybody_may_do_on_the_hub_s_topics_is_taken_without_being_told() -> None:
    everybody = Right("User:*", "topic", "statuses", "literal", "read")
    elsewhere = Right("User:*", "topic", "payroll", "literal", "read")
    held = replace(as_wanted(), rights=WANTED.rights | {everybody, elsewhere})
    assert make_plan(WANTED, held).changes == (Revoke(everybody),)


def test_a_user_of_nobody_is_removed_and_other_people_s_users_stay() -> None:
    held = replace(as_wanted(), users=WANTED.users | {"partner-old-college", "hub-old", "payroll", "admin"})
    assert make_plan(WANTED, held).changes == (RemoveUser("hub-old"), RemoveUser("partner-old-college"))


def test_a_topic_with_records_is_not_grown_until_a_person_accepts_that_keys_move() -> None:
    full = with_topic(HeldTopic(2, STATUSES.config, records=True))
    assert make_plan(WANTED, full).changes == ()
    (left,) = make_plan(WANTED, full).left
    assert left.name == "statuses" and "keys would move" in left.reason
    assert make_plan(WANTED, full, accept={"statuses"}).changes == (Grow(STATUSES, 2),)
    assert make_plan(WANTED, with_topic(HeldTopic(2, STATUSES.config, records=False))).changes == (Grow(STATUSES, 2),)


def test_a_topic_is_never_made_smaller_whoever_accepts_it() -> None:
    plan = make_plan(WANTED, with_topic(HeldTopic(8, STATUSES.config, records=False)), accept={"statuses"})
    assert plan.changes == () and "has 8 partitions, the contract says 4" in plan.left[0].reason


def test_retention_is_lengthened_but_not_shortened_over_records() -> None:
    day = 86_400_000
    shorter = {**STATUSES.config, "retention.ms": str(day)}
    wanted = STATUSES.config["retention.ms"]
    plan = make_plan(WANTED, with_topic(HeldTopic(4, shorter, records=True)))
    assert plan.changes == (Configure(STATUSES, "retention.ms", str(day), wanted),)
    for held in (str(800 * day), "-1"):
        longer = {**STATUSES.config, "retention.ms": held}
        plan = make_plan(WANTED, with_topic(HeldTopic(4, longer, records=True)))
        assert plan.changes == () and "older ones would be deleted" in plan.left[0].reason
        accepted = make_plan(WANTED, with_topic(HeldTopic(4, longer, records=True)), accept={"statuses"})
        assert accepted.changes == (Configure(STATUSES, "retention.ms", held, wanted),)


def test_a_setting_changed_by_hand_is_set_back() -> None:
    compacted = {**STATUSES.config, "cleanup.policy": "compact"}
    (change,) = make_plan(WANTED, with_topic(HeldTopic(4, compacted, records=True))).changes
    assert described(change) == ("configure", "topic", "statuses", "cleanup.policy compact to delete")


def test_a_topic_of_a_partner_that_nobody_knows_is_named_and_stays() -> None:
    topics = {**as_wanted().topics, "partner.old-college": HeldTopic(1, {}, True), "payroll": HeldTopic(1, {}, True)}
    plan = make_plan(WANTED, replace(as_wanted(), topics=topics))
    assert plan.changes == () and [one.name for one in plan.left] == ["partner.old-college"]


def test_rights_are_taken_before_others_are_given() -> None:
    drifted = Right("User:hub-zzz", "topic", "observations", "literal", "read")
    plan = make_plan(WANTED, Held({}, frozenset({drifted}), frozenset()))
    kinds = [type(change) for change in plan.changes]
    assert kinds.index(Revoke) < kinds.index(Allow)
