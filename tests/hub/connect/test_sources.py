"""The databases of case systems: each is only read, in its own words, and what is wrong with one is said.

No SQL Server runs here. Its driver is played by a module that notes what it is told, so that the real dialect, its
statements and the agent's reading of their answers are what is tested.
"""

from __future__ import annotations

import sys
import types
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from hub.connect.dialects import dialect_of, opened, verbatim
from hub.connect.mapping import Feed, Field, MappingWrong, word
from hub.connect.rows import Mapped, mapped, plain
from hub.connect.source import ROWS_AT_ONCE, Source, SourceWrong
from tests.hub.connect.conftest import MAPPING, Cases

URL = "mssql://reader:secret@cases.example/cases"
QUERY = "SELECT [learner ref] AS ref, why, left_on FROM dbo.[Leavers 2025] WHERE why LIKE 'W%' AND at > '08:30:00'"


def feed(query: str = QUERY) -> Feed:
    return Feed("f", "e", "delta", query, ("ref",), Field("effective_on", "left_on"), (Field("data.reason", "why"),))


class Server:
    """A DB-API module in place of pymssql: notes what it is told, answers what the agent and the dialect ask."""

    def __init__(self, rows: Sequence[tuple[Any, ...]] = (), writable: int = 0) -> None:
        self.options: dict[str, Any] = {}
        self.said: list[str] = []
        self.fetched: list[int] = []
        self.rows, self.writable = list(rows), writable
        self.columns: list[tuple[Any, ...]] = [("ref",), ("why",), ("left_on",)]
        self.number = 0
        module = types.ModuleType("pymssql")
        module.__dict__.update(
            paramstyle="pyformat", apilevel="2.0", threadsafety=1, __version__="2.4.6", connect=self.connect
        )
        error = module.__dict__["Error"] = type("Error", (Exception,), {})
        for name in ("Database", "Operational", "Interface", "Programming", "Data", "Integrity", "NotSupported"):
            module.__dict__[f"{name}Error"] = type(f"{name}Error", (error,), {})
        self.module = module

    def connect(self, **options: Any) -> Any:
        self.options = options
        return _Connection(self)

    def source(self, isolation: str = "snapshot") -> Source:
        return Source(URL, isolation, self.module)


class _Connection:
    def __init__(self, server: Server) -> None:
        self.server = server

    def cursor(self) -> _Cursor:
        return _Cursor(self.server)

    def commit(self) -> None:
        self.server.said.append("commit")

    def rollback(self) -> None:
        self.server.said.append("rollback")

    def close(self) -> None:
        self.server.said.append("close")

    def autocommit(self, on: bool) -> None:
        self.server.said.append(f"autocommit {on}")


class _Cursor:
    rowcount = -1
    lastrowid = None

    def __init__(self, server: Server) -> None:
        self.server, self.held = server, list[tuple[Any, ...]]()
        self.description: list[Any] | None = None

    def execute(self, text: str, words: Any = None) -> None:
        server = self.server
        server.said.append(text)
        if server.number and "Leavers" in text:
            raise server.module.OperationalError(server.number, b"Khan-Reid")
        answers = {
            "@@version": [("Microsoft SQL Server 2022 - 16.0.4000.1 (X64)",)],
            "schema_name()": [("dbo",)],
            "sys.system_views": [("dm_exec_sessions",)],
            "dm_exec_describe_first_result_set": server.columns,
            "HAS_PERMS_BY_NAME": [(server.writable,)],
            "session_id = @@SPID": [("READ COMMITTED",)],
            "Leavers": server.rows,
        }
        self.held = next((list(rows) for part, rows in answers.items() if part in text), [(1,)])
        names = ["ref", "why", "left_on"] if "Leavers 2025" in text and "describe" not in text else ["one"]
        self.description = [(name, 1, None, None, None, None, None) for name in names]

    def fetchone(self) -> Any:
        return self.held.pop(0) if self.held else None

    def fetchmany(self, size: int) -> list[Any]:
        self.server.fetched.append(size)
        out, self.held = self.held[:size], self.held[size:]
        return out

    def fetchall(self) -> list[Any]:
        out, self.held = self.held, []
        return out

    def close(self) -> None: ...


