"""What the engine does where the policy does not bind: a register decided by weight alone (ADR 22).

Weights are trained without truth (``hub matching train``) in the run that measures: on the tuning half of the
historical records, and for FEBRL on the very rows that are decided, as Splink's are. Whatever else is set was chosen on
the tuning half and on sets made as FEBRL's are (``matching_febrl_made``), never on FEBRL 3 and 4; what other weights
that link give there prints ``python tests/benchmarks/matching_opened.py``.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
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

#: Columns that are compared besides the hub's own: of an address, its parts, and what ours would read in a shape of its
#: own as it is written.
WRITTEN = {"date_of_birth": "written_birth", "postcode": "written_postcode"}
COLUMNS = {"historical": (), **dict.fromkeys(febrl.SETS, (*febrl.PARTS, *WRITTEN.values()))}
EXTRA = {"historical": history.EXTRA, **dict.fromkeys(febrl.SETS, (febrl.EXTRA,))}
#: Of a model's section ``register``. FEBRL 4 links two files, each of which holds a person once; all others are one.
SECTION = {
    "historical": {},
    "febrl3": {"households": False, "slips": True},
    "febrl4": {"households": False, "slips": True, "once": True},
}
#: Weight (millibits) from which two are one, without and with ``EXTRA``: of ``LINKS`` the best on the tuning data.
LINK = {"historical": -4000, "febrl3": 0, "febrl4": -4000}
LINK_TOLD = {"historical": -4000, "febrl3": -2000, "febrl4": -4000}
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
#: Two lines of an address in each other's place.
EXCHANGED = {"same": -6000, "stranger": -17_000, "household": 0}
#: What weights that link are chosen on: many copies there are badly typed in three, four and more fields.
TUNING = {"febrl3": ("hard-register:1", "hard-register:2"), "febrl4": ("hard-link:1", "hard-link:2")}

Rows = Sequence[tuple[dict[str, str], str]]


def decided(name: str, rows: Rows, extra: Sequence[str] = ()) -> list[Placed]:
    """The rows of a set, decided by a trained model. Raises Unavailable."""
    model = trained(name, tuning(name) if name == "historical" else rows, extra)
    return resolved(name, rows, model, (LINK_TOLD if extra else LINK)[name])


def trained(name: str, rows: Rows, extra: Sequence[str]) -> str:
    """Text of a model for sets like the one of this name, trained on rows without their truth."""
    start = start_model(name, (*COLUMNS[name], *extra))
    register = filled(name, rows, json.dumps(start))
    of = train(register.matcher.model, register_pairs(register))
    return model_text(start, of, name=f"{name}-opened", date="2026-11-27", provenance={})


def tuning(name: str) -> Rows:
    return list(history.records(history.TUNE) if name == "historical" else febrl.records(name))


def start_model(name: str, columns: Sequence[str]) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(MODEL.read_text("utf-8"))
    model["household_prior_millibits"] = NO_HOUSEHOLD
    model["population_floor"] = 250
    model["further"] = list(columns)
    model["register"] = {"link_millibits": 0, "near_millibits": NEAR_MILLIBITS, **SECTION[name]}
    for column in columns:
        model["grades"][column] = copy.deepcopy(START)
        model["rarity"][column] = {"population": 200, "count_milli": 1000}
    for line in set(columns) & {"address_1", "address_2"}:
        model["grades"][line]["exchanged"] = dict(EXCHANGED)
    return model


def filled(name: str, rows: Rows, model: str) -> Register:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_text(model, "utf-8")
        register, _ = register_of(ROOT / "contracts", path)
    for row, _ in rows:
        told = _told(row, register.settings.once) if name in febrl.SETS else row
        try:
            register.add(told)
        except RowRefused:
            register.add({**told, "date_of_birth": ""})
    return register


def _told(row: Mapping[str, str], once: bool) -> dict[str, str]:
    """What is told in parts, or as it is written, is not compared a second time as a whole."""
    file = {"source": row["file"]} if once else {}
    return {**row, "address_line": "", **dict.fromkeys(WRITTEN, ""), **file}


def resolved(name: str, rows: Rows, model: str, link_millibits: int) -> list[Placed]:
    register = filled(name, rows, model)
    register.settings = replace(register.settings, link_millibits=link_millibits)
    answers: list[Resolved] = register.resolve()
    return [
        Placed(truth, answer.person_id, row["source"], answer.decision)
        for (row, truth), answer in zip(rows, answers, strict=True)
    ]


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--only", choices=tuple(LINK), action="append")
    ask.add_argument("--told", action="store_true", help="with the columns that the hub has not")
    asked = ask.parse_args()
    for name in asked.only or tuple(LINK):
        extra = EXTRA[name] if asked.told else ()
        for data in TUNING.get(name, (name,)):
            rows = tuning(data)
            model = trained(name, rows, extra)
            for link in LINKS:
                of = figures(measure(resolved(name, rows, model, link)))
                print(json.dumps({"for": name, "on": data, "link_millibits": link, **of}), flush=True)
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
