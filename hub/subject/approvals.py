"""The two-person rule: one asks, another approves within a time, and only then is it done, once.

Where officers are listed both sign (``hub.subject.officers``): whoever approves signs over what was asked for and the
first signature, which is checked again, so that a row that somebody wrote into the register by hand approves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hub.heads import NotAllowed, two_people
from hub.subject.officers import NotProved, Officers
from hub.subject.registers import REQUEST, SIGNATURE
from spine.ledger.operations import record

VALID = timedelta(days=7)
APPROVE = "Approve what another person asked for, and do it."
ASKED, APPROVED = "asked", "approved"
LEAF = "approval"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``approved_by`` is None until a second person has said yes; ``done_at`` until it was carried out.

    ``asked_proof``, ``approved_proof``: both signatures; empty where nobody was listed as an officer.
    """

    number: int
    kind: str
    what: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    done_at: datetime | None = None
    asked_proof: str = ""
    approved_proof: str = ""


def ask(
    connection: sa.Connection,
    officers: Officers,
    kind: str,
    what: str,
    by: str,
    at: datetime,
    valid: timedelta = VALID,
) -> Request:
    """A request that stands already is the same request, whoever asks again; but one that nobody signed is not one
    where officers sign. Raises NotAllowed without a name, or where it is not proved."""
    if not by.strip():
        raise NotAllowed("say who asks: --by NAME")
    _alone(connection, kind, what)
    name = officers.proved(by)
    held = _standing(connection, kind, what)
    if held is not None and at < held.expires_at and not _fault(held, officers.check):
        return held
    values = {"kind": kind, "what": what, "asked_by": name, "asked_at": at, "expires_at": at + valid}
    made = Request(*connection.execute(sa.insert(REQUEST).values(values).returning(*REQUEST.c)).one())
    return _sign(connection, officers, made, ASKED)


def approve(connection: sa.Connection, officers: Officers, kind: str, what: str, by: str, at: datetime) -> Request:
    """The request, approved; approved before and not done, it is given back as it is, so that an interrupted
    command goes on. Raises NotAllowed: nobody asked, it has expired, the same person asked, or one is not proved."""
    _alone(connection, kind, what)
    name = officers.proved(by)
    held = _standing(connection, kind, what)
    if held is None:
        raise NotAllowed("nobody has asked for this: ask first, then another person approves")
    if at >= held.expires_at:
        raise NotAllowed(f"the request of {held.asked_by} expired on {held.expires_at:%Y-%m-%d %H:%M} UTC: ask again")
    check(officers, held)
    if held.approved_by:
        return held
    try:
        two_people(held.asked_by, name)
    except NotAllowed:
        raise NotAllowed(f"{held.asked_by} asked for this: another person must approve") from None
    chosen = sa.update(REQUEST).where(REQUEST.c.number == held.number).values(approved_by=name, approved_at=at)
    made = Request(*connection.execute(chosen.returning(*REQUEST.c)).one())
    return _sign(connection, officers, replace(made, asked_proof=held.asked_proof), APPROVED)


def done(connection: sa.Connection, number: int, at: datetime) -> None:
    """It was carried out: the approval is used up."""
    connection.execute(sa.update(REQUEST).where(REQUEST.c.number == number).values(done_at=at))


def check(officers: Officers, request: Request) -> None:
    """Whether those who are listed signed what they are said to have wanted. Raises NotProved."""
    if fault := _fault(request, officers.check):
        raise NotProved(f"{fault}; ask again")


def fault_of(officers: Officers, request: Request) -> str:
    """Why it is not proved that the people named wanted this, for an auditor; empty where it is."""
    return _fault(request, officers.check_of_old)


