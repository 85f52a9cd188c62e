"""P7: custody overrides every other status from the day of entry to the day before release."""

from __future__ import annotations

from services.status import days
from services.status.days import FOREVER
from services.status.facts import Custody, Facts, Seen
from services.status.spans import Layer, paint

_ADULT_SETTINGS = frozenset({"adult_prison", "young_offender_institution"})


def custody(facts: Facts, born: int | None) -> list[Layer]:
    """Days in custody with their code: under 18 with education 290, without 130, from 18 on 710."""
    entries = facts.of("yj.custody.entered")
    if not entries:
        return []
    releases = [seen.on for seen in facts.of("yj.custody.released")]
    adult_from = FOREVER if born is None else days.birthday(born, 18)
    layers: list[Layer] = []
    for seen in entries:
        end = min((on for on in releases if on > seen.on), default=FOREVER + 1) - 1
        layers = paint(layers, _by_age(seen, end, adult_from, born is not None))
    return layers


def _by_age(seen: Seen, end: int, adult_from: int, age_known: bool) -> list[Layer]:
    told = Custody._make(seen.data)
    young = "290" if told.education_on_site else "130"
    if not age_known:
        young = "710" if told.setting in _ADULT_SETTINGS else young
    found = []
    if seen.on < adult_from:
        found.append(Layer(seen.on, min(end, adult_from - 1), young, "fact", seen.source, seen.on))
    if end >= adult_from:
        found.append(Layer(max(seen.on, adult_from), end, "710", "fact", seen.source, seen.on))
    return found


def remands(facts: Facts, born: int | None) -> list[tuple[int, int]]:
    """Days on which somebody under 18 is looked after because of a remand: until sentence or release."""
    found = []
    ends = sorted(seen.on for seen in facts.any_of("yj.custody.sentenced", "yj.custody.released"))
    adult_from = FOREVER if born is None else days.birthday(born, 18)
    for seen in facts.of("yj.custody.entered"):
        if Custody._make(seen.data).kind == "remand":
            end = min((on for on in ends if on > seen.on), default=FOREVER + 1) - 1
            found.append((seen.on, min(end, adult_from - 1)))
    return found
