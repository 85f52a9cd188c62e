"""The rights of the contract, as a real broker with an authorizer grants and refuses them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from hub.backup.rewind import rewind, standings
from hub.machine import kafka
from hub.machine.process import MachineError
from hub.topics import read_topics
from hub.whole_topic import records_of
from spine.errors import Retry
from spine.headed import Head
from spine.kafka import Broker, KafkaLog
from tests.hub.topics.conftest import QUIET, ROOT, Secure, reading, write, writing

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("secure-broker")]

A, B = "northvale-college", "southmere-college"
REFUSED = "TOPIC_AUTHORIZATION_FAILED"
TOPICS = read_topics(ROOT / "contracts")


def frame(kind: str, body: bytes) -> bytes:
    return body


def allowed(secure: Secure, broker: Broker) -> dict[str, set[str]]:
    """What the broker itself says that a user may do, by topic; without those that it may not even see."""
    names = [topic.name for topic in TOPICS]
    admin = secure.admin(broker)
    asked = admin.describe_topics(TopicCollection(names), include_authorized_operations=True)
    found: dict[str, set[str]] = {}
    for name, future in asked.items():
        try:
            found[name] = {operation.name.lower() for operation in future.result(20).authorized_operations or ()}
        except KafkaException as error:
            assert error.args[0].name() == REFUSED, (name, error)
    return found


def test_the_second_time_there_is_nothing_to_do(secure: Secure) -> None:
    assert secure.topics("plan")[0] == 0
    code, answer = secure.topics("apply")
    assert (code, answer["changes"], answer["left"], answer["authorizer"]) == (0, [], [], True)
    assert answer["password_files"] == {}


def test_passwords_are_in_private_files_and_each_is_another(secure: Secure) -> None:
    files = sorted(secure.passwords.glob("*.password"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(secure.passwords.stat().st_mode) == 0o700
    assert len({path.read_text() for path in files}) == len(files) > 25


def test_every_user_may_do_what_the_contract_says_and_nothing_else(secure: Secure) -> None:
    parties = {topic.party for topic in TOPICS} - {""}
    services = {name for topic in TOPICS for name in (*topic.readers, *topic.writers)} - parties
    for service in sorted(services):
        wanted: dict[str, set[str]] = {}
        for topic in TOPICS:
            mine = {"write"} if service in topic.writers else set()
            mine |= {"read"} if service in topic.readers else set()
            if mine or service == "operator":
                # Who may read or write may describe.
                wanted[topic.name] = mine | {"describe"}
        assert allowed(secure, secure.user(f"hub-{service}")) == wanted, service
    for party in sorted(parties):
        mine = allowed(secure, secure.user(f"partner-{party}"))
        assert mine == {f"partner.{party}": {"write", "describe"}}, party


def test_a_partner_writes_its_own_topic(secure: Secure) -> None:
    assert writing(secure.user(f"partner-{A}"), f"partner.{A}") == ""


def test_a_partner_can_not_write_another_s_topic_or_the_hub_s(secure: Secure) -> None:
    for topic in (f"partner.{B}", "submissions", "observations"):
        assert writing(secure.user(f"partner-{A}"), topic) == REFUSED, topic


def test_a_partner_can_not_read_its_own_topic_or_any(secure: Secure) -> None:
    assert writing(secure.user(f"partner-{A}"), f"partner.{A}") == ""
    for topic in (f"partner.{A}", f"partner.{B}", "alerts"):
        assert reading(secure.user(f"partner-{A}"), topic, "anything").endswith("AUTHORIZATION_FAILED"), topic


def test_a_partner_sees_no_topic_but_its_own(secure: Secure) -> None:
    admin = secure.admin(secure.user(f"partner-{A}"))
    assert set(admin.list_topics(timeout=20).topics) == {f"partner.{A}"}
    # Asked by name, another's topic looks as one that does not exist.
    for name in (f"partner.{B}", "partner.nobody"):
        assert admin.list_topics(name, timeout=20).topics[name].error.name() == REFUSED


def test_a_partner_can_not_make_a_topic_delete_its_own_or_see_groups(secure: Secure) -> None:
    admin = secure.admin(secure.user(f"partner-{A}"))
    calls: list[Any] = [
        *admin.create_topics([NewTopic("partner.mine", 1, 1)]).values(),
        *admin.delete_topics([f"partner.{A}"]).values(),
        *admin.describe_consumer_groups(["hub-ingest"]).values(),
    ]
    for future in calls:
        with pytest.raises(KafkaException) as raised:
            future.result(20)
        assert raised.value.args[0].name().endswith("AUTHORIZATION_FAILED")
    assert f"partner.{A}" in secure.admin().list_topics(timeout=20).topics


def test_a_partner_has_no_transaction(secure: Secure) -> None:
    producer = secure.user(f"partner-{A}").connect(Producer, QUIET, {"transactional.id": "mine"})
    with pytest.raises(KafkaException) as raised:
        producer.init_transactions(20)
    assert raised.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


def test_a_service_can_not_do_another_s_work(secure: Secure) -> None:
    assert writing(secure.user("hub-matching"), "submissions") == REFUSED
    assert writing(secure.user("hub-ingest"), "observations") == ""
    assert reading(secure.user("hub-status"), "observations", "hub-status") == REFUSED
    assert reading(secure.user("hub-matching"), "observations", "hub-matching") == ""


def test_a_service_can_not_sit_in_another_s_group(secure: Secure) -> None:
    consumer = secure.user("hub-console").connect(Consumer, QUIET, {"group.id": "hub-alerts"})
    consumer.subscribe(["statuses"])
    message = consumer.poll(20)
    consumer.close()
    assert message.error().name() == "GROUP_AUTHORIZATION_FAILED"


def test_the_operator_restores_without_a_right_over_services_groups(secure: Secure) -> None:
    """Which it has not, and needs not: services go by their journals. What may hold an order to erase it must read."""
    operator, ours = secure.user("hub-operator"), [topic for topic in TOPICS if topic.input_of and not topic.party]
    positions = {topic.input_of: {f"{topic.name}/0": 0} for topic in ours} | {"console": {"reviews/0": 0}}
    found = standings(operator, positions | {"ingest-door": {f"partner.{A}/0": 0}})
    assert {one.topic for one in found} == {topic.name for topic in ours} | {"reviews", f"partner.{A}"}
    assert set(rewind(operator, found)) == {f"hub-{one.service}" for one in found}
    assert rewind(secure.administrator(), found) == []
    log = KafkaLog(operator, frame, source="test")
    try:
        for topic in {one.topic for one in found} - {f"partner.{A}"}:
            assert writing(secure.administrator(), topic) == ""
            assert list(records_of(log, topic, 0)), topic
    finally:
        log.close()


def test_the_log_of_a_service_says_what_it_may_not_do(secure: Secure) -> None:
    log = KafkaLog(secure.user("hub-matching"), frame, source="matching")
    assert log.partitions("observations") == 2
    with pytest.raises(Retry, match=f"{REFUSED}: submissions"):
        log.partitions("submissions")
    log.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"password": "wrong"}, "_AUTHENTICATION"), ({"user": "nobody"}, "_AUTHENTICATION"), ({"ca_file": ""}, "_SSL")],
    ids=["password", "user", "authority"],
)
def test_who_is_not_known_is_refused_and_told_so(
    secure: Secure, wrong: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spine.kafka.METADATA_SECONDS_MAX", 3)
    log = KafkaLog(replace(secure.user("hub-matching"), **wrong), frame, source="matching")
    with pytest.raises(Retry, match=f"{said}, the broker does not take this user or certificate"):
        log.partitions("observations")
    log.close()


def test_a_broker_under_another_name_than_its_certificate_s_is_not_spoken_to(secure: Secure) -> None:
    held = secure.user("hub-matching")
    # The same socket, by a name that the certificate does not bear.
    elsewhere = replace(held, address=held.address.replace("127.0.0.1", "127.1"))
    with pytest.raises(KafkaException):
        secure.admin(elsewhere).list_topics(timeout=3)


def test_nobody_speaks_in_the_clear(secure: Secure) -> None:
    with pytest.raises(KafkaException):
        secure.admin(Broker(secure.administrator().address)).list_topics(timeout=2)


def test_a_certificate_gives_the_rights_of_its_name_and_no_others(secure: Secure) -> None:
    mine = kafka.by_certificate(secure.folder, f"partner-{A}")
    assert writing(mine, f"partner.{A}") == ""
    assert writing(mine, f"partner.{B}") == REFUSED
    assert allowed(secure, kafka.by_certificate(secure.folder, "partner-nobody")) == {}
    none = replace(mine, certificate_file="", key_file="")
    with pytest.raises(KafkaException):
        secure.admin(none).list_topics(timeout=2)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Head | None]]:
    """The head that the hub's database holds, as the test says."""
    held: dict[str, Head | None] = {"now": None}
    monkeypatch.setattr("hub.topics.command.head_kept_at", lambda url: held["now"])
    monkeypatch.setenv("HUB_POSTGRES", "postgresql://of-the-hub")
    yield held