def test_sql_server_is_read_in_one_unchanging_picture_by_a_session_that_says_it_only_reads() -> None:
    server = Server([("P1", "W1", date(2025, 11, 21))])
    with server.source().reading() as reading:
        (row,) = reading.rows(feed())
    assert row == {"ref": "P1", "why": "W1", "left_on": date(2025, 11, 21)}
    assert server.options["read_only"] is True and server.options["appname"] == "eet-hub-connect"
    at = server.said.index("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    assert at < server.said.index(QUERY), "as it is written: no percent doubled, no colon a parameter, names quoted"
    after = server.said[server.said.index(QUERY) :]
    assert "rollback" in after and "commit" not in after


def test_where_snapshots_are_not_allowed_the_mapping_may_say_so() -> None:
    server = Server()
    with server.source("read-committed").reading() as reading:
        list(reading.rows(feed()))
    assert "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" in server.said


def test_a_million_rows_of_sql_server_come_some_hundred_at_a_time() -> None:
    server = Server([(f"P{n}", "W1", date(2025, 11, 21)) for n in range(2 * ROWS_AT_ONCE + 3)])
    with server.source().reading() as reading:
        rows = reading.rows(feed())
        next(rows)
        assert server.fetched == [ROWS_AT_ONCE], "the rest waits at the server"
        assert sum(1 for _ in rows) == 2 * ROWS_AT_ONCE + 2
    assert set(server.fetched) == {ROWS_AT_ONCE}


def test_sql_server_tells_the_columns_of_any_query_without_running_it() -> None:
    server = Server()
    query = "WITH a AS (SELECT 1 AS ref) SELECT * FROM a ORDER BY ref -- Leavers"
    with server.source().reading() as reading:
        assert reading.columns(feed(query)) == {"ref", "why", "left_on"}
    assert query not in server.said
    server.columns = [(None,)]
    with pytest.raises(SourceWrong, match="can not describe"), server.source().reading() as reading:
        reading.columns(feed(query))


def test_a_login_of_sql_server_that_may_write_is_found_and_one_that_may_not_is_not() -> None:
    assert Server(writable=3).source().writable() == 3
    assert Server(writable=0).source().writable() == 0


def test_a_failure_of_sql_server_is_told_by_its_number_and_never_by_its_words() -> None:
    server = Server()
    server.number = 3952
    with (
        pytest.raises(SourceWrong, match="OperationalError 3952: ALTER DATABASE") as told,
        server.source().reading() as reading,
    ):
        list(reading.rows(feed()))
    assert "Khan" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mssql+pymssql", "SELECT '50%', '08:30', a::date"),
        ("mssql+pyodbc", "SELECT '50%', '08:30', a::date"),
        ("sqlite", "SELECT '50%', '08:30', a::date"),
        ("postgresql+psycopg", "SELECT '50%%', '08:30', a::date"),
    ],
)
def test_a_query_reaches_each_driver_as_it_is_written(name: str, text: str) -> None:
    """psycopg reads a doubled percent sign as one; pymssql does not, though both name parameters alike."""
    dialect = sqlalchemy.make_url(f"{name}://").get_dialect()()
    assert str(verbatim("SELECT '50%', '08:30', a::date").compile(dialect=dialect)) == text


def test_the_query_of_a_doctor_is_a_parameter_in_each_drivers_own_style() -> None:
    told = dialect_of(sqlalchemy.make_url(URL))
    assert told is not None
    statement, as_rows = told.described("SELECT 'it''s' AS x")
    for name, named, style in (("pymssql", "pyformat", "%(query)s"), ("pyodbc", "qmark", "?")):
        dialect = sqlalchemy.make_url(f"mssql+{name}://").get_dialect()(paramstyle=named)
        compiled = str(statement.compile(dialect=dialect))
        assert f"dm_exec_describe_first_result_set({style}, NULL, 0)" in compiled and "it''s" not in compiled
    assert as_rows


def test_microsofts_own_driver_is_told_of_the_read_only_intent_in_its_connection_string() -> None:
    url = sqlalchemy.make_url(URL.replace("mssql:", "mssql+pyodbc:"))
    dialect = dialect_of(url)
    assert dialect is not None
    ((text,), options) = opened(url, dialect).get_dialect()().create_connect_args(opened(url, dialect))
    assert "ApplicationIntent=ReadOnly" in text and "ODBC Driver 18 for SQL Server" in text and not options


