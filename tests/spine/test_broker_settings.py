"""As whom a process speaks to Kafka: settings from the environment to the client, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spine.errors import Halt
from spine.kafka import Broker, broker
from spine.settings import Settings

SECRET = "not-to-be-seen"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("PROTOCOL", "USER", "PASSWORD", "PASSWORD_FILE", "CA_FILE", "CERTIFICATE_FILE", "KEY_FILE"):
        monkeypatch.delenv(f"HUB_KAFKA_{name}", raising=False)
    monkeypatch.setenv("HUB_KAFKA", "kafka.example:9093")
    return monkeypatch


def test_without_more_words_a_broker_is_in_the_clear(environment: pytest.MonkeyPatch) -> None:
    assert Settings().broker == broker("kafka.example:9093")
    assert Settings().broker.client() == {
        "bootstrap.servers": "kafka.example:9093",
        "security.protocol": "PLAINTEXT",
    }


def test_a_user_with_a_password_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "ca.pem").write_text("")
    environment.setenv("HUB_KAFKA_PROTOCOL", "sasl_ssl")
    environment.setenv("HUB_KAFKA_USER", "hub-matching")
    environment.setenv("HUB_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    environment.setenv("HUB_KAFKA_CA_FILE", str(tmp_path / "ca.pem"))
    assert Settings().broker.client({"client.id": "x"}) == {
        "bootstrap.servers": "kafka.example:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "hub-matching",
        "sasl.password": SECRET,
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.endpoint.identification.algorithm": "https",
        "client.id": "x",
    }
    assert Settings().broker.reader("matching") == "hub-matching.reader"


def test_a_client_certificate_with_its_key(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("HUB_KAFKA_PROTOCOL", "SSL")
    for name in ("CERTIFICATE", "KEY"):
        (tmp_path / name).write_text("")
        environment.setenv(f"HUB_KAFKA_{name}_FILE", str(tmp_path / name))
    made = Settings().broker.client()
    assert made["ssl.certificate.location"] == str(tmp_path / "CERTIFICATE")
    assert made["ssl.key.location"] == str(tmp_path / "KEY")
    assert made["ssl.endpoint.identification.algorithm"] == "https"
    assert "sasl.mechanism" not in made


def test_the_host_s_name_is_checked_whatever_a_caller_leaves_out() -> None:
    for protocol in ("SSL", "SASL_SSL"):
        made = Broker("x:1", protocol, "u" if "SASL" in protocol else "", SECRET if "SASL" in protocol else "").client()
        assert made["ssl.endpoint.identification.algorithm"] == "https"
        assert made.get("enable.ssl.certificate.verification", True) is True


def test_a_password_stands_in_no_repr_and_no_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUB_KAFKA_PASSWORD", SECRET)
    settings = Settings()
    assert SECRET not in repr(settings) and SECRET not in repr(settings.broker) and SECRET not in str(settings.broker)
    with pytest.raises(Halt) as raised:
        settings.broker.client()
    assert SECRET not in str(raised.value)
    environment.setenv("HUB_SESSION_MS", "soon")
    with pytest.raises(ValueError) as wrong:
        Settings()
    assert SECRET not in str(wrong.value)


def test_every_fault_is_named_at_once_with_its_variable() -> None:
    held = Broker("x:1", "SASL_SSL", ca_file="/none/ca.pem", key_file="/none/key.pem")
    assert held.faults() == [
        "SASL_SSL needs HUB_KAFKA_USER",
        "SASL_SSL needs HUB_KAFKA_PASSWORD_FILE or HUB_KAFKA_PASSWORD",
        "HUB_KAFKA_CERTIFICATE_FILE, _KEY_FILE: both or none",
        "HUB_KAFKA_CA_FILE names no file: /none/ca.pem",
        "HUB_KAFKA_KEY_FILE names no file: /none/key.pem",
    ]
    with pytest.raises(Halt, match=r"HUB_KAFKA_USER; .*HUB_KAFKA_PASSWORD_FILE or "):
        held.client()


def test_a_password_that_would_be_sent_to_nobody_is_a_fault() -> None:
    assert Broker("x:1", password=SECRET).faults() == ["a password is given, but PLAINTEXT sends none: use SASL_SSL"]


def test_a_protocol_that_does_not_exist_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUB_KAFKA_PROTOCOL", "tls")
    with pytest.raises(Halt, match="HUB_KAFKA_PROTOCOL is one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"):
        Settings().broker.client()


def test_a_password_file_that_can_t_be_read_halts(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("HUB_KAFKA_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(Halt, match=r"HUB_KAFKA_PASSWORD_FILE .*No such file"):
        _ = Settings().broker
