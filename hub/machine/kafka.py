"""Apache Kafka in KRaft mode, one node on loopback, from the artifacts on Maven Central.

The jars are fetched once into a cache folder (``HUB_CACHE``, default ``.hub/cache``) and checked against the
committed hashes before every start: a broker from unknown bytes is not started.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from hub.machine.ports import LOOPBACK, free_ports, is_free, wait_until
from hub.machine.process import MachineError, Server, alive, end, spawn, tail

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
HASHES = HERE / "jars.json"
START_SECONDS_MAX = 60

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.dirs={data}
"""


def cache_folder() -> Path:
    return Path(os.environ.get("HUB_CACHE", ".hub/cache")).absolute()


def missing() -> str:
    """Why a broker can't be started here, in words; empty if it can."""
    if shutil.which("java") is None:
        return "no Java: install a Java 17 runtime, or give HUB_KAFKA"
    if not _complete(cache_folder() / "kafka") and shutil.which("mvn") is None:
        return "no Maven to fetch Apache Kafka with: install maven, or give HUB_KAFKA"
    return ""


def jars() -> Path:
    """The folder of verified jars; fetches them if they are not there. Raises MachineError."""
    folder = cache_folder() / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(folder):
            _fetch(folder)
        _verify(folder)
    return folder


def _wanted() -> dict[str, str]:
    wanted: dict[str, str] = json.loads(HASHES.read_text())
    return wanted


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in _wanted())


def _fetch(folder: Path) -> None:
    reason = missing()
    if reason:
        raise MachineError(reason)
    for old in folder.glob("*.jar"):
        old.unlink()
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(f"Maven could not fetch Apache Kafka: {done.stdout[-800:]}{done.stderr[-400:]}")


def _verify(folder: Path) -> None:
    wanted = _wanted()
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise MachineError(f"jars that are not what {HASHES.name} says (delete {folder} to fetch anew): {wrong}")


def start(folder: Path, *, heap: str = "1g", guard: int | None = None) -> Server:
    """Start the broker whose data lives in ``folder``; formats it first if it is new. Raises MachineError.

    ``guard`` is the id of a process that the broker must not outlive. Ports are chosen once and kept with the data.
    """
    if shutil.which("java") is None:
        raise MachineError(missing())
    lib = jars()
    folder.mkdir(parents=True, exist_ok=True)
    properties, log = folder / "server.properties", folder / "broker.log"
    if not properties.exists():
        _configure(properties, folder / "data")
    java = ["java", f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", "-cp", f"{lib}/*"]
    if not (folder / "data" / "meta.properties").exists():
        _format(java, properties)
    bootstrap, controller = _addresses(properties)
    for port in (bootstrap, controller):
        if not is_free(port):
            raise MachineError(f"port {port} is taken; the broker in {folder} has it written in its metadata")
    process = spawn([java[0], f"-Xmx{heap}", *java[1:], "kafka.Kafka", str(properties)], log, guard=guard)
    address = f"{LOOPBACK}:{bootstrap}"
    if not wait_until(lambda: _answers(address) or process.poll() is not None, START_SECONDS_MAX) or process.poll():
        end(process.pid)
        raise MachineError(f"the broker did not start; its log ends:\n{tail(log)}")
    return Server(address, process.pid, folder, log)


def stop(server: Server) -> None:
    """End the broker; its data stays."""
    if alive(server.pid):
        end(server.pid, seconds_max=30)


def _configure(properties: Path, data: Path) -> None:
    broker, controller = free_ports(2)
    properties.write_text(PROPERTIES.format(host=LOOPBACK, broker=broker, controller=controller, data=data.absolute()))


def _format(java: Sequence[str], properties: Path) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id(), "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(f"the broker's storage could not be formatted: {done.stdout[-400:]}{done.stderr[-800:]}")


def cluster_id() -> str:
    """A random id as Kafka makes them. One that begins with a hyphen would be read as an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _addresses(properties: Path) -> tuple[int, int]:
    lines = dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line)
    broker, controller = (int(part.rsplit(":", 1)[1]) for part in lines["listeners"].split(","))
    return broker, controller


def _answers(address: str) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    quiet = {"bootstrap.servers": address, "log_level": 0, "socket.timeout.ms": 1000}
    try:
        return bool(AdminClient({**quiet, "error_cb": lambda error: None}).list_topics(timeout=1).brokers)
    except KafkaException:
        return False
