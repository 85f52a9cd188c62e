"""The council's name and colours: ``contracts/policy/console.yaml``. Values are checked, they end in a stylesheet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FONT = re.compile(r"[A-Za-z0-9 ,'\"-]{1,200}")


@dataclass(frozen=True, slots=True)
class Brand:
    council: str
    service: str
    colour: str
    font: str
    contact: str

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.colour):
            raise ValueError("colour: a hash sign and six hex digits")
        if contrast_with_white(self.colour) < 450:
            raise ValueError("colour: too light behind white text (WCAG needs 4.5 to 1)")
        if not _FONT.fullmatch(self.font):
            raise ValueError("font: names, commas, quotes and hyphens only")

    @property
    def css(self) -> str:
        return f":root{{--brand-colour:{self.colour};--brand-font:{self.font}}}\n"


def contrast_with_white(colour: str) -> int:
    """Contrast of white text on ``colour`` in hundredths."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return int(105 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05))


def load(contracts: Path) -> Brand:
    read = YAML(typ="safe", pure=False).load(contracts / "policy" / "console.yaml")
    return Brand(**{name: str(read[name]) for name in Brand.__slots__})
