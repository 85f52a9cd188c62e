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
from hub.resolve import ROOT, UNREADABLE, Row, Unusable, is_jsonl, progress, rows_of, why_unreadable
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
    at = Path(one) if file is None else file
    try:
        matcher, _ = matcher_of(contracts, model)
        known = _resolve(matcher, file, {one, other}, not as_json) if file is not None else None
        if rows is not None:
            assert known is not None
            missing = [name for name in (one, other) if name not in known.rows]
            if missing:
                raise Unusable(f"no usable row with event_id {' or '.join(missing)}")
            blocks = (known.rows[one], known.rows[other])
        else:
            blocks = (_block(Path(one), "A"), _block(Path(other), "B"))
        seen = (observation_of(blocks[0], 1), observation_of(blocks[1], 2))
        told = explain(matcher, *seen, known.frequencies if known else Frequencies())
    except UNREADABLE as error:
        fail(f"matching explain: {at.name}: {why_unreadable(error)}", as_json=as_json, code=2)
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


def _block(path: Path, side: str) -> Row:
    """Raises Unusable with all that is wrong with the block, without its values."""
    if path.stat().st_size > BLOCK_BYTES_MAX:
        raise Unusable(f"{path.name} is longer than {BLOCK_BYTES_MAX} bytes")
    try:
        read = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise Unusable(f"{path.name} is not JSON (line {error.lineno})") from error
    if not isinstance(read, dict):
        raise Unusable(f"{path.name} is not a JSON object of {', '.join(COLUMNS)}")
    faults = [f"{name} is unknown" for name in sorted(set(read) - set(COLUMNS))]
    faults += [f"{name} must be text" for name, v in sorted(read.items()) if not isinstance(v, str | None)]
    if faults:
        raise Unusable(f"{path.name}: {'; '.join(faults)}; known are {', '.join(COLUMNS)}")
    return {"source": side, **read, "event_id": side}


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
