"""The mapping file of ``hub connect``: which rows of a source are which events. Every mistake is named at once.

party: northvale-college
source: {url_env: CASES_URL}           # SQLAlchemy URL from the environment: it holds a password
feeds:
- name: withdrawals
  event: education.enrolment.withdrawn
  shape: delta                         # the query gives what is new; snapshot: it gives everybody
  leaver: true                         # each row says that somebody left
  query: SELECT id, surname, dob, left_on, why FROM withdrawals
  key: [id]                            # columns that make a row that row, for ever
  effective_on: left_on
  fields:
    subject.source_ref: id             # a column
    data.reason: {column: why, map: {W1: changed_mind, W2: work}, otherwise: other}
    data.destination: {value: unknown} # the same for every row
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hub.connect.dialects import ISOLATIONS, SNAPSHOT

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_PATH = re.compile(r"(subject|data)\.[a-z_0-9]+\Z|(observed_at|sequence)\Z")
_FEED = frozenset({"name", "event", "shape", "query", "key", "effective_on", "fields"})
_MAY = frozenset({"leaver"})
_FIELD = frozenset({"column", "value", "map", "otherwise", "date_format"})
FEEDS_MAX = 100
SHAPES = ("delta", "snapshot")


class MappingWrong(Exception):
    """The file cannot be used; the text names every mistake."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value comes from: ``column``, or the fixed ``value``. ``values`` maps what the source says to the hub's
    word; what it does not name becomes ``otherwise``, or is a fault of the row if there is none."""

    path: str
    column: str = ""
    value: Any = None
    values: Mapping[str, Any] | None = None
    otherwise: Any = None
    date_format: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """One query and the event that each of its rows is. ``shape``: delta or snapshot; ``leaver``: somebody left."""

    name: str
    event: str
    shape: str
    query: str
    key: tuple[str, ...]
    effective_on: Field
    fields: tuple[Field, ...]
    leaver: bool = False

    @property
    def snapshot(self) -> bool:
        return self.shape == "snapshot"

    @property
    def columns(self) -> frozenset[str]:
        named = {field.column for field in (self.effective_on, *self.fields) if field.column}
        return frozenset(named | set(self.key))


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """A whole file."""

    party: str
    url_env: str
    feeds: tuple[Feed, ...]
    isolation: str = SNAPSHOT


def read_mapping(path: Path) -> SourceMapping:
    """Raises MappingWrong."""
    try:
        read = YAML(typ="safe").load(path)
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise MappingWrong(f"{path.name} cannot be read: {type(error).__name__}") from None
    faults: list[str] = []
    if not isinstance(read, dict) or set(read) != {"party", "source", "feeds"}:
        raise MappingWrong(f"{path.name}: needs party, source and feeds, and nothing else")
    source, entries = read["source"], read["feeds"]
    if not isinstance(source, dict) or not {"url_env"} <= set(source) <= {"url_env", "isolation"}:
        faults.append("source: needs url_env, the name of a variable with the SQLAlchemy URL; isolation may be there")
        source = {}
    isolation = str(source.get("isolation", SNAPSHOT))
    if isolation not in ISOLATIONS:
        faults.append(f"source: isolation is {' or '.join(ISOLATIONS)}")
    if not isinstance(entries, list) or not 0 < len(entries) <= FEEDS_MAX:
        faults.append(f"feeds: 1 to {FEEDS_MAX} are needed")
        entries = []
    feeds = [_feed(number, entry, faults) for number, entry in enumerate(entries, start=1)]
    names = [feed.name for feed in feeds if feed]
    faults += [f"feeds: the name {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise MappingWrong(f"{path.name}: " + "; ".join(faults))
    given = tuple(feed for feed in feeds if feed)
    return SourceMapping(str(read["party"]), str(source["url_env"]), given, isolation)


def _feed(number: int, entry: Any, faults: list[str]) -> Feed | None:
    where = f"feed {number}"
    if not isinstance(entry, dict) or not _FEED <= set(entry) <= _FEED | _MAY:
        faults.append(f"{where}: needs {', '.join(sorted(_FEED))}, may have {', '.join(_MAY)}, and nothing else")
        return None
    before = len(faults)
    if not _NAME.match(str(entry["name"])):
        faults.append(f"{where}: a name is small letters, digits and -")
    if not str(entry["query"]).lstrip()[:6].lower().startswith(("select", "with")):
        faults.append(f"{where}: a query begins with SELECT or WITH")
    if entry["shape"] not in SHAPES:
        faults.append(f"{where}: shape is {' or '.join(SHAPES)}")
    if not isinstance(entry.get("leaver", False), bool):
        faults.append(f"{where}: leaver is true or false")
    key = entry["key"] if isinstance(entry["key"], list) else [entry["key"]]
    if not key or not all(isinstance(column, str) for column in key):
        faults.append(f"{where}: key is a list of columns")
    when = _field("effective_on", entry["effective_on"], where, faults)
    given = entry["fields"] if isinstance(entry["fields"], dict) else {}
    if not given:
        faults.append(f"{where}: fields is an object of field: column")
    fields = []
    for path, said in given.items():
        if not _PATH.match(str(path)):
            faults.append(f"{where}: {path} is no field; say subject.…, data.…, observed_at or sequence")
        fields.append(_field(str(path), said, where, faults))
    if len(faults) > before:
        return None
    name, event, shape, query = (str(entry[part]) for part in ("name", "event", "shape", "query"))
    return Feed(name, event, shape, query, tuple(key), when, tuple(fields), bool(entry.get("leaver", False)))


def word(value: Any) -> str:
    """A value as a map names it. Yes and no are 1 and 0: SQL Server's bit, PostgreSQL's boolean and SQLite's number."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _field(path: str, said: Any, where: str, faults: list[str]) -> Field:
    if isinstance(said, str):
        return Field(path, column=said)
    if not isinstance(said, dict) or not set(said) <= _FIELD or ("column" in said) == ("value" in said):
        faults.append(f"{where}: {path} is a column, or an object with column or value ({', '.join(sorted(_FIELD))})")
        return Field(path)
    values = said.get("map")
    if values is not None and not isinstance(values, dict):
        faults.append(f"{where}: map of {path} is an object")
        values = None
    return Field(
        path,
        column=str(said.get("column", "")),
        value=said.get("value"),
        values={word(k): v for k, v in values.items()} if values is not None else None,
        otherwise=said.get("otherwise"),
        date_format=str(said.get("date_format", "")),
    )
