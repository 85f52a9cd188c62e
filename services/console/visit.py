"""One request's visitor, and everything that the pages need, put together once at the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.console.acting import Limits
from services.console.brand import Brand
from services.console.doings import Doings
from services.console.oidc import Provider
from services.console.pages import environment
from services.console.people import GOVERNANCE, STEWARD, People, User
from services.console.reader import Reader
from services.console.redrives import Redrives
from services.console.reports import Reports
from services.console.sessions import COOKIE, Session, Sessions, same
from services.console.speakers import Files
from services.console.steward import Door
from spine.clock import WorkingDays, local_date


@dataclass(frozen=True, slots=True)
class Console:
    """Shell parts of the pages. ``simulated``: the date is the ticker's, not the machine's (demo)."""

    reader: Reader
    doings: Doings
    sessions: Sessions
    people: People
    brand: Brand
    door: Door
    redrives: Redrives
    limits: Limits
    contracts: Path
    clock: Callable[[], datetime]
    working: WorkingDays = field(default_factory=WorkingDays)
    speakers: Files = field(default_factory=Files)
    reports: Reports = field(default_factory=Reports)
    demo: bool = False
    provider: Provider | None = None
    simulated: bool = False
    secure: bool = False
    live_seconds: float = 3.0
    templates: jinja2.Environment = field(default_factory=environment)

    def today(self) -> date:
        ticked = self.reader.today() if self.simulated else None
        return ticked or local_date(self.clock())

    def moment(self) -> datetime:
        """Now; in a simulation, this time of day on the ticker's date."""
        now = self.clock()
        if not self.simulated:
            return now
        day = self.today()
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=now.hour, minutes=now.minute)


class SignInNeeded(Exception):
    """Nobody is signed in: the answer is the sign-in page."""


class NotFound(Exception):
    """It does not exist, or the visitor may not know that it does."""


class BadForm(Exception):
    """The form's token is missing or stale: it was not made for this session."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, with their roles as they are now."""

    console: Console
    request: Request
    session: Session
    user: User

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        reader, user = self.console.reader, self.user
        shared: dict[str, Any] = {
            "user": user,
            "csrf": self.session.csrf,
            "flash": self.session.flash,
            "counts": reader.counts(user),
            "reviews_open": reader.review_count(user),
            "steward": STEWARD in user.roles,
            "speaks": bool(self.console.people.parties_of(user)),
            "governance": bool(GOVERNANCE & set(user.roles)),
            "today": self.console.today(),
            "limits": self.console.limits,
        }
        if self.session.flash:
            self.console.sessions.say(self.session, "")
        return render(self.console, self.request, name, status, **(shared | values))

    def check(self, token: str) -> None:
        if not same(token, self.session.csrf):
            raise BadForm

    def refused(self, what: str, doing: str = "") -> NotFound:
        """To be raised for what is there and not for this visitor's role: it looks like what is not, and is told."""
        parties = sorted(self.console.people.parties_of(self.user))
        doing = doing or ("act" if self.request.method == "POST" else "page")
        self.console.doings.overreached(self.user, parties[0] if parties else "", doing, what, self.console.moment())
        return NotFound()

    def say(self, flash: str) -> None:
        self.console.sessions.say(self.session, flash)


def console_of(request: Request) -> Console:
    console = request.app.state.console
    assert isinstance(console, Console)
    return console


def visitor(request: Request) -> Visitor:
    """The signed-in visitor; raises SignInNeeded."""
    console = console_of(request)
    session = console.sessions.find(request.cookies.get(COOKIE))
    user = console.people.users.get(session.user_id) if session else None
    if session is None or user is None:
        raise SignInNeeded
    if session.roles:
        # What the file names is read anew at each start; what the sign-in told holds for the session.
        user = replace(user, roles=tuple(role for role in user.roles if role in session.roles))
    return Visitor(console, request, session, user)


def render(console: Console, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    shared: Mapping[str, Any] = {"brand": console.brand, "people": console.people, "path": request.url.path}
    return HTMLResponse(console.templates.get_template(name).render(**{**shared, **values}), status)


def elsewhere(path: str) -> Response:
    """After a form: the next page is read anew, and reloading it sends nothing twice."""
    return RedirectResponse(path, 303)


def local(path: str) -> str:
    """``path`` if it stays on this host, else the inbox."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and len(path) < 500 else "/"
