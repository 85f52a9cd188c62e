"""A toy service for the laws: per key it counts and adds up; each fact causes one echo with the running total."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from spine.journal import DecisionRow
from spine.keyed import Keyed, KeyedProcessor
from spine.record import Effect, Fact, Outgoing
from spine.schema import Catalogue
from spine.step import TICK

ROOT = Path(__file__).parents[2]


def _schema(name: str, *fields: tuple[str, str]) -> dict[str, object]:
    listed = [{"name": n, "type": t} for n, t in (("event_id", "string"), *fields)]
    return {"type": "record", "name": name, "namespace": "toy", "fields": listed}


SCHEMAS = {
    "count.v1": _schema("Count", ("key", "string"), ("n", "long")),
    "echo.v1": _schema("Echo", ("key", "string"), ("n", "long"), ("count", "long"), ("total", "long")),
}


def write_schemas(folder: Path) -> Path:
    """The toy's schemas, and the spine's own two, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, source in SCHEMAS.items():
        (folder / f"{kind}.avsc").write_text(json.dumps(source))
    for kind in ("tick.v1", "set_aside.v1"):
        (folder / f"{kind}.avsc").write_text((ROOT / "schemas" / "avro" / f"{kind}.avsc").read_text())
    return folder


def toy_catalogue() -> Catalogue:
    catalogue = Catalogue([])
    for kind, source in SCHEMAS.items():
        catalogue.add(kind, source)
    for kind in ("tick.v1", "set_aside.v1"):
        catalogue.add(kind, json.loads((ROOT / "schemas" / "avro" / f"{kind}.avsc").read_text()))
    catalogue.use_ids({kind: n for n, kind in enumerate(sorted(catalogue.sources), start=1)})
    return catalogue


@dataclass(frozen=True, slots=True)
class Total:
    key: str
    count: int = 0
    total: int = 0
    due_on: date | None = None


def keyed(effects_topic: str = "effects", poison: int | None = None, seconds: float = 0) -> Keyed[Total]:
    """``poison``: the number that makes ``decide`` raise. ``seconds``: how long it takes over each fact."""

    def decide(state: Total, fact: Fact) -> tuple[Total, Sequence[Effect]]:
        if fact.kind == TICK:
            return Total(state.key, state.count, state.total), [_echo(effects_topic, state, -1)]
        if fact.fields["n"] == poison:
            raise ZeroDivisionError
        time.sleep(seconds)
        n = fact.fields["n"]
        due = date(2026, 9, 1) if n % 10 == 0 else state.due_on
        new = Total(state.key, state.count + 1, state.total + n, due)
        return new, [_echo(effects_topic, new, n)]

    return Keyed(
        key_of=lambda fact: str(fact.fields["key"]),
        empty=Total,
        decide=decide,
        encode=lambda s: orjson.dumps([s.key, s.count, s.total, s.due_on]),
        decode=_decode,
        due_on=lambda s: s.due_on,
    )


def _echo(topic: str, state: Total, n: int) -> Effect:
    return Effect(topic, state.key, "echo.v1", {"key": state.key, "n": n, "count": state.count, "total": state.total})


def _decode(body: bytes) -> Total:
    key, count, total, due = orjson.loads(body)
    return Total(key, count, total, date.fromisoformat(due) if due else None)


def toy_processor(
    topic: str = "things",
    effects: str = "effects",
    poison: int | None = None,
    seconds: float = 0,
    build: str = "build",
) -> KeyedProcessor[Total]:
    return KeyedProcessor("toy", topic, build, "settings", keyed(effects, poison, seconds))


def counts(
    catalogue: Catalogue, topic: str, numbers: Iterable[int], keys: int = 7, filler: bytes = b""
) -> list[Outgoing]:
    """Facts ``count.v1`` number by number; ``filler`` makes the records larger."""
    headers = (("filler", filler),) if filler else ()
    out = []
    for n in numbers:
        fields = {"event_id": f"count-{n}", "key": f"key-{n % keys}", "n": n}
        body = catalogue.encode("count.v1", fields)
        out.append(Outgoing(0, f"count-{n}", topic, f"key-{n % keys}", "count.v1", body, headers))
    return out


def check_exact(rows: Sequence[DecisionRow], echoes: Sequence[Fact], numbers: Sequence[int], keys: int = 7) -> None:
    """No loss, no doubling: one decision per place and offset, one echo per number, totals that add up."""
    places = Counter((row.topic, row.partition, row.offset) for row in rows)
    assert max(places.values()) == 1
    decided = Counter(row.event_id for row in rows if row.note == "" and row.kind != TICK)
    assert sorted(decided) == sorted(f"count-{n}" for n in numbers)
    assert max(decided.values()) == 1
    by_id = {fact.event_id: fact.fields for fact in echoes}
    assert Counter(f["n"] for f in by_id.values() if f["n"] >= 0) == Counter(numbers)
    for key in range(keys):
        mine = [f for f in by_id.values() if f["key"] == f"key-{key}" and f["n"] >= 0]
        assert sorted(f["count"] for f in mine) == list(range(1, len(mine) + 1))
        assert max((f["total"] for f in mine), default=0) == sum(n for n in numbers if n % keys == key)


def main() -> None:
    """The toy as a real process: HUB_TOY_TOPIC and HUB_TOY_EFFECTS name its topics."""
    from spine.service import run

    topic, effects = os.environ["HUB_TOY_TOPIC"], os.environ["HUB_TOY_EFFECTS"]
    poison, seconds = int(os.environ.get("HUB_TOY_POISON", "-1")), float(os.environ.get("HUB_TOY_SECONDS", "0"))
    build = os.environ.get("HUB_TOY_BUILD", "build")
    code = run("toy", lambda catalogue, contracts: toy_processor(topic, effects, poison, seconds, build))
    sys.exit(code)


if __name__ == "__main__":
    main()
