"""The two open doors told the canaries: all that they answer, refuse and write for the partner."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from hub.sharing import compile_policy
from services.ingest.agent import processor
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.folder import Folder
from services.ingest.channels.files.mapping import load_mappings
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.keys import SCOPES, ApiKey, KeyRing
from services.ingest.channels.rate import Rate
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Limits, SetAside, step
from tests.adversary.canaries import Flock
from tests.adversary.world_of_canaries import CONTRACTS, SCHEMAS

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


def http_answers(flock: Flock, folder: Path) -> Iterator[tuple[str, bytes]]:
    """(boundary, bytes) of every answer, header by header, and of every refusal on the log."""
    catalogue, compiled = Catalogue([SCHEMAS], MemoryKeys()), compile_policy(CONTRACTS)
    (folder / "compiled").mkdir(parents=True)
    (folder / "compiled" / "policy.json").write_bytes(compiled.body)
    (folder / "compiled" / "head.json").write_text(json.dumps({"policy": compiled.policy_hash, "file": "policy.json"}))
    sealer = Sealer(bytes(range(32)))
    log = MemoryLog({"submissions": 1, "observations": 1, "refusals": 1, "quarantine": 1}, catalogue.frame)
    journal = MemoryJournal()
    gate = Gate(parse_policy(compiled.content, compiled.policy_hash), type_specs(catalogue.sources))
    parties = sorted({event["source"] for person in flock.people for event in person.events})
    keys = KeyRing(
        ApiKey(p, f"key-{n}", hashlib.sha256(p.encode()).digest(), False, None, SCOPES) for n, p in enumerate(parties)
    )
    appender = Appender(log)
    desk = Desk(Door(sealer, catalogue), gate, appender, JournalReceipts(journal), Recent())
    api = Api(desk, keys, Rate(1_000_000, 1_000_000, lambda: 0.0), lambda: RECEIVED)
    with TestClient(create_app(api)) as client:
        yield from _conversation(client, flock)
    ingest = processor(catalogue, folder, sealer, 1)
    step(log.read({("submissions", 0): 0}, 1_000_000), ingest, journal, catalogue, SetAside(Limits()))
    publish(journal, log)
    appender.close()
    for topic in ("refusals", "submissions"):
        for record in log.read({(topic, 0): 0}, 1_000_000):
            fact = catalogue.fact(record)
            yield topic, record.key.encode() + b"\n" + record.value + json.dumps(fact.fields, default=str).encode()


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


def college_file(flock: Flock) -> str:
    """A college's file: good rows, and rows with a person's values in the wrong columns."""
    headings = "Learner Ref,Forename,Surname,Date of Birth,Sex,Postcode,ULN,Record Type,Start Date,Mode,Hours"
    headings += ",Planned End,Leaving Date,Leaving Reason,Destination,Destination Confirmed"
    names = headings.split(",")
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(names)
    for person in flock.people:
        held = person.values
        row = [f"P{person.number:06}", held["given_name"], held["family_name"]]
        row += ["/".join(reversed(held["date_of_birth"].split("-"))), "F", held["postcode"], held.get("uln", "")]
        row += ["ENR", "08/09/2025", "FT", "17", "02/07/2027", "", "", "", ""]
        if person.number % 3:
            # One column to the left or further: every value where another belongs.
            row = row[person.number % 7 :] + row[: person.number % 7]
        write.writerow(row)
    return out.getvalue()


def files_answers(flock: Flock, root: Path) -> Iterator[tuple[str, bytes]]:
    """All that the files door leaves for a partner, but the partner's own file."""
    catalogue, compiled = Catalogue([SCHEMAS], MemoryKeys()), compile_policy(CONTRACTS)
    specs = type_specs(catalogue.sources)
    gate = Gate(parse_policy(compiled.content, compiled.policy_hash), specs)
    log, ticking = MemoryLog({"submissions": 1}, catalogue.frame), [1_000.0]
    door = FilesDoor(Door(Sealer(bytes(range(32))), catalogue), gate, log.append, lambda: RECEIVED)
    party = "northvale-college"
    folder = Folder(root, load_mappings(CONTRACTS, specs)[party], door, lambda: ticking[0])
    text = college_file(flock)
    strange = text.replace("Forename", flock.people[0].values["given_name"], 1)
    for name, content in (("NVC_ENROL_1.csv", text), ("NVC_ENROL_2.csv", strange), ("NVC_ENROL_3.csv", text + '"')):
        (root / party / "in" / name).write_text(content, encoding="utf-8")
        folder.round()
        ticking[0] += 61
        folder.round()
    for path in sorted((root / party / "out").rglob("*")):
        if path.is_file():
            yield f"files out/{path.suffix}", path.name.encode() + b"\n" + path.read_bytes()
