"""What runs on one machine, and what each process is given. Containers run the same (tests/deploy)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.layout import Home
from hub.machine.ports import free_ports
from hub.topics import read_topics
from hub.up.plan import PORT_NAMES, Addresses, children
from hub.up.supervisor import Child

ROOT = Path(__file__).parents[2]


def plan(tmp_path: Path, *, demo: bool, registry: str = "") -> dict[str, Child]:
    ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    own = registry or f"http://127.0.0.1:{ports['registry']}"
    made = children(Home(tmp_path), Addresses("kafka:1", "postgresql://h/hub", own, ports), demo=demo)
    return {child.name: child for child in made}


def test_every_service_with_an_input_topic_is_started(tmp_path: Path) -> None:
    inputs = {topic.input_of for topic in read_topics(ROOT / "contracts") if topic.input_of}
    assert inputs <= plan(tmp_path, demo=True).keys()


def test_the_demo_has_a_mail_sink_and_a_simulated_clock_and_no_ticker(tmp_path: Path) -> None:
    demo, real = plan(tmp_path, demo=True), plan(tmp_path, demo=False)
    assert "mailsink" in demo and "ticker" not in demo
    assert "mailsink" not in real and "ticker" in real
    assert demo["door"].env["HUB_SIMULATED_CLOCK"] == "1"
    # The demo signs in as real use does, and lets nobody in by a name alone.
    assert demo["console"].env["HUB_OIDC_FILE"] == demo["sign-in"].env["HUB_OIDC_FILE"]
    assert "HUB_DEMO_SIGN_IN" not in demo["console"].env and "sign-in" not in real
    for child in real.values():
        assert not {"HUB_SIMULATED_CLOCK", "HUB_DEMO_SIGN_IN", "HUB_OIDC_FILE"} & child.env.keys(), child.name


def test_a_registry_given_by_address_is_used_instead_of_ours(tmp_path: Path) -> None:
    assert "registry" not in plan(tmp_path, demo=False, registry="http://registry.example:8081")


def test_only_those_that_open_what_is_sealed_are_given_the_key_encryption_key(tmp_path: Path) -> None:
    given = {name for name, child in plan(tmp_path, demo=True).items() if "HUB_KEK_FILE" in child.env}
    assert given == {"ingest", "matching", "status", "alerts", "console", "answers"}


def test_a_key_encryption_key_of_the_environment_is_the_one_that_services_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `hub sealing` does: otherwise the next start after `rewrap` would open nothing."""
    monkeypatch.setenv("HUB_KEK_FILE", "/run/secrets/kek")
    assert plan(tmp_path, demo=False)["ingest"].env["HUB_KEK_FILE"] == "/run/secrets/kek"
    monkeypatch.delenv("HUB_KEK_FILE")
    assert plan(tmp_path, demo=False)["ingest"].env["HUB_KEK_FILE"] == str(Home(tmp_path).kek)


def test_no_secret_stands_on_a_command_line(tmp_path: Path) -> None:
    for child in plan(tmp_path, demo=True).values():
        assert not any("postgresql://" in word or "key" in word for word in child.command[2:])


def test_each_process_bears_a_name_of_its_own_so_that_its_restart_takes_its_partitions_at_once(tmp_path: Path) -> None:
    made = plan(tmp_path, demo=False)
    assert {name: child.env["HUB_INSTANCE"] for name, child in made.items()} == {name: name for name in made}


def test_the_console_finds_the_reports_where_the_commands_of_this_hub_are_told_to_write_them(tmp_path: Path) -> None:
    assert plan(tmp_path, demo=False)["console"].env["HUB_REPORTS"] == str(Home(tmp_path).reports)


def test_the_files_door_and_its_server_share_folders_and_a_host_key_that_is_kept(tmp_path: Path) -> None:
    made, home = plan(tmp_path, demo=False), Home(tmp_path)
    for name in ("files", "sftp"):
        assert made[name].env["HUB_FILES"] == str(home.files)
    assert made["sftp"].env["HUB_SFTP_HOST_KEY"] == str(home.sftp_host_key)
    assert home.files not in home.sftp_host_key.parents, "emptying the folders keeps the key"
    assert made["sftp"].env["HUB_SFTP_PORT"] == str(made["sftp"].port)
    assert "HUB_FILES_QUIET_SECONDS" not in made["files"].env, "only the demo reads a file at once"


def test_on_a_broker_with_users_each_process_is_the_contract_s_and_none_the_administrator(tmp_path: Path) -> None:
    ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    secure = {"protocol": "SASL_SSL", "ca_file": "/ca.pem", "admin": "admin", "passwords": "/users"}
    addresses = Addresses("kafka:1", "postgresql://h/hub", f"http://127.0.0.1:{ports['registry']}", ports, secure)
    topics = read_topics(ROOT / "contracts")
    known = {f"hub-{name}" for topic in topics for name in (*topic.writers, *topic.readers)}
    for child in children(Home(tmp_path), addresses, demo=False):
        user = child.env["HUB_KAFKA_USER"]
        assert child.env["HUB_KAFKA_PROTOCOL"] == "SASL_SSL" and child.env["HUB_KAFKA_CA_FILE"] == "/ca.pem"
        # Inherited from the shell of whoever starts the hub, these would be the administrator's.
        given = ("PASSWORD", "CERTIFICATE_FILE", "KEY_FILE")
        assert {child.env[f"HUB_KAFKA_{name}"] for name in given} == {""}
        if child.name in ("registry", "sftp", "ledger"):
            assert user == "" and child.env["HUB_KAFKA_PASSWORD_FILE"] == ""
        else:
            assert user in known, child.name
            assert child.env["HUB_KAFKA_PASSWORD_FILE"] == f"/users/{user}.password"
