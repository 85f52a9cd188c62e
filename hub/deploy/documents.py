"""Documents as YAML text, always the same for the same content, and read alike by YAML 1.1 and 1.2."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

Document = Mapping[str, Any]

#: Words and shapes that a YAML 1.1 reader (Kubernetes has one) takes for a truth or a number, and 1.2 for a text.
_OLD = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null|~)|[-+.\d][\d_.:eE+-]*|0[xo][\da-fA-F]+|")


def text_of(documents: Iterable[Document], heading: str = "") -> str:
    """The documents, divided by ``---``, under comment lines of ``heading``."""
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in heading.splitlines())
    yaml = YAML()
    yaml.width = 4_096
    yaml.indent(mapping=2, sequence=4, offset=2)
    for number, document in enumerate(documents):
        if number:
            out.write("---\n")
        yaml.dump(_plain(document), out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    match value:
        case str() if "\n" in value:
            return LiteralScalarString(value)
        case str() if _OLD.fullmatch(value):
            return DoubleQuotedScalarString(value)
        case Mapping():
            return {key: _plain(inner) for key, inner in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(inner) for inner in value]
        case _:
            return value
