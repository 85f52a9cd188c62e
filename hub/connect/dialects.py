"""What differs between the databases of case systems: how each is opened and read, and how it is asked about itself.

Pure. A source's own query is sent as it is written: names are quoted, rows are limited and types are cast there, in the
database's own SQL. What the agent adds of its own stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL

SNAPSHOT, READ_COMMITTED = "snapshot", "read-committed"
ISOLATIONS = (SNAPSHOT, READ_COMMITTED)
LOGIN_SECONDS_MAX = 30
#: How the agent shows in a database's list of sessions.
APPLICATION = "eet-hub-connect"
#: What the numbers of SQL Server and the states of PostgreSQL ask for, where the agent can know it.
MENDED_BY: Mapping[str, str] = {
    "208": "there is no such table or view, or the login does not see it",
    "229": "the login may not read this: grant it SELECT",
    "3952": "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or say isolation: read-committed in the mapping",
    "18456": "the database does not take this login",
    "28P01": "the database does not take this password",
    "42501": "the login may not read this: grant it SELECT",
    "42P01": "there is no such table or view",
}

#: Tables, views and schemas that this login could change; 0 for a login that can only read.
_WRITABLE_POSTGRESQL = """
SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
     + (SELECT count(*) FROM pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(n.oid, 'CREATE'))
"""
_WRITABLE_SQL_SERVER = """
SELECT count(*) FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 AND (
    HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'INSERT') = 1
 OR HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'UPDATE') = 1
 OR HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'DELETE') = 1)
"""
_DESCRIBED_SQL_SERVER = """
SELECT name FROM sys.dm_exec_describe_first_result_set(:query, NULL, 0)
WHERE is_hidden = 0 OR error_number IS NOT NULL ORDER BY column_ordinal
"""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of database. ``options``: of every connection; ``advice``: how to let the agent only read.

    ``writable`` counts what the login could change; empty where that is a right of the file and not of a login.
    """

    name: str
    driver: str
    install: str
    options: Mapping[str, Any] = field(default_factory=dict)
    writable: str = ""
    advice: str = ""

    def isolation(self, asked: str) -> Mapping[str, Any]:
        """Execution options of a connection: one unchanging picture of the source, read only where it can be said."""
        if self.name == "mssql":
            return {"isolation_level": "SNAPSHOT" if asked == SNAPSHOT else "READ COMMITTED"}
        if self.name == "postgresql":
            return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {}

    def described(self, query: str) -> tuple[sqlalchemy.TextClause, bool]:
        """A statement that tells the columns of ``query`` without reading a row; and whether it tells them as rows."""
        if self.name == "mssql":
            # A CTE or an ORDER BY can not stand in a subquery there; the server describes any query.
            return sqlalchemy.text(_DESCRIBED_SQL_SERVER).bindparams(query=query), True
        return verbatim(f"SELECT * FROM (\n{query.rstrip().rstrip(';')}\n) AS described LIMIT 0"), False


_POSTGRESQL = Dialect(
    "postgresql",
    "postgresql+psycopg",
    "pip install 'psycopg[binary]'",
    options={"application_name": APPLICATION, "connect_timeout": LOGIN_SECONDS_MAX},
    writable=_WRITABLE_POSTGRESQL,
    advice="make a login for the agent: GRANT SELECT on the views it reads, and nothing else",
)
_PYMSSQL = Dialect(
    "mssql",
    "mssql+pymssql",
    "pip install 'eet-hub[sqlserver]'",
    # Read-only intent takes the agent to a readable secondary where there is one. DATE and DATETIME2 come as dates.
    options={
        "read_only": True,
        "use_datetime2": True,
        "appname": APPLICATION,
        "login_timeout": LOGIN_SECONDS_MAX,
        "charset": "UTF-8",
    },
    writable=_WRITABLE_SQL_SERVER,
    advice="make a login for the agent with db_datareader, or SELECT on the views it reads, and nothing else",
)
_PYODBC = Dialect(
    "mssql",
    "mssql+pyodbc",
    "pip install pyodbc, and Microsoft's ODBC Driver 18 for SQL Server",
    options={"timeout": LOGIN_SECONDS_MAX, "readonly": True},
    writable=_WRITABLE_SQL_SERVER,
    advice=_PYMSSQL.advice,
)
_SQLITE = Dialect(
    "sqlite",
    "sqlite+pysqlite",
    "it comes with Python",
    advice="give the agent's user no right to write the file",
)
_BY_NAME = {
    "postgresql": _POSTGRESQL,
    "mssql": _PYMSSQL,
    "mssql+pyodbc": _PYODBC,
    "sqlite": _SQLITE,
}


def dialect_of(url: URL) -> Dialect | None:
    """By the whole name, then by the kind of database; None for one that the agent does not know."""
    return _BY_NAME.get(url.drivername) or _BY_NAME.get(url.get_backend_name())


def opened(url: URL, dialect: Dialect) -> URL:
    """The URL with the driver that is used, and with what pyodbc takes only in its connection string."""
    if url.drivername == dialect.name:
        url = url.set(drivername=dialect.driver)
    if dialect is _PYODBC:
        query = {"driver": "ODBC Driver 18 for SQL Server", "ApplicationIntent": "ReadOnly", "APP": APPLICATION}
        url = url.set(query={**query, **url.query})
    return url


def verbatim(query: str) -> sqlalchemy.TextClause:
    """A query as it is written: a colon in it (a time, a cast) is no parameter, a percent sign is one."""
    return sqlalchemy.text(query.replace(":", "\\:"))
