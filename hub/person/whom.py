"""Who is meant: a person's or a stub's own id, or a party's reference, which matching's rows lead to the person."""

from __future__ import annotations

import orjson

from hub.held import Held

PERSON = "p:"


def ids_of(held: Held, named: str) -> tuple[str, ...]:
    """Ids of who is meant by an id or by ``party:source_ref``; empty for nobody, several if it says not enough.

    A reference can lead to several: a person and somebody of the test population, or a stub that waits beside them.
    """
    if "\0" in named:
        return ()
    if held.one("status", named) is not None:
        return (named,)
    party, _, ref = named.partition(":")
    if not party or not ref:
        return ()
    # The rows are JSON without spaces (services/matching/rows.py): the party's name in it finds the few to read.
    found = set()
    for key, body in held.holding("matching", b'"s":' + orjson.dumps(party)):
        if key.startswith(PERSON):
            row = orjson.loads(body)
            if any((record["s"], record["k"]) == (party, ref) for record in row["r"]):
                found.add(str(row["i"]))
    return tuple(sorted(found))
