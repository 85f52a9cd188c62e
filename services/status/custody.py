"""P7: custody overrides every other status from the day of entry to the day before release."""

from __future__ import annotations

from services.status import days
from services.status.days import FOREVER
from services.status.facts import Custody, Facts, Seen
from services.status.spans import Layer, paint, paired

_ADULT_SETTINGS = frozenset({"adult_prison", "young_offender_institution"})


def custody(facts: Facts, born: int | None) -> list[Layer]:
    """Days in custody with their code: under 18 with education 290, without 130, from 18 on 710."""
    entries = facts.of("yj.custody.entered")
    if not entries:
        return []
    releases = paired([seen.on for seen in entries], [seen.on for seen in facts.of("yj.custody.released")])
    adult_from = FOREVER if born is None else days.birthday(born, 18)
    layers: list[Layer] = []
    for seen, released in zip(entries, releases, strict=True):
        end = FOREVER if released is None else released - 1
        layers = paint(layers, _by_age(seen, end, adult_from, born is not None))
    return layers


def _by_age(seen: Seen, end: int, adult_from: int, age_known: bool) -> list[Layer]:
    told = Custody._make(seen.data)
    young = "290" if told.education_on_site else "130"
    if not age_known:
        young = "710" if told.setting in _ADULT_SETTINGS else young
    found = []
    if seen.on < adult_from and seen.on <= end:
        found.append(Layer(seen.on, min(end, adult_from - 1), young, "fact", seen.source, seen.on))
    if end >= max(seen.on, adult_from):
        found.append(Layer(max(seen.on, adult_from), end, "710", "fact", seen.source, seen.on))
    return found


def remands(facts: Facts, born: int | None) -> list[tuple[int, int]]:
    """Days on which somebody under 18 is looked after because of a remand: until sentence or release.

    A sentence is also told as a new entry, where the remand was not told to have ended.
    """
    entries = [(seen.on, Custody._make(seen.data).kind) for seen in facts.of("yj.custody.entered")]
    starts = [on for on, kind in entries if kind == "remand"]
    ends = [seen.on for seen in facts.any_of("yj.custody.sentenced", "yj.custody.released")]
    ends += [on for on, kind in entries if kind == "sentence"]
    adult_from = FOREVER if born is None else days.birthday(born, 18)
    return [
        (on, min(FOREVER if end is None else end - 1, adult_from - 1))
        for on, end in zip(starts, paired(starts, ends), strict=True)
    ]
