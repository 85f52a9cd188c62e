"""Files and file servers in the hands of somebody who means harm."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from services.ingest.channels.files import read_xlsx
from services.ingest.channels.files.places import stem_of
from services.ingest.channels.files.sftp import UPLOADING, listen
from services.ingest.channels.files.sftp_site import DISK_FREE_BYTES_MIN, Site
from tests.ingest.files.conftest import (
    ACADEMY,
    COLLEGE,
    ENROLLED,
    INCLUSION,
    Drop,
    catalogue,
    csv_text,
    drop,
    gate,
    mappings,
    nccis,
    registered,
    workbook,
)

__all__ = ["catalogue", "drop", "gate", "mappings"]
OTHER = "northshire-housing"
NAME = "NCCIS_1.xml"

# XML


def bad_xml() -> dict[str, tuple[bytes, str]]:
    laughs = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY a{n} "{"&a" + (str(n - 1) if n else "") + ";" * 1}">' for n in range(1, 9)
    )
    return {
        "billion laughs": (nccis([registered(1, GivenName="&a8;")], head=laughs + "]>"), "xml_dtd"),
        "file of the machine": (
            nccis([registered(1, GivenName="&e;")], head='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
            "xml_dtd",
        ),
        "address outside": (nccis([registered(1)], head='<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">'), "xml_dtd"),
        "parameter entity": (nccis([registered(1)], head='<!DOCTYPE x [<!ENTITY % p "x">]>'), "xml_dtd"),
        "unknown entity": (nccis([registered(1, GivenName="&nothing;")]), "xml_broken"),
        "document type behind a long comment": (
            nccis([registered(1)], head=f"<!--{'x' * 100_000}--><!DOCTYPE x [<!ENTITY e 'x'>]>"),
            "xml_dtd",
        ),
        "document type behind the first element": (
            nccis([registered(1)]).replace(b"<YoungPerson>", b"<!DOCTYPE x><YoungPerson>"),
            "xml_broken",
        ),
        "entities in UTF-16": (
            nccis([registered(1, GivenName="&e;")], head="<!DOCTYPE x [<!ENTITY e 'x'>]>")
            .decode()
            .replace("UTF-8", "UTF-16")
            .encode("utf-16"),
            "xml_dtd",
        ),
        "deep": (nccis([registered(1)]).replace(b"<YoungPerson>", b"<a>" * 5_000 + b"<YoungPerson>"), "xml_deep"),
        "endless attribute": (b'<NCCIS a="' + b"x" * 3_000_000, "xml_deep"),
        "endless text": (b"<NCCIS><YoungPerson><GivenName>" + b"x" * 3_000_000, "xml_deep"),
        "cut off": (nccis([registered(n) for n in range(50)])[:-30], "xml_broken"),
        "many parts": (
            nccis([registered(1)]).replace(
                b"<GivenName>", b"".join(b"<n%d>1</n%d>" % (n, n) for n in range(2_000)) + b"<GivenName>"
            ),
            "unknown_column",
        ),
        "no xml": (b"PK\x03\x04", "xml_broken"),
        "no records": (nccis([]), "empty"),
    }


@pytest.mark.parametrize("case", bad_xml(), ids=str)
def test_xml_that_means_harm_has_no_effect(drop: Drop, case: str) -> None:
    content, code = bad_xml()[case]
    drop.put(INCLUSION, NAME, content, done=True)
    drop.look(INCLUSION)
    assert [found[2] for found in drop.codes(INCLUSION)] == [code]
    assert drop.events() == []


def test_an_element_that_stands_twice_is_a_fault_and_no_guess(drop: Drop) -> None:
    content = nccis([registered(1)]).replace(b"<DOB>", b"<DOB>2008-01-01</DOB><DOB>")
    drop.put(INCLUSION, NAME, content, done=True)
    drop.look(INCLUSION)
    assert drop.codes(INCLUSION) == [("1", "DOB", "repeated")]


def test_a_spoilt_cell_that_decides_whether_an_event_is_told_is_a_fault_and_the_sound_event_goes(drop: Drop) -> None:
    twice = b"<GuaranteeStatusIndicator>Y</GuaranteeStatusIndicator><GuaranteeStatusIndicator>"
    content = nccis([registered(1)]).replace(b"<GuaranteeStatusIndicator>", twice)
    drop.put(INCLUSION, NAME, content, done=True)
    drop.look(INCLUSION)
    assert drop.codes(INCLUSION) == [("1", "GuaranteeStatusIndicator", "repeated")]
    assert [event["type"] for event in drop.said()] == ["person.registered"]
    told = drop.summary(INCLUSION)
    assert (told["rows"], told["events_accepted"], told["rows_refused"]) == (1, 1, 1)
    # A row half read is not remembered as present: the next extract is judged anew.
    drop.put(INCLUSION, "NCCIS_2.xml", nccis([registered(1)], period="2025-11-21"), done=True)
    drop.look(INCLUSION)
    assert drop.summary(INCLUSION)["rows_unchanged"] == 0


# Workbooks


def repacked(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> bytes:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))
    return target.read_bytes()


@pytest.mark.parametrize("kind", ["bomb", "strings", "disguised", "entities", "many", "encrypted", "old"])
def test_a_workbook_that_means_harm_is_not_unpacked(drop: Drop, tmp_path: Path, kind: str) -> None:
    good, target = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    workbook(good, [["004711", "Ada", "Testcase"]])
    if kind == "bomb":
        content = repacked(good, target, lambda n, b: b + b" " * 50_000_000 if n.endswith("sheet2.xml") else b)
    elif kind == "strings":
        content = repacked(good, target, lambda n, b: b + os.urandom(34_000_000) if "styles" in n else b)
    elif kind == "disguised":
        line = b'<Override PartName="/xl/worksheets/x.xml" ContentType="application/x.sharedStrings+xml"/></Types>'
        content = repacked(good, target, lambda n, b: b.replace(b"</Types>", line) if "Types" in n else b)
    elif kind == "entities":
        head = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        content = repacked(good, target, lambda n, b: head + b.partition(b"?>")[2] if "sheet1" in n else b)
    elif kind == "many":
        repacked(good, target, lambda n, b: b)
        with zipfile.ZipFile(target, "a") as package:
            for n in range(600):
                package.writestr(f"x{n}", b"")
        content = target.read_bytes()
    elif kind == "encrypted":
        content = bytearray(repacked(good, target, lambda n, b: b))
        at = content.index(b"PK\x01\x02")
        content[at + 8] |= 1
    else:
        content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 1_000
    drop.put(ACADEMY, "Destinations.xlsx", bytes(content))
    drop.look(ACADEMY)
    wanted = {"entities": "xml_dtd", "encrypted": "encrypted", "old": "encrypted"}.get(kind, "bomb")
    assert [found[2] for found in drop.codes(ACADEMY)] == [wanted]
    assert drop.events() == []


DTD = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("kind", ["far", "utf-16", "any name", "endless prolog", "lzma", "lying", "nested"])
def test_no_disguise_lets_a_harmful_part_of_a_workbook_pass(drop: Drop, tmp_path: Path, kind: str) -> None:
    good, target = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    workbook(good, [["004711", "Ada", "Testcase"]])

    def sheet(change: Callable[[bytes], bytes]) -> bytes:
        return repacked(good, target, lambda n, b: change(b.partition(b"?>")[2] or b) if "sheet1.xml" in n else b)

    wanted = "xml_dtd"
    if kind == "far":
        content = sheet(lambda b: b"<!--" + b"x" * 20_000 + b"-->" + DTD.encode() + b)
    elif kind == "utf-16":
        content = sheet(lambda b: ('<?xml version="1.0" encoding="UTF-16"?>' + DTD + b.decode()).encode("utf-16"))
    elif kind == "any name":
        repacked(good, target, lambda n, b: b)
        with zipfile.ZipFile(target, "a") as package:
            package.writestr("xl/printer.bin", DTD + "<worksheet/>")
        content = target.read_bytes()
    elif kind == "endless prolog":
        content, wanted = sheet(lambda b: b"<!--" + os.urandom(200_000).hex().encode() + b"-->" + b), "bomb"
    elif kind == "lzma":
        repacked(good, target, lambda n, b: b)
        with zipfile.ZipFile(target, "a", zipfile.ZIP_LZMA) as package:
            package.writestr("xl/x.xml", b"<x/>" * 1_000)
        content, wanted = target.read_bytes(), "not_xlsx"
    elif kind == "lying":
        whole = bytearray(sheet(lambda b: b.replace(b"</sheetData>", b"<row/>" * 4_000_000 + b"</sheetData>")))
        at = whole.index(b"PK\x01\x02")
        while b"sheet1.xml" not in whole[at : at + 80]:
            at = whole.index(b"PK\x01\x02", at + 4)
        whole[at + 24 : at + 28] = (1_000).to_bytes(4, "little")
        content, wanted = bytes(whole), "not_xlsx"
    else:
        repacked(good, target, lambda n, b: b)
        inner = tmp_path / "inner.zip"
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as package:
            package.writestr("x", b" " * 50_000_000)
        with zipfile.ZipFile(target, "a") as package:
            package.write(inner, "xl/embeddings/inner.zip")
        content, wanted = target.read_bytes(), ""
    drop.put(ACADEMY, "Destinations.xlsx", content)
    drop.look(ACADEMY)
    codes = [found[2] for found in drop.codes(ACADEMY)]
    # What lies packed within a part is never unpacked: it is a part like a picture, and the rows count.
    assert codes == [wanted] if wanted else drop.summary(ACADEMY)["state"] == "taken"
    assert drop.events() == [] or not wanted


@pytest.mark.parametrize("place", ["between rows", "within a row", "attributes", "a row of another kind", "styles"])
def test_a_part_of_countless_small_elements_is_a_bomb_though_it_packs_like_any_other(
    drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """openpyxl frees rows as it goes and keeps every other element: four bytes of the file are a hundred of memory."""
    monkeypatch.setattr(read_xlsx, "HELD_ELEMENTS_MAX", 20_000)
    good, target = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    workbook(good, [["004711", "Ada", "Testcase"]])
    many, part = b"<a/>" * 250_000, "sheet1.xml"
    if place == "within a row":
        many = b"<row>" + many + b"</row>"
    elif place == "attributes":
        many = b"<a " + b" ".join(b'a%d="1"' % n for n in range(20_000)) + b"/>"
    elif place == "a row of another kind":
        many = b'<x:row xmlns:x="urn:x">' + many + b"</x:row>"
    elif place == "styles":
        part = "styles.xml"

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(part):
            return content
        end = content.rindex(b"</")
        return content[:end] + many + content[end:]

    drop.put(ACADEMY, "Destinations.xlsx", repacked(good, target, change))
    drop.look(ACADEMY)
    assert [found[2] for found in drop.codes(ACADEMY)] == ["bomb"] and drop.events() == []


# CSV


INJECTIONS = [
    '=HYPERLINK("http://x")',
    "<script>alert(1)</script>",
    "x\u202egnp",
    "a\u200bb",
    "'; drop table files; --",
    "{0.__class__}",
    "%s%n",
    "O’Brien\nrow,forged",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_hostile_cell_is_stored_as_it_stands_and_repeated_nowhere(drop: Drop, text: str) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "Surname": text}, {**ENROLLED, "Mode": text}]))
    drop.look(COLLEGE)
    (event,) = drop.said()
    assert event["data"]["subject"]["family_name"] == text.strip()
    answers = "".join(p.read_text(encoding="utf-8-sig") for p in drop.out(COLLEGE).iterdir())
    assert text not in answers and drop.codes(COLLEGE) == [("3", "Mode", "not_a_word")]


def test_a_partner_can_t_speak_for_another_through_a_file(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "Forename": OTHER}]))
    drop.look(COLLEGE)
    assert {e["party"] for e in drop.said()} == {COLLEGE}


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_opened(drop: Drop, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(csv_text([ENROLLED]), encoding="utf-8")
    path = drop.root / COLLEGE / "in" / "NVC_ENROL_1.csv"
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    drop.look(COLLEGE)
    assert drop.events() == [] and secret.exists()
    if kind != "folder":
        assert [found[2] for found in drop.codes(COLLEGE)] == ["not_a_file"] and not path.is_symlink()


# SFTP


@dataclass(slots=True)
class Server:
    """A file server for two parties, and their keys."""

    site: Site
    port: int
    keys: dict[str, asyncssh.SSHKey]

    @asynccontextmanager
    async def session(self, party: str = COLLEGE, key: asyncssh.SSHKey | None = None) -> AsyncIterator[Any]:
        async with (
            asyncssh.connect(
                "127.0.0.1",
                self.port,
                username=party,
                client_keys=[key or self.keys[party]],
                known_hosts=None,
                config=None,
            ) as connection,
            connection.start_sftp_client() as client,
        ):
            yield client

    def inside(self, party: str = COLLEGE) -> list[str]:
        return sorted(p.name for p in (self.site.root / party / "in").iterdir())


@pytest.fixture(scope="module")
def signing() -> dict[str, asyncssh.SSHKey]:
    return {party: asyncssh.generate_private_key("ssh-ed25519") for party in (COLLEGE, OTHER, "stranger")}


@pytest.fixture
def with_server(
    tmp_path: Path, signing: dict[str, asyncssh.SSHKey]
) -> Callable[[Callable[[Server], Awaitable[None]]], None]:
    """Runs a test's body beside a server on a free port."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for party in (COLLEGE, OTHER):
        (folder / f"{party}.pub").write_bytes(signing[party].export_public_key())
    (folder / "stranger.pub").write_bytes(signing["stranger"].export_public_key())
    (tmp_path / "secret").write_text("CANARY")

    def run(body: Callable[[Server], Awaitable[None]]) -> None:
        async def whole() -> None:
            site = Site(tmp_path / "files", folder, frozenset({COLLEGE, OTHER}), bytes_max=1_000_000, files_max=20)
            acceptor = await listen(site, "127.0.0.1", 0, tmp_path / "host_key")
            try:
                await body(Server(site, acceptor.get_port(), signing))
            finally:
                acceptor.close()
                await acceptor.wait_closed()

        asyncio.run(asyncio.wait_for(whole(), 60))

    return run


