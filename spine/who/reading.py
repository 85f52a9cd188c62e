"""Files of settings as typed values: every fault at once, each with its place, and never a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Row = TypeVar("Row", bound="Entry")


class Entry(BaseModel):
    """One thing a file says. A word that is not known is a fault: a setting misspelt must not be a setting ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def read_yaml(path: Path) -> Any:
    """YAML 1.2 or JSON. Raises ValueError with the line of a fault, OSError if there is no file."""
    try:
        return YAML(typ="safe").load(path)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ValueError(f"{path.name}: no YAML, line {line}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: no YAML: {type(error).__name__}") from None


def read_list(path: Path, under: str, row: type[Row]) -> tuple[Row, ...]:
    """A list of ``row``, bare or in an object under the key ``under``. Raises ValueError naming every fault."""
    read = read_yaml(path)
    entries = read.get(under) if isinstance(read, dict) else read
    if not isinstance(entries, list):
        raise ValueError(f"{path.name}: a list of {under} is needed, bare or under the word {under}")
    rows, faults = [], []
    for number, entry in enumerate(entries, start=1):
        try:
            rows.append(row.model_validate(entry))
        except ValidationError as error:
            faults += said(error, f"{under} {number}")
    if faults:
        raise ValueError(f"{path.name}: " + "; ".join(faults))
    return tuple(rows)


def said(error: ValidationError, where: str) -> list[str]:
    """The faults in words, without the values."""
    out = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in fault["loc"])
        out.append(f"{where}{' ' if place else ''}{place}: {fault['msg']}")
    return out


def doubles(names: list[str], what: str) -> list[str]:
    """Faults for what is named twice."""
    return [f"{what} {name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
