"""Who speaks: one kind of principal, whichever way it proved itself; and why somebody is nobody, for the log alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["events:write", "receipts:read", "answers:read", "refusals:redrive"]
WRITE: Scope = "events:write"
READ: Scope = "receipts:read"
#: To ask what agreements let one read: never had without being named.
ANSWERS: Scope = "answers:read"
#: To bring what was refused before the gate again: never had without being named.
REDRIVE: Scope = "refusals:redrive"
#: What a credential may do that names no scopes.
SCOPES: frozenset[Scope] = frozenset({WRITE, READ})

#: ``live`` counts. ``test`` and ``sandbox`` go through the whole hub, marked, and reach no caseworker; a sandbox key
#: is for trying things out and always ends.
Mode = Literal["live", "test", "sandbox"]
MODES: tuple[Mode, ...] = ("live", "test", "sandbox")


@dataclass(frozen=True, slots=True)
class Principal:
    """Speaks for ``party``. ``name`` says by what: ``key:nvc-1``, ``client:entra/<id>``, ``certificate:nvc``."""

    party: str
    name: str
    mode: Mode
    scopes: frozenset[Scope]

    @property
    def test(self) -> bool:
        return self.mode != "live"


@dataclass(frozen=True, slots=True)
class Nobody:
    """Who can't be told, and the class of reason. Only the log reads this: every answer outside is the same 401.

    ``known``: the credential as the hub names it, where it is one of ours (an expired key, a client without a party).
    ``again_seconds``: not 0 if the issuer's keys can't be had just now, so that nothing can be said of the token.
    """

    way: str
    reason: str
    known: str = ""
    party: str = ""
    issuer: str = ""
    again_seconds: int = 0