@pytest.mark.parametrize("head_of", [("isa-2024-011", ""), ("", A)], ids=["its agreement", "the party"])
def test_a_suspension_shows_in_the_plan_and_stops_a_connected_producer(
    secure: Secure, head: dict[str, Head | None], head_of: tuple[str, str]
) -> None:
    producer = secure.user(f"partner-{A}").connect(Producer, QUIET, {"enable.idempotence": True})
    assert write(producer, f"partner.{A}") == ""
    agreements, parties = (tuple(filter(None, [name])) for name in head_of)
    head["now"] = Head(2, "", agreements, parties)
    code, answer = secure.topics("plan")
    shown = {(change["action"], change["name"], change["detail"]) for change in answer["changes"]}
    assert code == 4 and answer["suspensions_known"] is True and answer["head"] == 2
    assert shown == {
        ("revoke", f"User:partner-{A}", f"allow {operation} topic partner.{A}") for operation in ("write", "describe")
    }
    assert write(producer, f"partner.{A}") == "", "a plan changes nothing"
    assert secure.topics("apply")[0] == 0
    assert write(producer, f"partner.{A}") == REFUSED
    assert writing(secure.user(f"partner-{B}"), f"partner.{B}") == ""
    head["now"] = None
    assert secure.topics("apply")[0] == 0
    assert writing(secure.user(f"partner-{A}"), f"partner.{A}") == "", "with the password that it had"


