"""The two open doors told the canaries: all that they answer, refuse and write for the partner."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import re
import shutil
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from starlette.testclient import TestClient
from typer.testing import CliRunner

from hub.quarantine import command
from hub.sharing import SharingPolicy, compile_policy
from services.ingest.agent import Opener, processor
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.kafka_door import PartnerCatalogue, PartnerDoor
from services.ingest.channels.quarantine import Quarantine
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.channels.redriving import Redriving
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Record
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Limits, SetAside, step
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import REDRIVE, SCOPES
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard, Secret, Secrets
from tests.adversary.canaries import Flock
from tests.adversary.world_of_canaries import CONTRACTS, SCHEMAS

HOOK = b"the secret of the college's webhooks"
RECEIVED = datetime(2026, 3, 2, 9, tzinfo=UTC)


def broken(event: dict[str, Any], number: int) -> dict[str, Any]:
    """The same event with values in wrong places: what partners get wrong, each with a canary at fault."""
    made = copy.deepcopy(event)
    made["id"] += "-wrong"
    said = made["data"]
    subject, name = said["subject"], "Qz" + event["id"]
    own = next((v for v in subject.values() if isinstance(v, str) and v.lower().startswith("qz")), name)
    match number % 8:
        case 0:
            said["effective_on"] = f"on {own}"
        case 1:
            said["data"] = dict.fromkeys(said["data"], own)
        case 2:
            said["data"][own] = own
            said[own] = {own: own}
        case 3:
            subject |= {"nhs_number": own, "nino": own, "upn": own, "uln": own, "date_of_birth": own, "sex": own}
        case 4:
            made["source"] = "northshire-health"
        case 5:
            made["id"] = f"{own} {own}"
        case 6:
            made["type"] = f"person. {own}"
        case 7:
            made |= {own: own, "time": own, "sequence": own, "specversion": own}
            said["withheld"] = [own, f"data.{own}"]
    return made


def _compiled(folder: Path) -> SharingPolicy:
    """The committed agreements, compiled into a contracts folder of their own."""
    compiled = compile_policy(CONTRACTS)
    (folder / "compiled").mkdir(parents=True)
    shutil.copy(CONTRACTS / "topics.yaml", folder)
    (folder / "compiled" / "policy.json").write_bytes(compiled.body)
    (folder / "compiled" / "head.json").write_text(json.dumps({"policy": compiled.policy_hash, "file": "policy.json"}))
    return compiled


def http_answers(flock: Flock, folder: Path) -> Iterator[tuple[str, bytes]]:
    """(boundary, bytes) of every answer, header by header, and of every refusal on the log."""
    catalogue, compiled = Catalogue([SCHEMAS], MemoryKeys()), _compiled(folder)
    sealer = Sealer(bytes(range(32)))
    log = MemoryLog(
        {"submissions": 1, "observations": 1, "refusals": 1, "statuses": 1, "quarantine": 1}, catalogue.frame
    )
    journal = MemoryJournal()
    gate = Gate(parse_policy(compiled.content, compiled.policy_hash), type_specs(catalogue.sources))
    parties = sorted({event["source"] for person in flock.people for event in person.events})
    keys = KeyRing(
        ApiKey(p, f"key-{n}", hashlib.sha256(p.encode()).digest(), "live", None, SCOPES | {REDRIVE})
        for n, p in enumerate(parties)
    )
    secrets = Secrets([Secret("northvale-college", "hook-1", HOOK, "live")])
    hearing = Hearing(lambda: keys, Heard(lambda: 0.0), secrets=lambda: secrets)
    appender = Appender(log)
    desk = Desk(Door(sealer, catalogue), gate, appender, JournalReceipts(journal), Recent())
    quarantine, opener = Quarantine(log, catalogue, desk.receipts), Opener(sealer, catalogue)
    redriving = Redriving(quarantine, opener, catalogue, gate, appender, 1_000)
    rate = Rate(PartyLimits(1_000_000, 1_000_000), lambda: 0.0)
    api = Api(desk, hearing, rate, lambda: RECEIVED, redriving=redriving)
    with TestClient(create_app(api)) as client:
        yield from _conversation(client, flock)
    ingest = processor(catalogue, folder, sealer, 1)
    step(log.read({("submissions", 0): 0}, 1_000_000), ingest, journal, catalogue, SetAside(Limits()))
    publish(journal, log)
    with TestClient(create_app(api)) as client:
        yield from _afterwards(client, flock)
    appender.close()
    yield from steward_reads(log, catalogue, journal, folder, sealer)
    for topic in ("refusals", "submissions"):
        for record in log.read({(topic, 0): 0}, 1_000_000):
            fact = catalogue.fact(record)
            yield topic, record.key.encode() + b"\n" + record.value + json.dumps(fact.fields, default=str).encode()


def _afterwards(client: TestClient, flock: Flock) -> Iterator[tuple[str, bytes]]:
    """What a partner reads of its own refusals once ingest has judged, and what wrong questions are answered."""
    for party in sorted({event["source"] for person in flock.people for event in person.events}):
        head = {"Authorization": f"Bearer {party}"}
        yield "http /v1/refusals", _whole(client.get("/v1/refusals", headers=head))
        rehearsed = client.post("/v1/refusals:redrive", json={"dry_run": True, "party": party}, headers=head)
        assert rehearsed.status_code == 200, rehearsed.text
        yield "http /v1/refusals:redrive", _whole(rehearsed)
        for event in [e for person in flock.people for e in person.events if e["source"] == party][:3]:
            yield "http receipt", _whole(client.get(f"/v1/receipts/{event['id']}-wrong", headers=head))
    raw, born = flock.people[1].values["family_name"], flock.people[1].values["date_of_birth"]
    # What can't stand in an address or a header at all, no client sends.
    name, head = re.sub("[^!-~]", "", raw), {"Authorization": "Bearer northvale-college"}
    place = urllib.parse.quote(raw, safe="")
    for answer in (
        client.get(f"/v1/receipts/{place}", headers=head),
        client.get(f"/v1/receipts/{place} {born}", headers=head),
        client.get(f"/v1/refusals?limit={place}", headers=head),
        client.get(f"/{place}/{born}", headers=head),
        client.delete(f"/v1/events?name={place}", headers=head),
        client.post("/v1/events", content=f"[{{}}, {raw}]", headers=head),
        client.post("/v1/events", content=b"x", headers={**head, "content-encoding": name}),
        client.post("/v1/events", content=json.dumps({"id": name * 40_000}), headers=head),
        client.post("/v1/events", json=[{"id": name}] * 501, headers=head),
        client.get("/v1/receipts/x", headers={"Authorization": f"Bearer {name}"}),
        client.get("/health", headers={"x-name": name}),
        client.get("/v1/openapi.json", headers=head),
        client.get("/v1/me", headers=head),
        client.get(f"/v1/terms?of={place}", headers=head),
        client.post("/v1/refusals:redrive", json={"ids": [raw], "by": [name], "reason": raw, raw: born}, headers=head),
        client.post("/v1/extracts", json={"id": raw, "shape": raw, raw: born}, headers=head),
        client.post("/v1/events", headers={"Authorization": f"Bearer {_token(name)}"}),
        client.post(f"/v1/webhooks/{place}", content=raw),
        client.post("/v1/webhooks/northvale-college", content=name, headers=_signed(name, name.encode())),
    ):
        yield f"http problem {answer.status_code}", _whole(answer)
    for n, person in enumerate(flock.people):
        for event in [e for e in person.events if e["source"] == "northvale-college"][:2]:
            said = {k: v for k, v in event.items() if k != "received_at"} | {"id": f"{event['id']}-hook"}
            body = json.dumps(broken(said, n)).encode()
            answer = client.post("/v1/webhooks/northvale-college", content=body, headers=_signed(said["id"], body))
            yield "http webhook", _whole(answer)


def _token(name: str) -> str:
    """A token that nobody signed, with a person's name in every claim."""
    claims = {"iss": name, "sub": name, "aud": name, "azp": name, "exp": 4_000_000_000}
    parts = ({"alg": "RS256", "kid": name}, claims, {"x": name})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def _signed(identity: str, body: bytes) -> dict[str, str]:
    """Headers of a webhook that the college signed."""
    at = str(int(RECEIVED.timestamp()))
    digest = hmac.new(HOOK, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": identity, "webhook-timestamp": at, "webhook-signature": signature}


def steward_reads(
    log: MemoryLog, catalogue: Catalogue, journal: MemoryJournal, folder: Path, sealer: Sealer
) -> Iterator[tuple[str, bytes]]:
    """What ``hub quarantine`` shows and exports, for people and for machines."""
    hub = SimpleNamespace(log=log, catalogue=catalogue, ingest=journal, contracts=folder, heads=_NoHead())
    with (
        patch.object(command, "running_hub", lambda: nullcontext(hub)),
        patch.object(command, "sealer_at_hand", lambda: sealer),
    ):
        for said in (["list"], ["show", "--limit", "10000"], ["redrive", "--dry-run"]):
            for more in ([], ["--json"]):
                ran = CliRunner().invoke(command.app, [*said, *more], env={"COLUMNS": "2000"})
                assert ran.exit_code == 0, ran.output
                yield f"export quarantine {said[0]}", ran.output.encode()


class _NoHead:
    def current(self) -> None:
        return None


def kafka_answers(flock: Flock, folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that comes of partners' topics in anybody's hands: refusals and quarantine, as fields and as bytes."""
    catalogue = Catalogue([SCHEMAS], MemoryKeys())
    _compiled(folder)
    sealer, journal, aside = Sealer(bytes(range(32))), MemoryJournal(), SetAside(Limits())
    topics = {"submissions": 1, "observations": 1, "refusals": 1, "statuses": 1, "quarantine": 1}
    log, ingested = MemoryLog(topics, catalogue.frame), MemoryJournal()
    records = list(_records(flock, catalogue))
    door = PartnerDoor(Door(sealer, catalogue), lambda: RECEIVED, "test", "", tuple({r.topic for r in records}))
    for topic in sorted({record.topic for record in records}):
        step([r for r in records if r.topic == topic], door, journal, PartnerCatalogue(catalogue), aside)
    publish(journal, log)
    ingest = processor(catalogue, folder, sealer, 1)
    step(log.read({("submissions", 0): 0}, 1_000_000), ingest, ingested, catalogue, aside)
    publish(ingested, log)
    for topic in ("refusals", "quarantine", "submissions"):
        for record in log.read({(topic, 0): 0}, 1_000_000):
            fields = json.dumps(catalogue.fact(record).fields, default=str).encode()
            yield (
                f"kafka {topic}",
                b"\n".join((record.key.encode(), record.value, fields, repr(record.headers).encode())),
            )


def _records(flock: Flock, catalogue: Catalogue) -> Iterator[Record]:
    """Each party's events on its topic, right and wrong, as JSON; and torn Avro with canaries in every header.

    A message id of good form is the partner's own word and is repeated to it; one of any other form is not.
    """
    at: Counter[str] = Counter()
    for person in flock.people[::3]:
        own = person.values["family_name"]
        for n, event in enumerate(person.events):
            topic, said = f"partner.{event['source']}", {k: v for k, v in event.items() if k != "received_at"}
            kind = f"{event['type']}.v1"
            torn = catalogue.frame(kind, b"\xff" + json.dumps(event["data"], default=str).encode())
            told = {
                "ce_id": f"{own} {own}",
                "ce_source": own,
                "ce_type": own,
                "ce_time": own,
                own: own,
                "content-type": own,
            }
            right = {"content-type": "application/cloudevents+json"}
            for value, headers in (
                (json.dumps(said).encode(), right),
                (json.dumps(broken(said, n + person.number)).encode(), right),
                (json.dumps(said).encode()[:-9], right),
                (torn, told),
                (torn, {"ce_id": f"t{person.number}-{n}", "ce_source": event["source"], "ce_type": event["type"]}),
            ):
                held = tuple((name, text.encode()) for name, text in headers.items())
                yield Record(topic, 0, at[topic], "" if n % 2 else own, value, held)
                at[topic] += 1


def _conversation(client: TestClient, flock: Flock) -> Iterator[tuple[str, bytes]]:
    heard: set[tuple[str, str]] = set()
    for person in flock.people:
        by_party: dict[str, list[Any]] = {}
        for n, event in enumerate(person.events):
            if (event["source"], event["type"]) in heard:
                continue
            heard.add((event["source"], event["type"]))
            said = {name: value for name, value in event.items() if name != "received_at"}
            by_party.setdefault(event["source"], []).extend((said, broken(said, n + person.number)))
        for party, events in by_party.items():
            head = {"Authorization": f"Bearer {party}"}
            for path, body in (("/v1/events", events), ("/v1/events:validate", events), ("/v1/events", events[-1])):
                answer = client.post(path, json=body, headers=head)
                yield f"http {path}", _whole(answer)
            torn = json.dumps(events).encode()[:-7]
            yield "http torn", _whole(client.post("/v1/events", content=torn, headers=head))
            yield "http receipt", _whole(client.get(f"/v1/receipts/{events[0]['id']}", headers=head))
            yield "http stranger", _whole(client.post("/v1/events", json=events, headers={"x-api-key": "no"}))


def _whole(answer: Any) -> bytes:
    return b"\n".join(f"{k}: {v}".encode() for k, v in answer.headers.items()) + b"\n" + bytes(answer.content)
