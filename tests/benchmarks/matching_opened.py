"""What the engine does where the policy does not bind: a register decided by weight alone (ADR 22).

Weights are trained without truth (``hub matching train``) on the tuning half of the historical records and on FEBRL 2,
in the run that measures. The weight that links was chosen on those same data; what others give there prints
``python tests/benchmarks/matching_opened.py``.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import matching_febrl as febrl  # noqa: E402
import matching_history as history  # noqa: E402

from services.matching.agent import MODEL, register_of  # noqa: E402
from services.matching.bulk import Resolved, RowRefused  # noqa: E402
from services.matching.measures import Measured, Placed, measure  # noqa: E402
from services.matching.register import Register  # noqa: E402
from services.matching.register_train import register_pairs  # noqa: E402
from services.matching.train import train  # noqa: E402
from services.matching.train_file import model_text  # noqa: E402

#: Columns that are compared besides the hub's own: of an address, its parts.
PARTS = ("street_number", "address_1", "suburb")
COLUMNS = {"historical": (), **dict.fromkeys(febrl.SETS, PARTS)}
EXTRA = {"historical": history.EXTRA, **dict.fromkeys(febrl.SETS, (febrl.EXTRA,))}
#: Weight (millibits) from which two are one, without and with ``EXTRA``: of ``LINKS`` the best on the tuning data.
LINK = {"historical": -4000, **dict.fromkeys(febrl.SETS, 0)}
LINK_TOLD = {"historical": -4000, **dict.fromkeys(febrl.SETS, -6000)}
NEAR_MILLIBITS = 4000
LINKS = range(0, -8001, -2000)
#: Guesses that training begins with.
START = {
    "equal": {"same": -1000, "stranger": 0, "household": 0, "by_value": True},
    "near": {"same": -2500, "stranger": -5000, "household": 0},
    "different": {"same": -2500, "stranger": -100, "household": 0},
}
#: Nobody shares a home here: against another one of the household, nothing needs to be said.
NO_HOUSEHOLD = -60_000

Rows = Sequence[tuple[dict[str, str], str]]


def decided(name: str, rows: Rows, extra: Sequence[str] = ()) -> list[Placed]:
    """The rows of a set, decided by a model that was trained on other ones. Raises Unavailable."""
    return resolved(rows, trained(name, (*COLUMNS[name], *extra)), (LINK_TOLD if extra else LINK)[name])


@lru_cache
def trained(name: str, columns: tuple[str, ...]) -> str:
    """Text of a model for a set. Raises Unavailable."""
    start = start_model(columns)
    register = filled(tuning(name), json.dumps(start))
    of = train(register.matcher.model, register_pairs(register))
    return model_text(start, of, name=f"{name}-opened", date="2026-11-27", provenance={})


def tuning(name: str) -> Rows:
    return list(history.records(history.TUNE) if name == "historical" else febrl.records(febrl.TUNE))


def start_model(columns: Sequence[str]) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(MODEL.read_text("utf-8"))
    model["household_prior_millibits"] = NO_HOUSEHOLD
    model["population_floor"] = 250
    model["further"] = list(columns)
    model["register"] = {"link_millibits": 0, "near_millibits": NEAR_MILLIBITS}
    for column in columns:
        model["grades"][column] = copy.deepcopy(START)
        model["rarity"][column] = {"population": 200, "count_milli": 1000}
    return model


def filled(rows: Rows, model: str) -> Register:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_text(model, "utf-8")
        register, _ = register_of(ROOT / "contracts", path)
    for row, _ in rows:
        # An address in parts is not compared a second time as a whole.
        told = {**row, "address_line": ""} if register.matcher.model.further[:1] == PARTS[:1] else row
        try:
            register.add(told)
        except RowRefused:
            register.add({**told, "date_of_birth": ""})
    return register


def resolved(rows: Rows, model: str, link_millibits: int) -> list[Placed]:
    register = filled(rows, model)
    register.settings = replace(register.settings, link_millibits=link_millibits)
    answers: list[Resolved] = register.resolve()
    return [
        Placed(truth, answer.person_id, row["source"], answer.decision)
        for (row, truth), answer in zip(rows, answers, strict=True)
    ]


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--only", choices=("historical", "febrl3"), action="append")
    ask.add_argument("--told", action="store_true", help="with the columns that only Splink is told elsewhere")
    asked = ask.parse_args()
    for name in asked.only or ("historical", "febrl3"):
        model = trained(name, (*COLUMNS[name], *(EXTRA[name] if asked.told else ())))
        for link in LINKS:
            of = figures(measure(resolved(tuning(name), model, link)))
            print(json.dumps({"for": name, "link_millibits": link, **of}), flush=True)
    return 0


def figures(of: Measured) -> dict[str, float]:
    return {
        "f1": round(of.pairs.f1, 4),
        "precision": round(of.pairs.precision, 4),
        "recall": round(of.pairs.recall, 4),
        "b_cubed": round(of.b_cubed.f1, 4),
        "false_merges_per_10000": round(of.false_merges_per_10000, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main())
