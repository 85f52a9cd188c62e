"""Apache Kafka in KRaft mode, one node on loopback, from the artifacts on Maven Central.

The jars are fetched once into a cache folder (``HUB_CACHE``, default ``.hub/cache``) and checked against the
committed hashes before every start: a broker from unknown bytes is not started.

In the clear by default. Asked to be secure it speaks TLS only: SCRAM on one listener, client certificates on another,
an authorizer that denies what no access list allows, and one user above the lists, ``admin``, known from the first.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.machine.certificates import issue
from hub.machine.ports import LOOPBACK, free_ports, is_free, wait_until
from hub.machine.process import MachineError, Server, alive, end, spawn, tail
from hub.private import write_private
from spine.kafka import Broker

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
HASHES = HERE / "jars.json"
START_SECONDS_MAX = 60

ADMIN = "admin"

CLEAR = """\
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
"""
# The controller's listener asks for a certificate, too: whoever reached it in the clear would be above the lists.
SECURE = """\
listeners=SASL_SSL://{host}:{broker},SSL://{host}:{certificates},CONTROLLER://{host}:{controller}
advertised.listeners=SASL_SSL://{host}:{broker},SSL://{host}:{certificates}
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:SSL
inter.broker.listener.name=SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={tls}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={tls}/ca.pem
ssl.client.auth=required
listener.name.sasl_ssl.ssl.client.auth=none
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:broker;User:{admin}
"""
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
controller.listener.names=CONTROLLER
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


def start(folder: Path, *, heap: str = "1g", guard: int | None = None, secure: bool = False) -> Server:
    """Start the broker whose data lives in ``folder``; formats it first if it is new. Raises MachineError.

    ``guard`` is the id of a process that the broker must not outlive. Ports are chosen once and kept with the data,
    and so is whether it is ``secure``. The server's address is that of clients with a password.
    """
    if shutil.which("java") is None:
        raise MachineError(missing())
    lib = jars()
    folder.mkdir(parents=True, exist_ok=True)
    properties, log = folder / "server.properties", folder / "broker.log"
    if not properties.exists():
        _configure(properties, folder, secure=secure)
    ports = _ports(properties)
    if secure != ("SASL_SSL" in ports):
        kind = "in the clear" if secure else "secure"
        raise MachineError(f"the broker in {folder} was made {kind} and stays so: start it as before, or delete it")
    if secure:
        _identify(folder)
    java = ["java", f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", "-cp", f"{lib}/*"]
    if not (folder / "data" / "meta.properties").exists():
        _format(java, properties, admin_password(folder) if secure else "")
    for port in ports.values():
        if not is_free(port):
            raise MachineError(f"port {port} is taken; the broker in {folder} has it written in its metadata")
    process = spawn([java[0], f"-Xmx{heap}", *java[1:], "kafka.Kafka", str(properties)], log, guard=guard)
    broker = admin(folder)
    if not wait_until(lambda: _answers(broker) or process.poll() is not None, START_SECONDS_MAX) or process.poll():
        end(process.pid)
        raise MachineError(f"the broker did not start; its log ends:\n{tail(log)}")
    return Server(broker.address, process.pid, folder, log)


def admin(folder: Path) -> Broker:
    """The broker of ``folder`` as its administrator reaches it; anybody does, where it is in the clear."""
    ports = _ports(folder / "server.properties")
    if "PLAINTEXT" in ports:
        return Broker(f"{LOOPBACK}:{ports['PLAINTEXT']}")
    address = f"{LOOPBACK}:{ports['SASL_SSL']}"
    return Broker(address, "SASL_SSL", ADMIN, admin_password(folder), str(tls_folder(folder) / "ca.pem"))


def is_secure(folder: Path) -> bool:
    """Whether the broker whose data lives in ``folder`` was made secure."""
    properties = folder / "server.properties"
    return properties.exists() and "SASL_SSL" in _ports(properties)


def by_certificate(folder: Path, name: str) -> Broker:
    """The secure broker of ``folder`` as a client reaches it with a new certificate for ``name``."""
    held = issue(tls_folder(folder), name)
    address = f"{LOOPBACK}:{_ports(folder / 'server.properties')['SSL']}"
    return Broker(address, "SSL", "", "", str(held.authority), str(held.certificate), str(held.key))


def tls_folder(folder: Path) -> Path:
    return folder / "tls"


def admin_password(folder: Path) -> str:
    """Made on the first call and kept beside the data, for the owner's eyes only."""
    path = folder / "admin.password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text()


def stop(server: Server) -> None:
    """End the broker; its data stays."""
    if alive(server.pid):
        end(server.pid, seconds_max=30)


def _configure(properties: Path, folder: Path, *, secure: bool) -> None:
    broker, certificates, controller = free_ports(3)
    properties.write_text(
        ((SECURE if secure else CLEAR) + PROPERTIES).format(
            host=LOOPBACK,
            broker=broker,
            certificates=certificates,
            controller=controller,
            data=(folder / "data").absolute(),
            tls=tls_folder(folder).absolute(),
            admin=ADMIN,
        )
    )


def _identify(folder: Path) -> None:
    """A new certificate for the broker itself, at each start."""
    held = issue(tls_folder(folder), "broker")
    write_private(tls_folder(folder) / "keystore.pem", held.key.read_text() + held.certificate.read_text())


def _format(java: Sequence[str], properties: Path, password: str) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id(), "-c", str(properties)]
    words = properties.parent / "format.args"
    if password:
        # In a file of the owner's, one argument a line: a command line is there for everybody to see.
        write_private(words, f"--add-scram\nSCRAM-SHA-512=[name={ADMIN},password={password}]\n")
        command.append(f"@{words}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words.unlink(missing_ok=True)
    if done.returncode != 0:
        raise MachineError(f"the broker's storage could not be formatted: {done.stdout[-400:]}{done.stderr[-800:]}")


def cluster_id() -> str:
    """A random id as Kafka makes them. One that begins with a hyphen would be read as an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _ports(properties: Path) -> Mapping[str, int]:
    """Port of each listener by its name."""
    lines = dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line)
    listeners = (part.split("://", 1) for part in lines["listeners"].split(","))
    return {name: int(address.rpartition(":")[2]) for name, address in listeners}


def _answers(broker: Broker) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    quiet = {"log_level": 0, "socket.timeout.ms": 1000, "error_cb": lambda error: None}
    try:
        return bool(broker.connect(AdminClient, quiet).list_topics(timeout=1).brokers)
    except KafkaException:
        return False
