"""Real servers for the tests that need them: one broker and one database server a run, shared by all xdist workers.

Addresses in the environment win (HUB_KAFKA, HUB_POSTGRES); then testcontainers, where HUB_TEST_CONTAINERS=1 and a
Docker engine answers; then servers started here, on loopback. The first worker to ask starts a server, the main
process ends it; a guard ends it should the main process be killed.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import re
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from xdist.scheduler import LoadScopeScheduling

from hub.machine import kafka, postgres
from hub.machine.process import end

FOLDER = "HUB_TEST_SERVERS"
CACHE = Path(__file__).parents[1] / ".hub" / "cache"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="hub-tests-")
        os.environ["HUB_TEST_MAIN"] = str(os.getpid())


class ByFile(LoadScopeScheduling):
    """Tests of a file that builds something for all of them go to one worker, and so do files that name one group;
    the others go to whoever is free.

    In place of xdist's groups, which this pytest does not see: each worker started the whole hub for itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return _built_once(path) or nodeid


@functools.lru_cache(maxsize=4096)
def _built_once(path: str) -> str:
    """The name under which tests of the file go to one worker; empty if they need not."""
    file = Path(__file__).resolve().parents[1] / path
    text = file.read_text("utf-8") if file.is_file() else ""
    if named := re.search(r'xdist_group\("([^"]+)"\)', text):
        return named[1]
    return path if 'scope="module"' in text or "module_database" in text else ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes and changes seldom runs on demand: it must not keep every change waiting."""
    if os.environ.get("HUB_LONG_SUITE") == "1":
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="of the long suite: set HUB_LONG_SUITE=1"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or FOLDER not in os.environ:
        return
    folder = Path(os.environ.pop(FOLDER))
    for note in sorted(folder.glob("*.json")):
        # SIGINT is PostgreSQL's fast shutdown; the guard passes it on.
        end(json.loads(note.read_text())["pid"], signal.SIGINT)
    for server in ("kafka", "postgres"):
        postgres.remove(folder / server)
    shutil.rmtree(folder, ignore_errors=True)


def _once(name: str, begin: Callable[[Path, int], tuple[str, int]]) -> str:
    """Address of the run's server ``name``; ``begin(folder, main)`` starts it for the first that asks."""
    folder = Path(os.environ[FOLDER])
    note = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            address, pid = begin(folder / name, int(os.environ["HUB_TEST_MAIN"]))
            note.write_text(json.dumps({"address": address, "pid": pid}))
    return str(json.loads(note.read_text())["address"])


def _begin_kafka(folder: Path, main: int) -> tuple[str, int]:
    server = kafka.start(folder, heap="512m", guard=main)
    return server.address, server.pid


def _begin_postgres(folder: Path, main: int) -> tuple[str, int]:
    server = postgres.start(folder, volatile=True, guard=main)
    return server.address, server.pid


def _wants_containers() -> bool:
    if os.environ.get("HUB_TEST_CONTAINERS") != "1":
        return False
    import docker

    try:
        return bool(docker.from_env().ping())
    except docker.errors.DockerException:
        return False


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Bootstrap address of a real Apache Kafka. Topics outlive a test: give them names of their own."""
    if os.environ.get("HUB_KAFKA"):
        yield os.environ["HUB_KAFKA"]
        return
    if _wants_containers():
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer().with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    os.environ.setdefault("HUB_CACHE", str(CACHE))
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    yield _once("kafka", _begin_kafka)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a real PostgreSQL server's maintenance database."""
    if os.environ.get("HUB_POSTGRES"):
        yield os.environ["HUB_POSTGRES"]
        return
    if _wants_containers():
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:16", driver=None) as container:
            yield container.get_connection_url()
        return
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    yield _once("postgres", _begin_postgres)


@contextmanager
def _database(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    base, _, rest = postgres_url.rpartition("/")
    _, question, options = rest.partition("?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    yield f"{base}/{name}{question}{options}"
    # It may fail while another test's database goes away: what is left ends with the server.
    with psycopg.connect(postgres_url, autocommit=True) as connection, suppress(psycopg.errors.InternalError_):
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[str]:
    """URL of an empty database, dropped after the test."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(postgres_url: str) -> Iterator[str]:
    """URL of a database that the tests of one module share."""
    with _database(postgres_url) as url:
        yield url
