"""The files door and the file server told the canaries: every answer, every error, and what they are called."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import asyncssh
import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from hub.sharing import compile_policy
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.folder import Folder
from services.ingest.channels.files.mapping import load_mappings
from services.ingest.channels.files.sftp import listen
from services.ingest.channels.files.sftp_site import Site
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.schema import Catalogue
from spine.seal import Sealer
from tests.adversary.canaries import Flock
from tests.adversary.doors_of_canaries import RECEIVED
from tests.adversary.world_of_canaries import CONTRACTS, SCHEMAS
from tests.ingest.files.conftest import ACADEMY, ACADEMY_HEADINGS, COLLEGE, INCLUSION, nccis, registered


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


def _written(text: str) -> str:
    """Without what neither XML nor a workbook can hold."""
    return ILLEGAL_CHARACTERS_RE.sub("", text)


def careers_extract(flock: Flock, number: int) -> bytes:
    """A snapshot in which every second record holds values of the person where others belong."""
    records = []
    for person in flock.people[:number]:
        held = person.values
        given, name = (escape(_written(held[part])) for part in ("given_name", "family_name"))
        own = {"GivenName": given, "FamilyName": name, "DOB": held["date_of_birth"]}
        if person.number % 2:
            own |= {"DOB": name, "Gender": name, "LeadLEA": name, "GuaranteeStatusIndicator": name}
        records.append(registered(person.number, **own))
    return nccis(records)


def academy_workbook(flock: Flock, path: Path) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Post-16"
    sheet.append(ACADEMY_HEADINGS)
    for person in flock.people:
        held = person.values
        given, name = _written(held["given_name"]), _written(held["family_name"])
        row = ["004711", given, name, held["date_of_birth"], held["postcode"], name, name, "Intended"]
        sheet.append([*row, name, name, name, f"={name}"])
    book.save(path)
    return path.read_bytes()


def files_answers(flock: Flock, root: Path) -> Iterator[tuple[str, bytes]]:
    """All that the files door leaves for a partner, but the partner's own file: contents, and the names of answers."""
    catalogue, compiled = Catalogue([SCHEMAS], MemoryKeys()), compile_policy(CONTRACTS)
    specs = type_specs(catalogue.sources)
    gate = Gate(parse_policy(compiled.content, compiled.policy_hash), specs)
    log, ticking = MemoryLog({"submissions": 1}, catalogue.frame), [1_000.0]
    door = FilesDoor(Door(Sealer(bytes(range(32))), catalogue), gate, log.append, lambda: RECEIVED)
    text = college_file(flock)
    name = flock.people[0].values["given_name"]
    (root / "made").mkdir()
    workbook = academy_workbook(flock, root / "made" / "w.xlsx")
    files: dict[str, dict[str, bytes]] = {
        COLLEGE: {
            "NVC_ENROL_1.csv": text.encode(),
            "NVC_ENROL_2.csv": text.replace("Forename", name, 1).encode(),
            "NVC_ENROL_3.csv": f'{text}"'.encode(),
            "NVC_ENROL_4.csv": text.encode("utf-16"),
        },
        INCLUSION: {
            "NCCIS_1.xml": careers_extract(flock, 60),
            "NCCIS_2.xml": careers_extract(flock, 20),
            "NCCIS_3.xml": careers_extract(flock, 3).replace(b"<GivenName>", f"<{name}>".encode()),
            "NCCIS_4.xml": careers_extract(flock, 3)[:-200],
        },
        ACADEMY: {"Destinations 1.xlsx": workbook, "Destinations 2.xlsx": workbook[:-900]},
    }
    for party, given in files.items():
        folder = Folder(root, load_mappings(CONTRACTS, specs)[party], door, lambda: ticking[0])
        for file, content in given.items():
            (root / party / "in" / file).write_bytes(content)
            (root / party / "in" / f"{file}.done").touch()
            for _ in range(2):
                folder.round()
                ticking[0] += 61
        for path in sorted((root / party / "out").rglob("*")):
            if path.is_file():
                yield f"files out/{path.suffix}", path.name.encode() + b"\n" + path.read_bytes()


def server_answers(flock: Flock, root: Path) -> list[tuple[str, bytes]]:
    """What the file server says when names of people are asked for: the errors, and another partner's listing."""
    values = flock.people[0].values
    names = [values["family_name"], f"{values['given_name']}.csv", f"{values['date_of_birth']}/x", "../x", "in/x/y"]
    heard: list[tuple[str, bytes]] = []

    async def body() -> None:
        keys = {party: asyncssh.generate_private_key("ssh-ed25519") for party in (COLLEGE, ACADEMY)}
        (root / "keys").mkdir()
        for party, key in keys.items():
            (root / "keys" / f"{party}.pub").write_bytes(key.export_public_key())
        site = Site(root / "served", root / "keys", frozenset(keys), bytes_max=10_000)
        server = await listen(site, "127.0.0.1", 0, root / "host_key")
        login = {"known_hosts": None, "config": None}
        for party, key in keys.items():
            async with (
                asyncssh.connect("127.0.0.1", server.get_port(), username=party, client_keys=[key], **login) as held,
                held.start_sftp_client() as client,
            ):
                if party == ACADEMY:
                    seen = [name for folder in ("/", "in", "out") for name in await client.listdir(folder)]
                    heard.append(("sftp listing", "\n".join(map(str, seen)).encode()))
                for name in names:
                    for attempt in (
                        client.open(f"in/{name}\u0301", "wb"),
                        client.open(f"out/{name}", "rb"),
                        client.stat(f"in/{name}"),
                        client.mkdir(f"in/{name}"),
                        client.rename(f"in/{name}", f"out/{name}"),
                    ):
                        try:
                            await attempt
                        except asyncssh.SFTPError as error:
                            heard.append(("sftp error", str(error).encode()))
                async with client.open(f"in/{values['family_name']}.csv", "wb") as file:
                    await file.write(values["family_name"] * 100)
        try:
            stranger = [keys[ACADEMY]]
            await asyncssh.connect("127.0.0.1", server.get_port(), username=COLLEGE, client_keys=stranger, **login)
        except asyncssh.Error as error:
            heard.append(("sftp sign-in", str(error).encode()))
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(body(), 60))
    return heard
