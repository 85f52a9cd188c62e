"""The council's own database, read only, by SQLAlchemy: SQLite, PostgreSQL, SQL Server where its driver is there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hub.connect.dialects import MENDED_BY, SNAPSHOT, Dialect, dialect_of, opened, verbatim
from hub.connect.mapping import Feed, MappingWrong
from hub.connect.rows import Row

ROWS_AT_ONCE = 500


class SourceWrong(Exception):
    """The source cannot be read. The text names the kind of failure: a driver's own words may hold a row."""


class Source:
    """A connection's worth of reading. Nothing is written: every transaction is read only, or rolled back, or both."""

    def __init__(self, url: str, isolation: str = SNAPSHOT, module: ModuleType | None = None) -> None:
        """``module``: a driver in place of the installed one. Raises SourceWrong."""
        try:
            parsed = sqlalchemy.make_url(url)
        except ArgumentError:
            raise SourceWrong("the URL of the source is none that SQLAlchemy knows") from None
        dialect = dialect_of(parsed)
        if dialect is None:
            raise SourceWrong("the agent reads sqlite, postgresql and mssql: the URL of the source is none of them")
        self.dialect, self._url, self._isolation = dialect, opened(parsed, dialect), isolation
        try:
            self._engine = _engine(self._url, dialect, module)
        except (ModuleNotFoundError, ImportError) as missing:
            name = missing.name or dialect.driver
            raise SourceWrong(f"the driver {name} is not installed: {dialect.install}") from None
        except (ArgumentError, NoSuchModuleError):
            raise SourceWrong("the URL of the source is none that SQLAlchemy knows") from None

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """One transaction, in which all readings see the same. Raises SourceWrong."""
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**self.dialect.isolation(self._isolation))
                if self.dialect.name == "sqlite":
                    # Belt and braces: the file is opened to be read only.
                    connection.exec_driver_sql("PRAGMA query_only = ON")
                    connection.exec_driver_sql("BEGIN")
                try:
                    yield Reading(connection, self.dialect)
                finally:
                    connection.rollback()
        except SQLAlchemyError as error:
            raise SourceWrong(f"the source says no: {_kind(error)}") from None

    def writable(self) -> int:
        """How many things this login could change; 0 for one that can only read. Raises SourceWrong."""
        if self.dialect.name == "sqlite":
            return int(os.access(str(self._url.database), os.W_OK))
        with self.reading() as read:
            return int(read.connection.execute(verbatim(self.dialect.writable)).scalar_one())


@dataclass(frozen=True, slots=True)
class Reading:
    """One transaction's view of the source."""

    connection: sqlalchemy.Connection
    dialect: Dialect

    def columns(self, feed: Feed) -> frozenset[str]:
        """The columns that the feed's query gives; no row of it is read. Raises SourceWrong."""
        statement, as_rows = self.dialect.described(feed.query)
        answer = self.connection.execute(statement)
        if not as_rows:
            return frozenset(answer.keys())
        names = [row[0] for row in answer]
        if None in names:
            raise SourceWrong("the source says no: it can not describe the query")
        return frozenset(str(name) for name in names)

    def rows(self, feed: Feed) -> Iterator[Row]:
        """The rows, some hundred at a time. Raises SourceWrong; MappingWrong if a column is not there."""
        answer = self.connection.execution_options(yield_per=ROWS_AT_ONCE).execute(verbatim(feed.query))
        absent = sorted(feed.columns - frozenset(answer.keys()))
        if absent:
            answer.close()
            raise MappingWrong(f"{feed.name}: the query gives no column {', '.join(absent)}")
        # By parts: SQL Server's drivers have no server-side cursor, and would be asked for each row by itself.
        for part in answer.mappings().partitions(ROWS_AT_ONCE):
            for row in part:
                yield dict(row)


def _engine(url: URL, dialect: Dialect, module: ModuleType | None) -> sqlalchemy.Engine:
    if dialect.name == "sqlite" and url.database:
        # Through a URI, which alone can say that the file is not to be written, or made.
        address = f"file:{quote(str(Path(url.database).absolute()))}?mode=ro"
        return sqlalchemy.create_engine(
            "sqlite+pysqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None),
            poolclass=sqlalchemy.pool.NullPool,
        )
    return sqlalchemy.create_engine(
        url, connect_args=dict(dialect.options), module=module, poolclass=sqlalchemy.pool.NullPool
    )


def _kind(error: SQLAlchemyError) -> str:
    """Name of the failure, its number in SQL Server or PostgreSQL, and what mends it, where that is known."""
    cause = getattr(error, "orig", None)
    first = next(iter(getattr(cause, "args", ())), None)
    number = getattr(cause, "sqlstate", None) or (first if isinstance(first, int) else None)
    if not number:
        return type(error).__name__
    mended_by = MENDED_BY.get(str(number), "")
    return f"{type(error).__name__} {number}" + (f": {mended_by}" if mended_by else "")
