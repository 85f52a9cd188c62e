"""The client's side of a schema registry (Confluent REST): register a catalogue and take the registry's ids.

Subjects follow RecordNameStrategy: the subject is the record's full name (``eethub.Tick``), and the kinds ``tick.v1``,
``tick.v2`` are its versions, so that the registry checks each against its predecessors. Any registry that speaks the
subset will do: the hub's own (``spine.registry_service``), Karapace, Apicurio or Confluent's by address.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from spine.errors import Halt, Retry
from spine.schema import Catalogue

WAIT_SECONDS_MAX = 30
MEDIA = "application/vnd.schemaregistry.v1+json"


def subject_of(source: Mapping[str, Any]) -> str:
    """Full name of a schema's record."""
    space = source.get("namespace", "")
    return f"{space}.{source['name']}" if space else str(source["name"])


def in_order(catalogue: Catalogue) -> Iterator[str]:
    """Kinds by subject and number of version: v2 after v1, v10 after v9."""
    return iter(sorted(catalogue.sources, key=lambda kind: (kind.rpartition(".v")[0], _version(kind), kind)))


def use_registry(catalogue: Catalogue, url: str, *, wait_seconds_max: float = WAIT_SECONDS_MAX) -> None:
    """Register every schema of ``catalogue`` at ``url`` and take its ids.

    Waits for a registry that is starting. Raises Halt if it refuses a schema, Retry if it does not answer in time.
    """
    deadline = time.monotonic() + wait_seconds_max
    while True:
        try:
            with httpx2.Client(base_url=url, timeout=20, headers={"content-type": MEDIA}) as client:
                catalogue.use_ids(_register(client, catalogue))
                return
        except httpx2.TransportError as error:
            if time.monotonic() > deadline:
                raise Retry(f"registry: {type(error).__name__}") from error
            time.sleep(0.2)


def _register(client: httpx2.Client, catalogue: Catalogue) -> dict[str, int]:
    held = _held(client)
    ids: dict[str, int] = {}
    for kind in in_order(catalogue):
        source = catalogue.sources[kind]
        subject, text = subject_of(source), json.dumps(source)
        known = held.get((subject, _plain(text)))
        ids[kind] = known if known is not None else _post(client, kind, subject, text)
    if len(set(ids.values())) != len(ids):
        raise Halt("two kinds have the same schema: a framed id must name one kind")
    return ids


def _held(client: httpx2.Client) -> dict[tuple[str, str], int]:
    """What the registry holds already, in one request; registries without ``/schemas`` are asked one by one."""
    answer = client.get("/schemas", params={"latestOnly": "false"})
    if answer.status_code != 200:
        return {}
    return {(item["subject"], _plain(item["schema"])): int(item["id"]) for item in answer.json()}


def _post(client: httpx2.Client, kind: str, subject: str, text: str) -> int:
    answer = client.post(f"/subjects/{subject}/versions", content=json.dumps({"schema": text}))
    if answer.status_code >= 500:
        raise Retry(f"registry: status {answer.status_code}")
    if answer.status_code != 200:
        raise Halt(f"the registry refuses {kind} under {subject}: {answer.text[:500]}")
    return int(answer.json()["id"])


def _plain(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _version(kind: str) -> int:
    number = kind.rpartition(".v")[2]
    return int(number) if number.isdigit() else 0
