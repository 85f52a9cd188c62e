"""Sessions on the server, named by a signed cookie. Ended after a day's work or an hour without a sign of life."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer
from sqlalchemy.dialects.postgresql import insert

from services.console.tables import SECRET, SESSION, SIGN_IN

COOKIE = "hub_session"
LONGEST = timedelta(hours=8)
IDLE = timedelta(hours=1)
SIGN_IN_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Session:
    digest: bytes
    user_id: str
    csrf: str
    flash: str
    #: At most these, as the organisation's sign-in told; empty: all of the user's.
    roles: tuple[str, ...] = ()


def secret_of(engine: sa.Engine) -> bytes:
    """The secret that signs cookies; the first start makes it."""
    with engine.begin() as connection:
        connection.execute(insert(SECRET).values(one=True, value=secrets.token_bytes(32)).on_conflict_do_nothing())
        return bytes(connection.execute(sa.select(SECRET.c.value)).scalar_one())


class Sessions:
    """Begin, find and end sessions; limit sign-ins per address."""

    def __init__(self, engine: sa.Engine, secret: bytes, clock: Callable[[], datetime], sign_ins_max: int) -> None:
        self._engine = engine
        self._signer = Signer(secret, salt="console session")
        #: Carries a sign-in at the organisation's provider from its beginning to its end.
        self.flows = URLSafeTimedSerializer(secret, salt="console sign-in")
        self._clock = clock
        self._sign_ins_max = sign_ins_max

    def begin(self, user_id: str, roles: Sequence[str] = ()) -> str:
        """A new session; returns the cookie's value. The number itself is kept nowhere."""
        number, now = secrets.token_urlsafe(32), self._clock()
        row = {"digest": _digest(number), "user_id": user_id, "csrf": secrets.token_urlsafe(24), "began_at": now}
        with self._engine.begin() as connection:
            connection.execute(sa.delete(SESSION).where(SESSION.c.began_at < now - LONGEST))
            connection.execute(sa.insert(SESSION).values(**row, seen_at=now, roles=" ".join(roles)))
        return self._signer.sign(number).decode()

    def find(self, cookie: str | None, *, touch: bool = True) -> Session | None:
        """The session of a cookie. Its flash is read once; without ``touch`` nothing is changed."""
        digest = self._read(cookie)
        if digest is None:
            return None
        now = self._clock()
        alive = sa.and_(SESSION.c.digest == digest, SESSION.c.began_at > now - LONGEST, SESSION.c.seen_at > now - IDLE)
        columns = (SESSION.c.user_id, SESSION.c.csrf, SESSION.c.flash, SESSION.c.roles)
        with self._engine.begin() as connection:
            row = connection.execute(sa.select(*columns).where(alive)).one_or_none()
            if row is not None and touch:
                connection.execute(sa.update(SESSION).where(alive).values(seen_at=now))
        if row is None:
            return None
        user_id, csrf, flash, roles = row
        return Session(digest, user_id, csrf, flash, tuple(roles.split()))

    def end(self, cookie: str | None) -> None:
        digest = self._read(cookie)
        if digest is not None:
            with self._engine.begin() as connection:
                connection.execute(sa.delete(SESSION).where(SESSION.c.digest == digest))

    def say(self, session: Session, flash: str) -> None:
        """A machine word that the next page turns into a sentence; empty once it was said."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(SESSION).where(SESSION.c.digest == session.digest).values(flash=flash))

    def may_try(self, address: str) -> bool:
        """Count a sign-in from ``address``; False when there were too many lately."""
        now = self._clock()
        lately = sa.and_(SIGN_IN.c.address == address, SIGN_IN.c.at > now - SIGN_IN_WINDOW)
        with self._engine.begin() as connection:
            connection.execute(sa.delete(SIGN_IN).where(SIGN_IN.c.at < now - SIGN_IN_WINDOW))
            count = connection.execute(sa.select(sa.func.count()).where(lately)).scalar_one()
            if count >= self._sign_ins_max:
                return False
            connection.execute(sa.insert(SIGN_IN).values(address=address, at=now))
        return True

    def form_token(self, number: str) -> str:
        """CSRF token of a form that nobody is signed in for: bound to a cookie of its own."""
        return self._signer.get_signature(f"form {number}").decode()

    def _read(self, cookie: str | None) -> bytes | None:
        if not cookie or len(cookie) > 500:
            return None
        try:
            return _digest(self._signer.unsign(cookie).decode())
        except BadSignature:
            return None


def same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _digest(number: str) -> bytes:
    return hashlib.sha256(number.encode()).digest()
