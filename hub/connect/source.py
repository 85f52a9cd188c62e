"""The council's own database, read only, by SQLAlchemy: SQLite, PostgreSQL, SQL Server where its driver is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hub.connect.mapping import Feed, MappingWrong
from hub.connect.rows import Row

ROWS_AT_ONCE = 500


class SourceWrong(Exception):
    """The source cannot be read. The text names the kind of failure: a driver's own words may hold a row."""


class Source:
    """A connection's worth of reading. Nothing is written: every transaction is rolled back."""

    def __init__(self, url: str) -> None:
        try:
            parsed = sqlalchemy.make_url(url)
            driver = {"postgresql": "postgresql+psycopg", "mssql": "mssql+pyodbc"}.get(parsed.drivername)
            self._engine = sqlalchemy.create_engine(parsed.set(drivername=driver) if driver else parsed)
        except ModuleNotFoundError as missing:
            raise SourceWrong(f"the driver {missing.name} is not installed") from None
        except (ArgumentError, NoSuchModuleError):
            raise SourceWrong("the URL of the source is none that SQLAlchemy knows") from None

    @property
    def kind(self) -> str:
        return str(self._engine.dialect.name)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sqlalchemy.Connection]:
        try:
            with self._engine.connect() as connection:
                if self.kind == "postgresql":
                    connection.execute(sqlalchemy.text("SET TRANSACTION READ ONLY"))
                elif self.kind == "sqlite":
                    connection.execute(sqlalchemy.text("PRAGMA query_only = ON"))
                yield connection
                connection.rollback()
        except SQLAlchemyError as error:
            raise SourceWrong(f"the source says no: {type(error).__name__}") from None

    def columns(self, feed: Feed) -> frozenset[str]:
        """The columns that the feed's query gives. Raises SourceWrong."""
        with self._reading() as connection:
            return frozenset(connection.execute(_text(feed)).keys())

    def rows(self, feed: Feed) -> Iterator[Row]:
        """The rows, streamed where the driver can. Raises SourceWrong; MappingWrong if a column is not there."""
        with self._reading() as connection:
            answer = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(_text(feed))
            absent = sorted(feed.columns - frozenset(answer.keys()))
            if absent:
                raise MappingWrong(f"{feed.name}: the query gives no column {', '.join(absent)}")
            for row in answer.mappings():
                yield dict(row)


def _text(feed: Feed) -> Any:
    # A colon in a query (a time, a cast) is not a parameter: there are none.
    return sqlalchemy.text(feed.query.replace(":", "\\:"))
