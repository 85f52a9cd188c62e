"""``hub matching explain``: two records side by side, as written and as read, and what is decided about them and why.

What is printed is about the people of the two records: it is for the one who asked, and nothing of it is logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.output import AsJson, fail, show_json, show_table
from hub.progress import progress
from hub.resolve import ROOT, UNREADABLE, Row, rows_of, why_unreadable
from hub.unfinished import Unusable, is_jsonl
from services.matching.agent import MODEL, matcher_of
from services.matching.bulk import COLUMNS, Bulk, Resolved, RowRefused, observation_of
from services.matching.explain import Explained, explain, in_words
from services.matching.facts import Observation
from services.matching.identity import STRONG, Identity
from services.matching.normalise import Name
from services.matching.search import Matcher
from services.matching.weigh import Frequencies

BLOCK_BYTES_MAX = 1 << 16
_DECISIONS = {"link": "one person", "review": "somebody must look", "apart": "two people"}


class _Faulty(Unusable):
    """One of the two records cannot be read. The message says which."""


@dataclass(slots=True)
class _Population:
    """A file resolved whole: how frequent its values are, and where the two rows went."""

    frequencies: Frequencies
    rows: dict[str, Row]
    placed: dict[str, Resolved]


def explain_command(
    one: Annotated[str, typer.Argument(metavar="A", help="A JSON file with an identity block; an event_id of --rows.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The record that comes second.")],
    rows: Annotated[
        Path | None, typer.Option(help="CSV or JSONL that holds both rows, and the population they are of.")
    ] = None,
    population: Annotated[
        Path | None, typer.Option(help="Rows of the population that two JSON blocks are of; else nobody is known.")
    ] = None,
    as_json: AsJson = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
    model: Annotated[Path, typer.Option(help="Model file with the weights.")] = MODEL,
) -> None:
    """Say what matching decides about B where A is known, and why: each comparison, the sum, the threshold, the guards.

    Prints personal data of the two records. Exit 0, whatever is decided; 2 if a record, file or the model is unusable.
    """
    file = rows or population
    try:
        matcher, _ = matcher_of(contracts, model)
        known = _resolve(matcher, file, {one, other}, not as_json) if file is not None else None
        blocks = _rows(known, one, other) if known and rows else _blocks(Path(one), Path(other))
        seen = _both(blocks)
        told = explain(matcher, *seen, known.frequencies if known else Frequencies())
    except UNREADABLE as error:
        of = f"{file.name}: " if file is not None and not isinstance(error, _Faulty) else ""
        fail(f"matching explain: {of}{why_unreadable(error)}", as_json=as_json, code=2)
    placed = known.placed if known and rows else {}
    if as_json:
        show_json(_as_json(told, seen, blocks, placed))
    else:
        _show(told, seen, blocks, placed, matcher)


def _resolve(matcher: Matcher, file: Path, wanted: set[str], shown: bool) -> _Population:
    bulk, kept, placed = Bulk(matcher), dict[str, Row](), dict[str, Resolved]()
    with (
        file.open(encoding="utf-8-sig", newline="") as handle,
        progress(file.stat().st_size, shown) as advance,
    ):
        for _, row in rows_of(handle, is_jsonl(file), advance):
            try:
                if isinstance(row, RowRefused):
                    continue
                resolved = bulk.resolve(row)
            except RowRefused:
                # It is not in the population either; ``hub resolve`` names such rows.
                continue
            if resolved.event_id in wanted and resolved.event_id not in kept:
                kept[resolved.event_id], placed[resolved.event_id] = row, resolved
    return _Population(bulk.ledger.index.frequencies, kept, placed)


def _rows(known: _Population, one: str, other: str) -> tuple[Row, Row]:
    missing = [name for name in (one, other) if name not in known.rows]
    if missing:
        raise Unusable(f"no usable row with event_id {' or '.join(missing)}")
    return known.rows[one], known.rows[other]


def _blocks(one: Path, other: Path) -> tuple[Row, Row]:
    """Two files with a block each. Raises _Faulty with all that is wrong with both, without a value."""
    faults: list[str] = []
    read = [_block(path, side, faults) for path, side in ((one, "A"), (other, "B"))]
    if faults:
        raise _Faulty("; ".join(faults))
    return read[0], read[1]


def _block(path: Path, side: str, faults: list[str]) -> Row:
    told: list[str] = []
    read: Any = None
    try:
        if path.stat().st_size > BLOCK_BYTES_MAX:
            told.append(f"longer than {BLOCK_BYTES_MAX} bytes")
        else:
            read = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        told.append(f"not JSON (line {error.lineno})")
    except (OSError, UnicodeDecodeError) as error:
        told.append(why_unreadable(error))
    if isinstance(read, dict):
        unknown = sorted(set(read) - set(COLUMNS))
        told += [f"{name} is unknown" for name in unknown]
        told += [f"known are {', '.join(COLUMNS)}"] if unknown else []
        told += [f"{name} must be text" for name, v in sorted(read.items()) if not isinstance(v, str | None)]
    elif not told:
        told.append("not a JSON object")
    if told:
        faults.append(f"{side} ({path.name}): {', '.join(told)}")
        return {}
    return {"source": side, **read, "event_id": side}


def _both(blocks: tuple[Row, Row]) -> tuple[Observation, Observation]:
    """Raises _Faulty with the faults of both."""
    seen: list[Observation] = []
    faults: list[str] = []
    for number, (side, block) in enumerate(zip("AB", blocks, strict=True)):
        try:
            seen.append(observation_of(block, number))
        except RowRefused as refused:
            faults.append(f"{side}: {refused}")
    if faults:
        raise _Faulty("; ".join(faults))
    return seen[0], seen[1]


def _read(identity: Identity) -> dict[str, str]:
    """An identity block as matching reads it, by column."""
    (name, *_) = identity.names or (Name(None, None),)
    born = identity.born.isoformat() if identity.born else ""
    read: Mapping[str, str | None] = {
        "given_name": " ".join((name.given.first, *name.given.others)) if name.given else None,
        "family_name": name.family.joined if name.family else None,
        "date_of_birth": born,
        "postcode": identity.postcode,
        "address_line": identity.address,
        "phone": identity.phone,
        "email": identity.email,
        **dict(zip(STRONG, identity.numbers, strict=True)),
    }
    return {name: value or "" for name, value in read.items()}


def _sides(seen: tuple[Observation, Observation], blocks: tuple[Row, Row]) -> list[tuple[str, str, str, str, str]]:
    """Column; A as written and as read; B as written and as read."""
    reads = [_read(of.identity) for of in seen]
    out = []
    for column in reads[0]:
        written = [(block.get(column) or "").strip() for block in blocks]
        if any(written):
            a, b = (
                read[column] or ("(read as missing)" if text else "") for read, text in zip(reads, written, strict=True)
            )
            out.append((column, written[0], a, written[1], b))
    return out


def _as_json(
    told: Explained, seen: tuple[Observation, Observation], blocks: tuple[Row, Row], placed: Mapping[str, Resolved]
) -> dict[str, Any]:
    return {
        "decision": told.decision,
        "how": told.how,
        "rule": told.rule.rule,
        "reason": told.rule.reason,
        "weight_millibits": told.weight,
        "against_stranger_millibits": told.stranger,
        "against_household_millibits": told.household,
        "threshold_millibits": told.threshold,
        "review_threshold_millibits": told.review_threshold,
        "people_known": told.people,
        "comparisons": [
            {
                "compared": part.kind,
                "grade": part.grade,
                "times": part.times,
                "against_stranger_millibits": part.stranger,
                "against_household_millibits": part.household,
                "words": in_words(part),
            }
            for part in told.parts
        ],
        "guards": [{"guard": guard, "words": words} for guard, words in told.guards],
        "records": [
            {"column": c, "a": a, "a_as_read": a_read, "b": b, "b_as_read": b_read}
            for c, a, a_read, b, b_read in _sides(seen, blocks)
        ],
        "in_the_file": [
            {"event_id": r.event_id, "person_id": r.person_id, "decision": r.decision} for r in placed.values()
        ],
    }


def _show(
    told: Explained,
    seen: tuple[Observation, Observation],
    blocks: tuple[Row, Row],
    placed: Mapping[str, Resolved],
    matcher: Matcher,
) -> None:
    show_table("As written and as read", ("", "A", "A as read", "B", "B as read"), _sides(seen, blocks))
    rows = [(in_words(part), str(part.stranger), str(part.household)) for part in told.parts]
    rows.append(("sum", str(told.stranger), str(told.household)))
    show_table("Weights in millibits", ("comparison", "against a stranger", "against the household"), rows)
    stronger = "a stranger" if told.stranger <= told.household else "a sibling or twin"
    typer.echo(f"Weight {told.weight} millibits; the stronger alternative is {stronger}; {told.people} people known.")
    if told.threshold is None:
        typer.echo(f"Rule {told.rule.rule} ({told.rule.reason}) decides, whatever the weight.")
    else:
        typer.echo(
            f"Rule {told.rule.rule} ({told.rule.reason}) leaves it to the weight: {told.threshold} millibits link, "
            f"{told.review_threshold} ask a reader."
        )
    for guard, words in told.guards:
        typer.echo(f"Guard {guard}: {words}.")
    typer.echo(f"Decision: {told.decision} ({_DECISIONS[told.decision]}), model {matcher.model.name}.")
    for resolved in placed.values():
        typer.echo(f"In the file {resolved.event_id} went to {resolved.person_id} ({resolved.decision}).")
    typer.echo("A third record can change this: another candidate near in weight makes it a review.")
