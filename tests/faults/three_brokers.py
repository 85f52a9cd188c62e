"""A cluster of three real brokers on loopback: what is written stands on three, is acknowledged by two at least."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hub.machine import kafka
from hub.machine.ports import LOOPBACK, free_ports, wait_until
from hub.machine.process import alive, end, spawn, tail

COUNT = 3
HEAP = "256m"
START_SECONDS_MAX = 90
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
unclean.leader.election.enable=false
num.network.threads=2
num.io.threads=2
broker.session.timeout.ms=6000
replica.lag.time.max.ms=6000
log.dirs={data}
"""


@dataclass(slots=True)
class Cluster:
    """Three brokers that are controllers, too. ``kill`` and ``start`` one by its number, from 0."""

    folder: Path
    ports: list[int] = field(init=False)
    pids: list[int] = field(default_factory=lambda: [0] * COUNT)

    def __post_init__(self) -> None:
        ports = free_ports(2 * COUNT)
        self.ports = ports[:COUNT]
        voters = ",".join(f"{n + 1}@{LOOPBACK}:{port}" for n, port in enumerate(ports[COUNT:]))
        lib, cluster = kafka.jars(), kafka.cluster_id()
        formatting = []
        for n in range(COUNT):
            home = self._home(n)
            home.mkdir(parents=True)
            text = PROPERTIES.format(
                node=n + 1,
                voters=voters,
                host=LOOPBACK,
                port=ports[n],
                controller=ports[COUNT + n],
                data=home / "data",
            )
            (home / "server.properties").write_text(text)
            command = ["java", "-Xmx128m", "-cp", f"{lib}/*", "kafka.tools.StorageTool", "format", "-t", cluster]
            formatting.append(
                subprocess.Popen(
                    [*command, "-c", str(home / "server.properties")],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        assert [done.wait(60) for done in formatting] == [0] * COUNT

    @property
    def address(self) -> str:
        return ",".join(f"{LOOPBACK}:{port}" for port in self.ports)

    def start(self, *which: int) -> None:
        lib = kafka.jars()
        for n in which:
            home = self._home(n)
            java = ["java", f"-Xmx{HEAP}", f"-Dlog4j2.configurationFile={kafka.HERE / 'log4j2.xml'}"]
            command = [*java, "-cp", f"{lib}/*", "kafka.Kafka", str(home / "server.properties")]
            self.pids[n] = spawn(command, home / "broker.log", guard=os.getpid()).pid
        up = sum(alive(pid) for pid in self.pids if pid)
        assert wait_until(lambda: self.brokers() >= up, START_SECONDS_MAX, 0.3), tail(
            self._home(which[0]) / "broker.log"
        )

    def kill(self, n: int) -> None:
        """SIGKILL to the broker itself."""
        (java,) = psutil.Process(self.pids[n]).children()
        os.kill(java.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(self.pids[n]), 10)
        self.pids[n] = 0

    def stop(self) -> None:
        for pid in self.pids:
            if pid and alive(pid):
                end(pid, signal.SIGTERM, 5)

    def brokers(self) -> int:
        """How many the cluster believes to be up."""
        try:
            return len(self._admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return 0

    def leader(self, topic: str, partition: int) -> int:
        """Number of the broker that leads a partition; -1 while none does."""
        found = self._admin().list_topics(topic, timeout=10).topics[topic].partitions[partition]
        return int(found.leader) - 1

    def in_sync(self, topic: str) -> int:
        """The least number of replicas in sync of any partition."""
        partitions = self._admin().list_topics(topic, timeout=10).topics[topic].partitions
        return min(len(one.isrs) for one in partitions.values())

    def _admin(self) -> AdminClient:
        quiet = {"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2000}
        return AdminClient({**quiet, "error_cb": lambda error: None})

    def _home(self, n: int) -> Path:
        return self.folder / f"broker-{n}"