def unlike_the_ledger(connection: sa.Connection, found: Sequence[Request]) -> list[str]:
    """What the ledger knows of signed approvals and the register does not have as it was, in words. No ledger, none."""
    if connection.scalar(sa.text("SELECT to_regclass('audit.operation')")) is None:
        return []
    leaves = connection.execute(sa.text(f"SELECT about FROM audit.operation WHERE kind = '{LEAF}'"))
    known = {int(about["request"]): str(about["signed"]) for about in (json.loads(row.about) for row in leaves)}
    held = {one.number: _both(one) for one in found if one.approved_proof}
    faults = [f"approval {n} stands in the ledger and not in the register" for n in sorted(known.keys() - held.keys())]
    faults += [f"approval {n} stands in the register and not in the ledger" for n in sorted(held.keys() - known.keys())]
    return faults + [f"approval {n} was another" for n in sorted(known.keys() & held.keys()) if known[n] != held[n]]


def in_words(request: Request, command: str) -> str:
    """What whoever asked is told."""
    until = f"{request.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"asked; until {until} another person may approve:\n  {command} --approve --by NAME"


def standing(connection: sa.Connection) -> list[Request]:
    """What was asked for and not done, oldest first."""
    query = sa.select(*REQUEST.c).where(REQUEST.c.done_at.is_(None)).order_by(REQUEST.c.number)
    return [_with_proofs(connection, Request(*row)) for row in connection.execute(query).all()]


def every(connection: sa.Connection) -> list[Request]:
    """Every request that was ever made, oldest first, as an auditor checks their signatures."""
    found = [Request(*row) for row in connection.execute(sa.select(*REQUEST.c).order_by(REQUEST.c.number)).all()]
    return [_with_proofs(connection, one) for one in found]


def _fault(request: Request, signed: Callable[[str, str, str], None]) -> str:
    """Why both are not shown to have signed what they are said to have wanted; empty where they are."""
    try:
        signed(request.asked_by, _asking(request), request.asked_proof)
        if request.approved_by:
            signed(request.approved_by, _approving(request), request.approved_proof)
    except NotProved as error:
        return str(error)
    return ""


def _asking(request: Request) -> str:
    # The first line has a space: it can be taken for no tree's checkpoint.
    wanted = [request.kind, request.what, request.asked_by, _moment(request.asked_at), _moment(request.expires_at)]
    return f"An officer asks\n{json.dumps([request.number, *wanted])}\n"


def _approving(request: Request) -> str:
    assert request.approved_at is not None
    mine = [request.approved_by, _moment(request.approved_at), request.asked_proof]
    return f"An officer approves\n{json.dumps(mine)}\n{_asking(request)}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _sign(connection: sa.Connection, officers: Officers, request: Request, act: str) -> Request:
    by, text = (request.asked_by, _asking) if act == ASKED else (str(request.approved_by), _approving)
    line = officers.signed(by, text(request))
    if not line:
        return request
    connection.execute(sa.insert(SIGNATURE).values(number=request.number, act=act, line=line))
    if act == ASKED:
        return replace(request, asked_proof=line)
    # A leaf of the ledger: the register alone could be written anew.
    signed = replace(request, approved_proof=line)
    about = {"request": request.number, "kind": request.kind, "signed": _both(signed)}
    record(connection, LEAF, about, request.approved_at or request.asked_at)
    return signed


def _both(request: Request) -> str:
    return hashlib.sha256((request.asked_proof + request.approved_proof).encode()).hexdigest()


def _standing(connection: sa.Connection, kind: str, what: str) -> Request | None:
    mine = (REQUEST.c.kind == kind, REQUEST.c.what == what, REQUEST.c.done_at.is_(None))
    query = sa.select(*REQUEST.c).where(*mine).order_by(REQUEST.c.number.desc()).limit(1).with_for_update()
    row = connection.execute(query).first()
    return None if row is None else _with_proofs(connection, Request(*row))


def _with_proofs(connection: sa.Connection, request: Request) -> Request:
    chosen = sa.select(SIGNATURE.c.act, SIGNATURE.c.line).where(SIGNATURE.c.number == request.number)
    lines = {row.act: row.line for row in connection.execute(chosen)}
    return replace(request, asked_proof=lines.get(ASKED, ""), approved_proof=lines.get(APPROVED, ""))


def _alone(connection: sa.Connection, kind: str, what: str) -> None:
    """Two commands about one matter take turns."""
    text = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    connection.execute(text, {"name": f"request|{kind}|{what}"})
