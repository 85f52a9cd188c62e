"""The archive's files: signed notes, operations, and every other file by the hash that the operations hold of it."""

from __future__ import annotations

from pathlib import Path

from hub.archive.containers import OPERATIONS, container_bytes, file_digest, read_container
from hub.archive.reading import Archive, operation_of
from hub.verify.finding import Found, Known, take_leaves
from spine.canonical import canonical
from spine.ledger.checkpoint import NoteBroken, SignedCheckpoint
from spine.ledger.operations import TREE
from spine.ledger.tree import Frontier, leaf_hash


def check_notes(archive: Archive, known: Known, found: Found) -> None:
    """Signatures of every checkpoint, and that its file bears its name."""
    for path in sorted((archive.folder / "checkpoints").glob("*")):
        name = path.relative_to(archive.folder).as_posix()
        try:
            note = SignedCheckpoint.parse(path.read_bytes().decode())
            witnesses = note.verify(known.verifiers)
        except (NoteBroken, UnicodeDecodeError) as error:
            found.fault(str(error), file=name)
            continue
        tree = known.tree_of(note.checkpoint.origin)
        if path.name != f"{tree}-{note.checkpoint.size}.note":
            found.fault(f"this is the checkpoint of {note.checkpoint.size} leaves of {tree}", file=name)
            continue
        known.points.setdefault(tree, {})[note.checkpoint.size] = note.checkpoint
        known.notes[tree, note.checkpoint.size] = note
        found.checkpoints += 1
        found.cosignatures += len(witnesses)


def check_operations(archive: Archive, known: Known, found: Found) -> None:
    """Every operation in order, under its checkpoints; gathers the hashes of files."""
    frontier, whole = Frontier(), True
    known.leaves[TREE] = bytearray()
    for first, last, path in archive.files(TREE):
        name = path.relative_to(archive.folder).as_posix()
        if first != frontier.size:
            found.fault(f"the file with operation {frontier.size} is missing", file=name, tree=TREE, leaf=frontier.size)
            whole = False
            break
        before = len(found.faults)
        hashes = _operations_of(path, name, first, known, found)
        if len(hashes) != last - first + 1:
            if len(found.faults) == before:
                what = f"the file has {len(hashes)} operations and is named after {last - first + 1}"
                found.fault(what, file=name, tree=TREE, leaf=first)
            whole = False
            break
        known.leaves[TREE] += b"".join(hashes)
        if not take_leaves(found, known, TREE, frontier, hashes):
            whole = False
            break
    known.grown[TREE] = frontier
    if whole:
        check_end(found, known, TREE, frontier.size)


def check_end(found: Found, known: Known, tree: str, size: int) -> None:
    """The last leaf stands under a checkpoint, and no checkpoint speaks of leaves that are not there."""
    newest = max(known.points.get(tree, {}), default=0)
    if newest > size:
        found.fault(f"the tree ends here; a checkpoint has {newest} leaves", tree=tree, leaf=size)
    elif newest < size:
        found.fault(f"no valid checkpoint is over the leaves from {newest} on", tree=tree, leaf=newest)


def _operations_of(path: Path, name: str, first: int, known: Known, found: Found) -> list[bytes]:
    """Hashes of a file's leaves; fewer than it names if one is bad."""
    hashes: list[bytes] = []
    rows = []
    try:
        for number, row in enumerate(read_container(path), first):
            operation = operation_of(row)
            rows.append(row)
            hashed = leaf_hash(operation.leaf)
            good = row["leaf"] == number and hashed == row["leaf_hash"]
            if not good or canonical(operation.about).decode() != row["about"]:
                found.fault(
                    f"the operation {row['leaf']} is not the one that was recorded", file=name, tree=TREE, leaf=number
                )
                return hashes
            hashes.append(hashed)
            found.leaves += 1
            _gather(operation.kind, operation.about, known)
        if container_bytes(OPERATIONS, rows) != path.read_bytes():
            found.fault("bytes of the file beside its rows are altered", file=name, tree=TREE)
    except Exception as error:
        found.fault(
            f"the file does not read on ({type(error).__name__})", file=name, tree=TREE, leaf=first + len(hashes)
        )
        return hashes[:-1]
    return hashes


def _gather(kind: str, about: object, known: Known) -> None:
    if isinstance(about, dict):
        if kind == "archive":
            known.held |= about.get("files", {})
        elif kind == "retention":
            known.removed |= set(about.get("files", ()))


def check_files(archive: Archive, known: Known, found: Found) -> None:
    """Every file that the ledger holds is there with its bytes, and no other is."""
    for name, digest in sorted(known.held.items()):
        path = archive.folder / name
        if not path.is_file():
            if name not in known.removed:
                found.fault("the file is missing", file=name)
            continue
        found.files += 1
        if file_digest(path) != digest:
            known.altered.add(name)
            if not name.startswith(("segments/", "decisions/")):
                found.fault("the file is not the one that the ledger holds", file=name)
    for path in sorted(archive.folder.rglob("*")):
        name = path.relative_to(archive.folder).as_posix()
        if path.is_file() and name not in known.held and not name.startswith((f"{TREE}/", "checkpoints/")):
            found.fault(
                "the ledger does not know the file; a run that was cut off is mended by `hub archive run`", file=name
            )
    for path in sorted((archive.folder / TREE).glob("*")):
        if path not in {held for _, _, held in archive.files(TREE)}:
            found.fault("the ledger does not know the file", file=path.relative_to(archive.folder).as_posix())
