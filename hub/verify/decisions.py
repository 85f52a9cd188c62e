"""Decisions in the archive: each row's hash, the chain of its place, the tree; and the records that they are about."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from orjson import loads

from hub.archive.containers import about_of, read_container
from hub.archive.reading import Archive
from hub.verify.files import check_end
from hub.verify.finding import AT_ONCE, Found, Known, take_leaves
from spine.ledger.tree import Frontier

Place = tuple[str, int]
Links = dict[Place, tuple[int, bytes]]


def check_decisions(archive: Archive, service: str, known: Known, found: Found) -> None:
    """A service's leaves, from the first to the first that is bad."""
    frontier = Frontier()
    links: Links = {}
    known.leaves[service], known.links[service], known.grown[service] = bytearray(), links, frontier
    for first, last, path in archive.files("decisions", service):
        name = path.relative_to(archive.folder).as_posix()
        if first != frontier.size:
            found.fault(f"the file with leaf {frontier.size} is missing", file=name, tree=service, leaf=frontier.size)
            return
        before = len(found.faults)
        hashes = _leaves_of(path, name, service, first, links, known, found)
        found.leaves += len(hashes)
        if len(hashes) != last - first + 1:
            if len(found.faults) == before:
                what = f"the file has {len(hashes)} leaves and is named after {last - first + 1}"
                found.fault(what, file=name, tree=service, leaf=first + min(len(hashes), last - first + 1))
            return
        if name in known.altered:
            found.fault("bytes of the file beside its rows are altered", file=name, tree=service)
        known.leaves[service] += b"".join(hashes)
        if not take_leaves(found, known, service, frontier, hashes):
            return
    check_end(found, known, service, frontier.size)


def _leaves_of(
    path: Path, name: str, service: str, first: int, links: Links, known: Known, found: Found
) -> list[bytes]:
    """Hashes of a file's leaves; fewer than it names if one is bad."""
    hashes: list[bytes] = []
    number = first
    try:
        for row in read_container(path):
            if what := _wrong(row, number, links, known, hashes):
                found.fault(what, file=name, tree=service, leaf=number, place=_place(path, first, number))
                return hashes
            number += 1
            if number % AT_ONCE == 0:
                found.advance(AT_ONCE)
    except Exception as error:
        # What a damaged container raises is anything; where it was raised is what counts.
        found.fault(f"the file does not read on ({type(error).__name__})", file=name, tree=service, leaf=number)
        return hashes[:-1] if hashes else hashes
    return hashes


def _wrong(held: dict[str, Any], number: int, links: Links, known: Known, hashes: list[bytes]) -> str:
    """What is wrong with a row, empty if nothing is; takes its leaf hash, link and input."""
    body, link = held["row"], held["link"]
    # As leaf_hash(leaf_of(...)), without the copies between: there are millions of rows.
    leaf = sha256(b"\0")
    leaf.update(body[:-1])
    leaf.update(b',"%b",%d]' % (link.hex().encode(), held["recorded_us"]))
    hashed = leaf.digest()
    if held["leaf"] != number or hashed != held["leaf_hash"]:
        return "the row is not the one that was recorded"
    topic, partition, offset, _, _, input_hash, *_ = loads(body)
    place = (topic, partition)
    expected, before = links.get(place, (offset, b""))
    if expected != offset:
        return f"the decision at offset {expected} is missing before this one"
    if sha256(before + body).digest() != link:
        return "the row does not follow from the one before it in the chain of its place"
    links[place] = (offset + 1, link)
    hashes.append(hashed)
    inputs = known.inputs.get(place)
    if inputs is None:
        inputs = known.inputs[place] = (offset, bytearray())
    inputs[1].extend(bytes.fromhex(input_hash))
    return ""


def _place(path: Path, first: int, number: int) -> str:
    """Where the decision of leaf ``number`` stood, as the head of the file has it; empty if that does not read."""
    try:
        for topic, partition, offset, count in about_of(path):
            if number < first + count:
                return f"{topic}/{partition}@{offset + number - first}"
            first += count
    except Exception:
        return ""
    return ""


def check_segments(archive: Archive, known: Known, found: Found) -> None:
    """Records in order, and each the one that was decided about."""
    paths = sorted((archive.folder / "segments").glob("*.avro"))
    found.step("records", 2, sum(last - first + 1 for first, last in map(_span, paths)))
    for path in paths:
        name = path.relative_to(archive.folder).as_posix()
        if name in known.held:
            before = len(found.faults)
            _segment(path, name, known, found)
            if name in known.altered and len(found.faults) == before:
                found.fault("the file is not the one that the ledger holds", file=name)


def _span(path: Path) -> tuple[int, int]:
    """Offsets by the file's name; none where it is not named so, which is found when it is read."""
    ends = path.name.removesuffix(".avro").split("-")[-2:]
    return (int(ends[0]), int(ends[1])) if len(ends) == 2 and all(map(str.isdigit, ends)) else (0, -1)


def _segment(path: Path, name: str, known: Known, found: Found) -> None:
    topic, partition, first, last = path.name.removesuffix(".avro").rsplit("-", 3)
    begin, inputs = known.inputs.get((topic, int(partition)), (0, bytearray()))
    at = int(first)
    try:
        for row in read_container(path):
            hashed = sha256(row["value"]).digest()
            held = inputs[(at - begin) * 32 : (at - begin + 1) * 32] if at >= begin else b""
            if row["offset"] != at or (held and held != hashed):
                what = "the record is not the one that was decided about"
                found.fault(what, file=name, place=f"{topic}/{partition}@{at}")
                return
            at += 1
            found.records += 1
            if found.records % AT_ONCE == 0:
                found.advance(AT_ONCE)
    except Exception as error:
        what = f"the file does not read on ({type(error).__name__})"
        found.fault(what, file=name, place=f"{topic}/{partition}@{at}")
        return
    if at != int(last) + 1:
        found.fault("the file ends before its last record", file=name, place=f"{topic}/{partition}@{at}")