Run = Callable[[Callable[[Server], Awaitable[None]]], None]


def test_a_partner_puts_a_file_and_reads_its_answers(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            assert sorted(await client.listdir("/")) == ["in", "out"]
            async with client.open("in/NVC_ENROL_1.csv", "wb") as file:
                await file.write(b"x" * 100_000)
                assert [n for n in server.inside() if not n.endswith(UPLOADING)] == []
            assert server.inside() == ["NVC_ENROL_1.csv"]
            assert (await client.stat("/in/NVC_ENROL_1.csv")).size == 100_000
            (server.site.root / COLLEGE / "out" / "answer.csv").write_text("Row")
            assert await (await client.open("/out/answer.csv")).read() == "Row"
            await client.remove("/out/answer.csv")
            await client.put(__file__, "in/x.part")
            await client.posix_rename("in/x.part", "in/NVC_ENROL_1.csv")
            assert server.inside() == ["NVC_ENROL_1.csv"]

    with_server(body)


ESCAPES = [
    "../northshire-housing/in/x",
    "/../../secret",
    "in/../../northshire-housing/in/x",
    "/etc/passwd",
    "//etc/passwd",
    "in/a/b",
    "in/..",
    "in/.hidden",
    ".hub/work",
    "in/x\0y",
    "in\\..\\x",
    "in/%2e%2e/x",
    "in/é.csv",
    "out/../../../secret",
    "~/x",
    "in/-rf",
    "in/" + "x" * 300,
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out(with_server: Run, path: str) -> None:
    async def body(server: Server) -> None:
        before = sorted(p for p in server.site.root.parent.rglob("*"))
        async with server.session() as client:
            for attempt in (
                client.stat(path),
                client.listdir(path),
                client.open(path, "rb"),
                client.open(path, "wb"),
                client.remove(path),
                client.rename("in/a", path),
                client.rename(path, "in/a"),
                client.mkdir(path),
                client.rmdir(path),
                client.symlink("/etc/passwd", path),
                client.link(path, "in/b"),
                client.readlink(path),
                client.chmod(path, 0o777),
                client.truncate(path, 0),
                client.statvfs(path),
            ):
                with pytest.raises((asyncssh.SFTPError, ValueError)):
                    await attempt
        after = sorted(p for p in server.site.root.parent.rglob("*"))
        assert [p for p in after if p not in before and p.name not in ("in", "out", COLLEGE, "files")] == []

    with_server(body)


def test_a_link_that_lies_there_all_the_same_is_not_followed(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            link = server.site.root / COLLEGE / "out" / "link"
            link.symlink_to(server.site.root.parent / "secret")
            assert await client.listdir("out") in ([], [".", ".."])
            for attempt in (client.open("out/link"), client.stat("out/link"), client.remove("out/link")):
                with pytest.raises(asyncssh.SFTPError):
                    await attempt

    with_server(body)


@pytest.mark.parametrize(
    "operation", ["mkdir", "rmdir", "symlink", "link", "out", "append", "update", "root", "statvfs"]
)
def test_what_there_is_no_need_for_is_refused(with_server: Run, operation: str) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            async with client.open("in/a.csv", "wb") as file:
                await file.write(b"x")
            attempts: dict[str, Callable[[], Awaitable[Any]]] = {
                "mkdir": lambda: client.mkdir("in/b"),
                "rmdir": lambda: client.rmdir("in"),
                "symlink": lambda: client.symlink("/etc/passwd", "in/b"),
                "link": lambda: client.link("in/a.csv", "in/b"),
                "out": lambda: client.open("out/b", "wb"),
                "append": lambda: client.open("in/a.csv", "ab"),
                "update": lambda: client.open("in/a.csv", "r+b"),
                "root": lambda: client.open("b", "wb"),
                "statvfs": lambda: client.statvfs("in"),
            }
            with pytest.raises(asyncssh.SFTPError):
                await attempts[operation]()
            assert server.inside() == ["a.csv"]

    with_server(body)


def test_an_upload_that_breaks_off_never_gets_its_name(with_server: Run) -> None:
    async def body(server: Server) -> None:
        for ending in ("abort", "exit"):
            connection = await asyncssh.connect(
                "127.0.0.1",
                server.port,
                username=COLLEGE,
                client_keys=[server.keys[COLLEGE]],
                known_hosts=None,
                config=None,
            )
            async with connection:
                client = await connection.start_sftp_client()
                file = await client.open("in/NVC_ENROL_1.csv", "wb")
                await file.write(b"half")
                client.exit() if ending == "exit" else connection.abort()
                for _ in range(200):
                    if not server.site.open_uploads:
                        break
                    await asyncio.sleep(0.01)
            (left,) = [name for name in server.inside() if name.endswith(UPLOADING)]
            assert (server.site.root / COLLEGE / "in" / left).read_bytes() == b"half"
            async with server.session() as client, client.open("in/NVC_ENROL_1.csv", "wb") as file:
                await file.write(b"whole")
            assert server.inside() == ["NVC_ENROL_1.csv"], "the next attempt clears what was lost"

    with_server(body)


def test_half_an_upload_is_read_by_nobody_and_its_sender_is_told(with_server: Run, drop: Drop) -> None:
    """The file server and the door behind it, on one root: what breaks off is reported after an hour, whole or not."""

    async def body(server: Server) -> None:
        server.site.root = drop.root
        connection = await asyncssh.connect(
            "127.0.0.1",
            server.port,
            username=COLLEGE,
            client_keys=[server.keys[COLLEGE]],
            known_hosts=None,
            config=None,
        )
        async with connection:
            client = await connection.start_sftp_client()
            file = await client.open("in/NVC_ENROL_1.csv", "wb")
            # Whole rows: nothing in the bytes themselves would show that more was to come.
            await file.write(csv_text([ENROLLED]).encode())
            connection.abort()
            for _ in range(200):
                if not server.site.open_uploads:
                    break
                await asyncio.sleep(0.01)
        assert drop.look(COLLEGE, 61) == 0 and drop.look(COLLEGE, 3_601) == 0 and drop.events() == []
        assert [code for _, _, code in drop.codes(COLLEGE)] == ["incomplete"]
        async with server.session() as client, client.open("in/NVC_ENROL_1.csv", "wb") as file:
            await file.write(csv_text([ENROLLED]).encode())
        assert drop.look(COLLEGE) == 1 and len(drop.said()) == 1

    with_server(body)


@pytest.mark.parametrize("ending", ["abort", "exit"])
def test_half_an_upload_gets_no_name_when_another_of_its_session_is_spoilt(with_server: Run, ending: str) -> None:
    async def body(server: Server) -> None:
        connection = await asyncssh.connect(
            "127.0.0.1",
            server.port,
            username=COLLEGE,
            client_keys=[server.keys[COLLEGE]],
            known_hosts=None,
            config=None,
        )
        async with connection:
            client = await connection.start_sftp_client()
            half, spoilt = await client.open("in/a.csv", "wb"), await client.open("in/b.csv", "wb")
            await half.write(b"half")
            with pytest.raises(asyncssh.SFTPError):
                await spoilt.write(b"x", 2**40)
            client.exit() if ending == "exit" else connection.abort()
            for _ in range(200):
                if not server.site.open_uploads:
                    break
                await asyncio.sleep(0.01)
        assert not server.site.open_uploads
        (left,) = server.inside()
        assert left.startswith("a.csv.") and left.endswith(UPLOADING)

    with_server(body)


def test_sizes_and_numbers_of_files_have_an_end(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            file = await client.open("in/big.csv", "wb")
            with pytest.raises(asyncssh.SFTPError):
                await file.write(b"x", 2**40)
            await file.write(b"x" * 10_000, 990_000)
            with pytest.raises(asyncssh.SFTPError):
                await file.write(b"x", 1_000_000)
            for n in range(19):
                await (await client.open(f"in/f{n}.csv", "wb")).close()
            with pytest.raises(asyncssh.SFTPError):
                await client.open("in/more.csv", "wb")

    with_server(body)


def test_only_a_party_s_own_key_opens_its_folder(with_server: Run, signing: dict[str, asyncssh.SSHKey]) -> None:
    async def body(server: Server) -> None:
        for party, key in (
            (COLLEGE, signing[OTHER]),
            (COLLEGE, signing["stranger"]),
            ("stranger", signing["stranger"]),
            ("", signing[OTHER]),
            ("../keys/" + COLLEGE, signing[COLLEGE]),
            (COLLEGE.upper(), signing[COLLEGE]),
            ("root", signing[COLLEGE]),
        ):
            with pytest.raises(asyncssh.PermissionDenied):
                async with server.session(party, key):
                    pass
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1",
                server.port,
                username=COLLEGE,
                password="x",
                client_keys=None,
                known_hosts=None,
                config=None,
            )

    with_server(body)


def test_a_key_that_is_taken_away_opens_nothing_from_the_next_sign_in(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session():
            pass
        (server.site.keys / f"{COLLEGE}.pub").unlink()
        with pytest.raises(asyncssh.PermissionDenied):
            async with server.session():
                pass

    with_server(body)


def test_a_key_that_is_taken_away_ends_what_its_holder_is_doing(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            (server.site.root / COLLEGE / "out" / "answer.csv").write_bytes(b"an answer")
            reading = await client.open("out/answer.csv", "rb")
            file = await client.open("in/NVC_ENROL_1.csv", "wb")
            await file.write(b"x")
            (server.site.keys / f"{COLLEGE}.pub").write_bytes(server.keys[OTHER].export_public_key())
            with pytest.raises(asyncssh.SFTPError):
                await file.close()
            with pytest.raises(asyncssh.SFTPError):
                await reading.read()
            for attempt in (client.open("in/b.csv", "wb"), client.listdir("in"), client.open("out/a", "rb")):
                with pytest.raises(asyncssh.SFTPError):
                    await attempt
            assert server.inside() == []

    with_server(body)


def test_opening_a_folder_costs_no_descriptor(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                with pytest.raises(asyncssh.SFTPError):
                    await client.open("in", "rb")
            assert len(os.listdir("/proc/self/fd")) < before + 10

    with_server(body)


def test_a_party_that_has_left_signs_in_no_more(with_server: Run) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            server.site.parties = frozenset({OTHER})
            with pytest.raises(asyncssh.SFTPError):
                await client.listdir("in")
        with pytest.raises(asyncssh.PermissionDenied):
            async with server.session():
                pass

    with_server(body)


@pytest.mark.parametrize("fault", ["size", "disk at write", "disk at close"])
def test_an_upload_of_which_a_part_was_not_written_never_gets_its_name(
    with_server: Run, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(server: Server) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no space left")

        async with server.session() as client:
            file = await client.open("in/NVC_ENROL_1.csv", "wb")
            await file.write(b"half")
            if fault == "size":
                with pytest.raises(asyncssh.SFTPError):
                    await file.write(b"x", 2**40)
            elif fault == "disk at write":
                (upload,) = server.site.open_uploads.values()
                real, upload.stream = upload.stream, SimpleNamespace(seek=full)
                with pytest.raises(asyncssh.SFTPError):
                    await file.write(b"x")
                upload.stream = real
            else:
                monkeypatch.setattr(os, "fdatasync", full)
            with pytest.raises(asyncssh.SFTPError):
                await file.close()
            monkeypatch.undo()
            assert server.inside() == [] and not server.site.open_uploads
            async with client.open("in/NVC_ENROL_1.csv", "wb") as again:
                await again.write(b"whole")
            assert server.inside() == ["NVC_ENROL_1.csv"]

    with_server(body)


def test_many_uploads_at_once_have_one_limit_together(with_server: Run) -> None:
    async def body(server: Server) -> None:
        server.site.folder_bytes_max = 1_500_000
        async with server.session() as client:
            first, second = await client.open("in/a.csv", "wb"), await client.open("in/b.csv", "wb")
            await first.write(b"x" * 10, 900_000)
            with pytest.raises(asyncssh.SFTPError):
                await second.write(b"x" * 10, 900_000)

    with_server(body)


def test_uploads_that_were_opened_while_the_folder_was_empty_fill_it_no_further_than_others(with_server: Run) -> None:
    async def body(server: Server) -> None:
        server.site.folder_bytes_max = 1_500_000
        async with server.session() as client:
            files = [await client.open(f"in/f{n}.csv", "wb") for n in range(4)]
            taken = 0
            for file in files:
                try:
                    await file.write(b"x" * 10, 699_990)
                    await file.close()
                    taken += 1
                except asyncssh.SFTPError as error:
                    assert "the folder may hold 1500000 bytes" in str(error)
                    with pytest.raises(asyncssh.SFTPError, match="not taken: the folder may hold"):
                        await file.close()
            assert taken == 2 and len(server.inside()) == 2
            await client.remove("in/f0.csv")
            async with client.open("in/again.csv", "wb") as file:
                await file.write(b"x" * 10, 699_990)

    with_server(body)


def test_the_disk_is_looked_at_while_a_long_upload_runs(with_server: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(server: Server) -> None:
        async with server.session() as client:
            file = await client.open("in/long.csv", "wb")
            await file.write(b"x" * 30_000)
            monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=DISK_FREE_BYTES_MIN + 20_000))
            await file.write(b"x" * 20_000)
            with pytest.raises(asyncssh.SFTPFailure, match="disk is nearly full"):
                await file.write(b"x" * 20_001)
            with pytest.raises(asyncssh.SFTPFailure, match="not taken: the hub's disk is nearly full"):
                await file.close()
        assert server.inside() == [] and not server.site.open_uploads

    with_server(body)


def test_a_party_has_an_end_of_uploads_at_once(with_server: Run) -> None:
    async def body(server: Server) -> None:
        server.site.uploads_max = 2
        async with server.session() as client, server.session(OTHER) as other:
            first = await client.open("in/a.csv", "wb")
            await client.open("in/b.csv", "wb")
            with pytest.raises(asyncssh.SFTPFailure, match="at most 2 uploads"):
                await client.open("in/c.csv", "wb")
            await other.open("in/a.csv", "wb")
            await first.close()
            await client.open("in/c.csv", "wb")

    with_server(body)


def test_connections_have_an_end(with_server: Run) -> None:
    async def body(server: Server) -> None:
        server.site.connections_max = 1
        async with server.session():
            with pytest.raises((asyncssh.Error, OSError)):
                async with server.session(OTHER):
                    pass
        for _ in range(200):
            if not server.site.connections:
                break
            await asyncio.sleep(0.01)
        async with server.session(OTHER):
            assert server.site.connections == 1

    with_server(body)


def test_when_the_disk_is_nearly_full_nothing_more_is_taken(with_server: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(server: Server) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
        async with server.session() as client:
            with pytest.raises(asyncssh.SFTPError):
                await client.open("in/a.csv", "wb")
        assert server.inside() == []

    with_server(body)


def test_a_test_key_opens_the_test_folder_and_no_other(with_server: Run, signing: dict[str, asyncssh.SSHKey]) -> None:
    async def body(server: Server) -> None:
        trial = asyncssh.generate_private_key("ssh-ed25519")
        (server.site.keys / f"{COLLEGE}.test.pub").write_bytes(trial.export_public_key())
        home = server.site.root / COLLEGE
        async with server.session(key=trial) as client:
            async with client.open("in/trial.csv", "wb") as file:
                await file.write(b"x")
            assert sorted(await client.listdir("/")) == ["in", "out"]
            with pytest.raises(asyncssh.SFTPError):
                await client.listdir("test")
        assert [p.name for p in (home / "test" / "in").iterdir()] == ["trial.csv"]
        async with server.session() as client:
            assert sorted(await client.listdir("/")) == ["in", "out"] and server.inside() == []
            for path in ("test", "test/in/trial.csv", "in/../test/in/trial.csv"):
                with pytest.raises(asyncssh.SFTPError):
                    await client.stat(path)
        async with (
            asyncssh.connect(
                "127.0.0.1",
                server.port,
                username=COLLEGE,
                client_keys=[signing["stranger"], trial, signing[COLLEGE]],
                known_hosts=None,
                config=None,
            ) as connection,
            connection.start_sftp_client() as client,
            client.open("in/offered.csv", "wb") as file,
        ):
            await file.write(b"x")
        assert sorted(p.name for p in (home / "test" / "in").iterdir()) == ["offered.csv", "trial.csv"]
        assert server.inside() == [], "the key that signed decides, not one that was merely offered"

    with_server(body)


def test_the_answer_to_the_longest_name_can_be_fetched(with_server: Run) -> None:
    async def body(server: Server) -> None:
        name = "N" * 116 + ".csv"
        async with server.session() as client:
            async with client.open(f"in/{name}", "wb") as file:
                await file.write(b"x")
            answer = f"{stem_of(name, 'a' * 64)}.feedback.csv"
            (server.site.root / COLLEGE / "out" / answer).write_text("Row")
            assert await (await client.open(f"out/{answer}")).read() == "Row"

    with_server(body)


def test_the_host_key_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    async def fingerprints() -> list[str]:
        found = []
        for _ in range(2):
            site = Site(tmp_path / "files", tmp_path, frozenset({COLLEGE}))
            acceptor = await listen(site, "127.0.0.1", 0, tmp_path / "host_key")
            key = await asyncssh.get_server_host_key("127.0.0.1", acceptor.get_port())
            assert key is not None
            found.append(key.get_fingerprint())
            acceptor.close()
            await acceptor.wait_closed()
        return found

    first, second = asyncio.run(fingerprints())
    assert first == second and (tmp_path / "host_key").stat().st_mode & 0o777 == 0o600


def test_there_is_no_shell_no_command_and_no_tunnel(with_server: Run, signing: dict[str, asyncssh.SSHKey]) -> None:
    async def body(server: Server) -> None:
        async with asyncssh.connect(
            "127.0.0.1", server.port, username=COLLEGE, client_keys=[signing[COLLEGE]], known_hosts=None, config=None
        ) as connection:
            for attempt in (
                lambda: connection.run("id", check=True),
                lambda: connection.create_process(),
                lambda: connection.create_process(subsystem="netconf"),
                lambda: connection.open_connection("127.0.0.1", 22),
                lambda: connection.start_server(lambda *_: None, "127.0.0.1", 0),
            ):
                with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError, OSError)):
                    await asyncio.wait_for(attempt(), 5)

    with_server(body)