def test_values_of_every_driver_say_the_same() -> None:
    given = [True, date(2025, 11, 21), datetime(2025, 11, 21, 8, tzinfo=UTC), Decimal("16.00"), b"\x00\xff", "W1  "]
    assert [plain(value) for value in given] == [True, "2025-11-21", "2025-11-21T08:00:00+00:00", 16, "00ff", "W1"]
    assert plain(uuid.UUID(int=7)) == "00000000-0000-0000-0000-000000000007"
    assert word(True) == word(1) == "1", "a bit of SQL Server is a number in SQLite, and a map of one fits the other"
    bit = Field("data.confirmed", "left", values={"1": True, "0": False})
    of = Feed("f", "e", "delta", "SELECT", ("ref",), Field("effective_on", "left_on"), (bit,))
    for value in (True, 1):
        read = mapped(of, {"ref": "P1", "left": value, "left_on": date(2025, 11, 21)})
        assert isinstance(read, Mapped) and read.draft.data == {"confirmed": True}


def test_a_missing_driver_is_named_with_how_to_install_it(one: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymssql", None)
    one.environment["CASES_URL"] = URL
    said = one.agent("doctor", code=3)["error"]
    assert "pymssql" in said and "pip install 'eet-hub[sqlserver]'" in said and "secret" not in said
    one.environment["CASES_URL"] = "oracle://cases.example/x"
    assert "sqlite, postgresql and mssql" in one.agent("doctor", code=3)["error"]


def test_a_login_that_may_write_is_a_warning_and_no_fault(cases: Cases) -> None:
    (rights,) = [found for found in cases.agent("doctor") if "only read" in found["what"]]
    assert rights["right"] and "may change" in rights["advice"]


@pytest.mark.postgres
def test_a_login_of_postgresql_that_can_only_read_is_no_warning(fresh_database: str) -> None:
    engine = sqlalchemy.create_engine(fresh_database.replace("postgresql://", "postgresql+psycopg://"))
    name = f"reader_{uuid.uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leavers (ref text)")
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
        connection.exec_driver_sql(f"GRANT SELECT ON leavers TO {name}")
    own = sqlalchemy.make_url(fresh_database).set(username=name, password="x")
    reader = Source(own.render_as_string(hide_password=False))
    try:
        assert reader.writable() == 0
        with engine.begin() as connection:
            connection.exec_driver_sql(f"GRANT UPDATE ON leavers TO {name}")
        assert reader.writable() == 1
        with engine.begin() as connection:
            connection.exec_driver_sql(f"REVOKE ALL ON leavers FROM {name}")
            connection.exec_driver_sql(f"DROP ROLE {name}")
    finally:
        reader.close()
        engine.dispose()


def test_a_query_may_hold_colons_casts_and_percent_signs(cases: Cases) -> None:
    cases.leaver("P1")
    query = "SELECT ref, forename, surname, dob, left_on, why FROM leavers"
    asked = f"{query} WHERE surname LIKE 'Kh%' AND '08:30:00' <> CAST(why AS VARCHAR(8)) ORDER BY ref -- all"
    mapping = MAPPING.replace(f"{query} WHERE why <> 'x:y' ORDER BY ref", f'"{asked}"')
    assert asked in mapping
    cases.mapping.write_text(mapping)
    assert cases.agent()[0]["taken"] == 1
    assert all(found["right"] for found in cases.agent("doctor"))


def test_the_doctor_reads_no_row_of_the_query(one: Cases) -> None:
    """A query that can not end gives its columns all the same."""
    endless = "WITH RECURSIVE n(ref) AS (SELECT 1 UNION ALL SELECT ref + 1 FROM n) SELECT ref, ref AS left_on FROM n"
    source = Source(one.environment["CASES_URL"])
    with source.reading() as reading:
        assert reading.columns(feed(f"{endless} ORDER BY ref;")) == {"ref", "left_on"}
        with pytest.raises(MappingWrong, match="no column why"):
            next(iter(reading.rows(feed(endless))))
    source.close()


def test_a_file_of_sqlite_is_neither_written_nor_made(tmp_path: Path) -> None:
    source = Source(f"sqlite:///{tmp_path / 'not there.db'}")
    with pytest.raises(SourceWrong), source.reading():
        pass
    assert not list(tmp_path.iterdir())
    source.close()
