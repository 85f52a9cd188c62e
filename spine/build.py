"""The name of a build: what decides, by its content. Two builds of one name decide alike.

It is the package's version and a digest of everything that a service's decisions are made by: the sources of the
service and of the spine, the Avro schemas, the minor version of Python and the versions of the libraries that read
and write bytes. HUB_BUILD names it instead where there are no sources to read.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Libraries whose versions decide what bytes come out.
LIBRARIES = ("fastavro", "orjson", "rapidfuzz", "ruamel.yaml", "holidays", "tzdata")
_SOURCES = frozenset({".py", ".avsc", ".json", ".txt"})
_DIGITS = 12
#: Where a kept build holds the model that was given to it; one that was given none holds none.
GIVEN_MODEL = Path("models", "given.json")


@lru_cache(maxsize=16)
def name(service: str, root: Path = ROOT) -> str:
    """Name of the running build of ``service`` (``alerts``), as its decisions record it."""
    given = os.environ.get("HUB_BUILD")
    return given or f"{_version('eet-hub')}+{digest(service, root)[:_DIGITS]}"


def digest(service: str, root: Path = ROOT) -> str:
    """sha256 over what ``service`` decides by, file by file, in order."""
    found = hashlib.sha256(f"python {sys.version_info[0]}.{sys.version_info[1]}\n".encode())
    for library in LIBRARIES:
        found.update(f"{library} {_version(library)}\n".encode())
    for path in sources(service, root):
        body = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()} {len(body)}\n".encode() + body)
    return found.hexdigest()


def sources(service: str, root: Path = ROOT) -> Iterator[Path]:
    """Modules of the service and of the spine, and the schemas, in order of their paths."""
    folders = (root / "services" / service, root / "spine", root / "schemas" / "avro")
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in _SOURCES]
    yield from sorted(path for path in found if "__pycache__" not in path.parts)


def packed(service: str, contracts: Path, root: Path = ROOT, model: Path | None = None) -> bytes:
    """The build as a zip that runs alone, with the contracts that it was started under, and the model if one was given
    (HUB_MODEL). Equal content, equal bytes."""
    out = BytesIO()
    rules = sorted(path for path in contracts.rglob("*") if path.is_file())
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources(service, root):
            _add(archive, path.relative_to(root).as_posix(), path)
        for path in sorted((root / "models").glob("*.json")):
            _add(archive, path.relative_to(root).as_posix(), path)
        if model is not None:
            _add(archive, GIVEN_MODEL.as_posix(), model)
        for path in rules:
            _add(archive, f"contracts/{path.relative_to(contracts).as_posix()}", path)
    return out.getvalue()


def _add(archive: zipfile.ZipFile, named: str, path: Path) -> None:
    # One moment for all: the content alone makes the bytes.
    archive.writestr(zipfile.ZipInfo(named, (1980, 1, 1, 0, 0, 0)), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"


def rules_of(settings: str) -> str:
    """What of a decision's settings is read at a start; the policy head before it moves on the log."""
    return settings.rpartition(" ")[2]


def kept_as(service: str, build: str, settings: str) -> str:
    """Name of the file in which a build is kept with the contracts that it was started under."""
    rules = hashlib.sha256(rules_of(settings).encode()).hexdigest()[:_DIGITS]
    return f"{service}-{build.replace('/', '_')}-{rules}.zip"


def keep(folder: Path, service: str, build: str, settings: str, contracts: Path, model: Path | None = None) -> Path:
    """Keep the running build under ``folder/builds`` for whoever replays; written once, whole or not at all."""
    path = folder / "builds" / kept_as(service, build, settings)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    with new.open("wb") as out:
        out.write(packed(service, contracts, model=model))
        out.flush()
        os.fsync(out.fileno())
        os.fchmod(out.fileno(), 0o440)
    new.replace(path)
    return path