def by_hand(principal: str, topic: str, operation: Any = AclOperation.READ) -> Any:
    return AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, principal, "*", operation, AclPermissionType.ALLOW
    )


def test_a_right_given_by_hand_is_shown_and_taken_and_others_are_left_alone(secure: Secure) -> None:
    made = [by_hand("User:hub-status", "observations"), by_hand("User:*", "alerts"), by_hand("User:backup", "alerts")]
    admin = secure.admin()
    for future in admin.create_acls(made).values():
        future.result(20)
    code, answer = secure.topics("plan")
    assert code == 4
    assert [(c["action"], c["name"]) for c in answer["changes"]] == [
        ("revoke", "User:*"),
        ("revoke", "User:hub-status"),
    ]
    assert [one["principal"] for one in answer["foreign"]] == ["User:backup"]
    assert secure.topics("apply")[0] == 0
    assert "observations" not in allowed(secure, secure.user("hub-status"))
    assert secure.topics("plan")[1]["foreign"] == [{"principal": "User:backup", "right": "allow read topic alerts"}]
    assert secure.topics("apply", "--foreign")[0] == 0
    assert secure.topics("plan")[1]["foreign"] == []


def test_a_password_is_rotated_and_the_old_one_refused(secure: Secure) -> None:
    before = secure.user("hub-ticker")
    code, answer = secure.topics("apply", "--rotate", "hub-ticker")
    assert code == 0 and list(answer["password_files"]) == ["hub-ticker"]
    after = secure.user("hub-ticker")
    assert after.password != before.password and after.password not in json.dumps(answer)
    assert "submissions" in secure.admin(after).list_topics(timeout=20).topics
    with pytest.raises(KafkaException):
        secure.admin(before).list_topics(timeout=3)
    assert [path.name for path in secure.passwords.glob("*.next")] == []
    assert secure.topics("apply", "--rotate", "hub-nobody")[0] == 2


def test_a_user_that_was_deleted_by_hand_gets_the_password_of_its_file_again(secure: Secure) -> None:
    from confluent_kafka.admin import ScramMechanism, UserScramCredentialDeletion

    gone = UserScramCredentialDeletion("hub-console", ScramMechanism.SCRAM_SHA_512)
    admin = secure.admin()
    for future in admin.alter_user_scram_credentials([gone]).values():
        future.result(20)
    assert secure.topics("plan")[1]["changes"] == [
        {"action": "add", "kind": "user", "name": "hub-console", "detail": "credentials"}
    ]
    assert secure.topics("plan", "--mtls")[0] == 0
    before = secure.user("hub-console")
    assert secure.topics("apply")[0] == 0
    assert "alerts" in secure.admin(before).list_topics(timeout=20).topics


def test_who_is_no_administrator_can_not_even_look(secure: Secure) -> None:
    code, answer = secure.topics("plan", broker=secure.user("hub-operator"))
    assert code == 1 and "does not let this user administer it" in answer["error"]


def test_an_administrator_with_a_wrong_password_is_told_so(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.topics.broker.ASK_SECONDS_MAX", 3)
    code, answer = secure.topics("plan", broker=replace(secure.administrator(), password="not-this-one"))
    assert code == 1 and "_AUTHENTICATION, the broker does not take this user" in answer["error"]


def test_a_topic_of_nobody_is_named_and_stays(secure: Secure) -> None:
    admin = secure.admin()
    admin.create_topics([NewTopic("partner.old-college", 1, 1)])["partner.old-college"].result(20)
    code, answer = secure.topics("apply")
    assert code == 3 and [one["name"] for one in answer["left"]] == ["partner.old-college"]
    assert "partner.old-college" in secure.admin().list_topics(timeout=20).topics
    admin.delete_topics(["partner.old-college"])["partner.old-college"].result(20)


def test_no_secret_stands_in_the_broker_s_settings_or_on_a_command_line(secure: Secure) -> None:
    password = secure.administrator().password
    assert password not in (secure.folder / "server.properties").read_text()
    assert password not in (secure.folder / "broker.log").read_text()
    # Not in the data: there the broker itself takes folders away meanwhile.
    keys = [path for path in kafka.tls_folder(secure.folder).rglob("*") if path.suffix in (".key", ".pem")]
    private = [path for path in keys if b"PRIVATE KEY" in path.read_bytes()]
    assert private and {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert os.access(secure.folder / "admin.password", os.R_OK)
    assert not (secure.folder / "format.args").exists()


def test_a_broker_made_secure_is_not_started_in_the_clear(secure: Secure) -> None:
    with pytest.raises(MachineError, match="was made secure and stays so"):
        kafka.start(secure.folder)
