"""Records of historical people with the errors of real transcription (``historical_50k.parquet``), half by half.

The halves are of whole clusters, chosen by the hash of the cluster's name: one to tune on, one to report. Needs the
evaluation data (``HUB_EVALUATION_DATA``, else ``../shared/data``) and pyarrow (dependency group ``evaluation``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Any

from matching_names import DATA

FILE = DATA / "historical_50k.parquet"
TUNE, TEST = "tune", "test"
#: What only Splink is told.
EXTRA = ("birth_place", "occupation")


class Unavailable(Exception):
    """The data or the library that reads them are not at hand. The message says which, and how to get it."""


def half_of(cluster: str) -> str:
    return TEST if hashlib.sha256(cluster.encode()).digest()[0] & 1 else TUNE


def records(half: str) -> Iterator[tuple[dict[str, str], str]]:
    """Identity rows of a half, each with its cluster, in an order that has nothing to do with the clusters.

    The file has no sources: every row is one of its own, so that every pair is one across sources. Place of birth and
    occupation (``EXTRA``) have no column among the hub's: ours does not read them.
    """
    if not FILE.is_file():
        raise Unavailable(f"{FILE.name} is not at hand: set HUB_EVALUATION_DATA to the folder that holds it")
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise Unavailable("pyarrow is not installed: pip install --group evaluation") from error
    rows = parquet.read_table(FILE).to_pylist()
    # The file holds cluster after cluster; people do not arrive so.
    Random("arrival").shuffle(rows)
    for number, row in enumerate(rows):
        cluster = str(row["cluster"])
        if half_of(cluster) == half:
            yield _identity(row, number), cluster


def _identity(row: dict[str, Any], number: int) -> dict[str, str]:
    return {
        "event_id": f"h{number}",
        "source": f"paper-{number}",
        "source_ref": f"h{number}",
        "given_name": row["first_name"] or "",
        "family_name": row["surname"] or "",
        "date_of_birth": str(row["dob"] or "")[:10],
        "sex": row.get("gender") or "",
        "postcode": row["postcode_fake"] or "",
        **{column: row[column] or "" for column in EXTRA},
    }
