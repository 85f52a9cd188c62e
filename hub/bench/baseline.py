"""``python -m hub.bench.baseline TOPIC``: one hop of the bare loop in this machine's hub, its figures printed.

consume(500), decode, encode, produce, flush, commit: what any consumer in Python pays for these records, with no
decision, no journal and no order of publication to keep. It runs over what the hub's run left on the topic.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hub.layout import Home, schemas_folder
from hub.up.record import read_run
from spine.kafka import Broker
from spine.registry import use_registry
from spine.schema import Catalogue

BATCH = 500


def run_hops(topics: Sequence[str]) -> dict[str, dict[str, Any]]:
    """All hops at once, a process each, as the hub runs its services."""
    commands = [[sys.executable, "-m", "hub.bench.baseline", topic] for topic in topics]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    found: dict[str, dict[str, Any]] = {}
    for topic, process in zip(topics, running, strict=True):
        out, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the bare loop over {topic} failed")
        found[topic] = json.loads(out)
    return found


def hop(at: Broker, registry: str, topic: str) -> Mapping[str, Any]:
    """Copy every record of ``topic`` to a topic of the bench's own, through its fields."""
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    catalogue = Catalogue([schemas_folder()])
    use_registry(catalogue, registry)
    admin = at.connect(AdminClient)
    partitions = len(admin.list_topics(topic, timeout=20).topics[topic].partitions)
    target = f"bench.{topic}.{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(target, partitions)])[target].result(30)
    consumer = at.connect(Consumer, {"group.id": target, "enable.auto.commit": False})
    producer = at.connect(Producer, {"acks": "all", "linger.ms": 2, "compression.type": "lz4"})
    places = [TopicPartition(topic, n, 0) for n in range(partitions)]
    left = sum(consumer.get_watermark_offsets(place, timeout=20)[1] for place in places)
    consumer.assign(places)
    done, began = 0, time.monotonic()
    while done < left:
        batch = consumer.consume(BATCH, 0.2)
        for message in batch:
            opened = catalogue.unframe(message.value())
            assert opened is not None
            kind, body = opened
            again = catalogue.frame(kind, catalogue.write(kind, catalogue.decode(kind, body)))
            producer.produce(target, again, message.key(), headers=message.headers())
        producer.flush()
        if batch:
            consumer.commit(asynchronous=False)
        done += len(batch)
    seconds = time.monotonic() - began
    consumer.close()
    admin.delete_topics([target])[target].result(30)
    return {"records": done, "seconds": round(seconds, 3), "per_second": round(done / seconds, 1) if seconds else None}


if __name__ == "__main__":
    held = read_run(Home.of_environment().run)
    assert held is not None, "no hub runs here"
    print(json.dumps(hop(held.administered(), held.addresses["registry"], sys.argv[1])))
