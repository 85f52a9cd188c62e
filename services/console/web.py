"""The pages as one ASGI application."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from services.console import (
    live,
    routes_alerts,
    routes_inbox,
    routes_measures,
    routes_operations,
    routes_partners,
    routes_people,
    routes_redrive,
    routes_reviews,
    routes_sign_in,
    routes_team,
    routes_telling,
)
from services.console.guard import Guard
from services.console.visit import BadForm, Console, NotFound, SignInNeeded, Visitor, elsewhere, render, visitor
from spine.errors import Retry

STATIC = Path(__file__).resolve().parent / "static"


def create_app(console: Console) -> FastAPI:
    """Pages over ``console``. Nothing is documented by machine: the pages are for people."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.console = console
    app.add_middleware(Guard, secure=console.secure)  # type: ignore[arg-type, unused-ignore]
    for routes in (
        routes_sign_in,
        routes_inbox,
        routes_alerts,
        routes_people,
        routes_team,
        routes_telling,
        routes_reviews,
        routes_measures,
        routes_operations,
        routes_partners,
        routes_redrive,
        live,
    ):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _plain_pages(app, console)
    _errors(app, console)
    return app


def _plain_pages(app: FastAPI, console: Console) -> None:
    @app.get("/brand.css")
    def brand() -> Response:
        return Response(console.brand.css, media_type="text/css", headers={"cache-control": "public, max-age=300"})

    @app.get("/about")
    def about(known: Annotated[Visitor, Depends(visitor)]) -> Response:
        return known.page("about.html")

    @app.get("/activity")
    def activity(known: Annotated[Visitor, Depends(visitor)]) -> Response:
        return known.page("activity.html", rows=console.reader.access(known.user))

    @app.get("/accessibility")
    def accessibility(request: Request) -> Response:
        return render(console, request, "accessibility.html")

    @app.get("/health")
    def health() -> Response:
        try:
            console.reader.today()
        except sa.exc.SQLAlchemyError:
            return JSONResponse({"status": "down", "database": "away"}, 503)
        return JSONResponse({"status": "up"})


def _errors(app: FastAPI, console: Console) -> None:
    def problem(request: Request, status: int, title: str, text: str) -> Response:
        return render(console, request, "error.html", status, title=title, text=text)

    @app.exception_handler(SignInNeeded)
    def sign_in(request: Request, error: SignInNeeded) -> Response:
        del error
        if request.method != "GET" or request.url.path == "/live":
            return problem(request, 401, "You are signed out", "Sign in and try again. What you typed was not sent.")
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return elsewhere(f"/sign-in?next={quote(path, safe='')}")

    @app.exception_handler(NotFound)
    @app.exception_handler(HTTPException)
    def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        if status != 404:
            return problem(request, status, "That did not work", "Go back to the inbox and try again.")
        text = (
            "If you typed the address, check it. An alert that is not for your team cannot be opened by you."
            " In an emergency see About and help."
        )
        return problem(request, 404, "Page not found", text)

    @app.exception_handler(BadForm)
    def bad_form(request: Request, error: BadForm) -> Response:
        del error
        text = "The form was too old or came from elsewhere. Go back, reload the page and try again."
        return problem(request, 403, "That form cannot be used", text)

    @app.exception_handler(Retry)
    @app.exception_handler(sa.exc.OperationalError)
    def away(request: Request, error: Exception) -> Response:
        del error
        return problem(request, 503, "The hub is busy", "Nothing was saved. Try again in a minute.")
