"""A small schema registry: the subset of Confluent's REST interface that Kafka tools use, on PostgreSQL.

``python -m spine.registry_service`` with HUB_POSTGRES and HUB_REGISTRY_PORT (and HUB_REGISTRY_HOST, default loopback).
Schemas are never deleted: facts on the log need them. Error bodies and codes are Confluent's.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

import fastavro
import sqlalchemy as sa
import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.dialects.postgresql import insert

from spine.compatibility import LEVELS, faults
from spine.migrate import ensure_schema
from spine.postgres import engine_for

SCHEMA = "registry"
SCHEMA_BYTES_MAX = 1_048_576
DEFAULT_LEVEL = "BACKWARD"
MEDIA = "application/vnd.schemaregistry.v1+json"

_meta = sa.MetaData(schema=SCHEMA)
_text = sa.Table(
    "schema",
    _meta,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("plain", sa.Text, nullable=False, comment="Sorted JSON, for equality."),
    sa.Column("body", sa.Text, nullable=False, comment="As given."),
    sa.UniqueConstraint("subject", "version"),
)
_level = sa.Table(
    "level",
    _meta,
    sa.Column("subject", sa.Text, primary_key=True, comment="Empty for the default."),
    sa.Column("level", sa.Text, nullable=False),
)


class Refused(Exception):
    """An answer with Confluent's error code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Registry:
    """Subjects, versions, ids and levels in schema ``registry``."""

    def __init__(self, url: str) -> None:
        self.engine = engine_for(url, SCHEMA)
        with self.engine.begin() as connection:
            _alone(connection)
            ensure_schema(connection, SCHEMA)
            _meta.create_all(connection)

    def rows(self, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
        query = sa.select(_text).where(*where).order_by(_text.c.subject, _text.c.version)
        with self.engine.connect() as connection:
            return [_public(row) for row in connection.execute(query).mappings()]

    def version(self, subject: str, version: str) -> dict[str, Any]:
        held = self.rows(_text.c.subject == subject)
        if not held:
            raise Refused(404, 40401, f"Subject '{subject}' not found.")
        if version in ("latest", "-1"):
            return held[-1]
        if not version.isdigit():
            raise Refused(422, 42202, "The specified version is not a number or 'latest'.")
        for row in held:
            if row["version"] == int(version):
                return row
        raise Refused(404, 40402, f"Version {version} not found.")

    def lookup(self, subject: str, body: str) -> dict[str, Any]:
        if not self.rows(_text.c.subject == subject):
            raise Refused(404, 40401, f"Subject '{subject}' not found.")
        found = self.rows(_text.c.subject == subject, _text.c.plain == _plain(_parse(body)))
        if not found:
            raise Refused(404, 40403, "Schema not found.")
        return found[-1]

    def register(self, subject: str, body: str) -> int:
        """Id of the schema under ``subject``; a new version if it is new and compatible."""
        schema = _parse(body)
        with self.engine.begin() as connection:
            _alone(connection)
            query = sa.select(_text).where(_text.c.subject == subject).order_by(_text.c.version)
            held = connection.execute(query).mappings().all()
            for row in held:
                if row["plain"] == _plain(schema):
                    return int(row["id"])
            wrong = faults(self._level(connection, subject), schema, [json.loads(row["body"]) for row in held])
            if wrong:
                raise Refused(409, 409, "Incompatible with an earlier schema: " + "; ".join(wrong[:20]))
            new = insert(_text).values(subject=subject, version=len(held) + 1, plain=_plain(schema), body=body)
            return int(connection.execute(new.returning(_text.c.id)).scalar_one())

    def check(self, subject: str, version: str, body: str) -> list[str]:
        schema, against = _parse(body), [json.loads(self.version(subject, version)["schema"])]
        return faults(self.level(subject), schema, against)

    def level(self, subject: str = "") -> str:
        with self.engine.connect() as connection:
            return self._level(connection, subject)

    def set_level(self, subject: str, level: str) -> None:
        if level not in LEVELS:
            raise Refused(422, 42203, f"Invalid compatibility level. Valid values are {', '.join(LEVELS)}")
        new = insert(_level).values(subject=subject, level=level)
        with self.engine.begin() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["subject"], set_={"level": level}))

    def _level(self, connection: sa.Connection, subject: str) -> str:
        query = sa.select(_level.c.subject, _level.c.level).where(_level.c.subject.in_(["", subject]))
        held = {row.subject: row.level for row in connection.execute(query)}
        return str(held.get(subject) or held.get("") or DEFAULT_LEVEL)


def _alone(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": zlib.crc32(b"registry")})


def _parse(body: str) -> Any:
    """Raises Refused for what is no Avro schema."""
    if len(body.encode()) > SCHEMA_BYTES_MAX:
        raise Refused(422, 42201, "Invalid schema: too long.")
    try:
        schema = json.loads(body)
        fastavro.parse_schema(schema, named_schemas={})
    except Exception as error:
        raise Refused(422, 42201, f"Invalid schema: {type(error).__name__}.") from error
    return schema


def _plain(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)


def _public(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"subject": row["subject"], "version": row["version"], "id": row["id"], "schema": row["body"]}


def _schema_of(body: Mapping[str, Any]) -> str:
    if body.get("schemaType", "AVRO") != "AVRO" or body.get("references"):
        raise Refused(422, 42201, "Only Avro schemas that stand alone are kept here.")
    schema = body.get("schema")
    if not isinstance(schema, str):
        raise Refused(422, 42201, "Empty schema.")
    return schema


Given = Annotated[dict[str, Any], Body()]


def application(registry: Registry) -> FastAPI:
    """The routes."""
    app = FastAPI(title="Schema registry", docs_url=None, redoc_url=None)

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> JSONResponse:
        del request
        return JSONResponse({"error_code": error.code, "message": error.message}, error.status, media_type=MEDIA)

    _read_routes(app, registry)
    _write_routes(app, registry)
    return app


def _read_routes(app: FastAPI, registry: Registry) -> None:
    @app.get("/")
    def root() -> dict[str, Any]:
        return {}

    @app.get("/schemas/types")
    def types() -> list[str]:
        return ["AVRO"]

    @app.get("/mode")
    def mode() -> dict[str, str]:
        return {"mode": "READWRITE"}

    @app.get("/schemas")
    def schemas(latestOnly: bool = False) -> list[dict[str, Any]]:
        rows = registry.rows()
        return list({row["subject"]: row for row in rows}.values()) if latestOnly else rows

    @app.get("/schemas/ids/{number}")
    def by_id(number: int) -> dict[str, Any]:
        return {"schema": _one(registry, number)["schema"]}

    @app.get("/schemas/ids/{number}/versions")
    def versions_of_id(number: int) -> list[dict[str, Any]]:
        row = _one(registry, number)
        return [{"subject": row["subject"], "version": row["version"]}]

    @app.get("/subjects")
    def subjects() -> list[str]:
        return sorted({row["subject"] for row in registry.rows()})

    @app.get("/subjects/{subject}/versions")
    def versions(subject: str) -> list[int]:
        registry.version(subject, "latest")
        return [row["version"] for row in registry.rows(_text.c.subject == subject)]

    @app.get("/subjects/{subject}/versions/{version}")
    def version(subject: str, version: str) -> dict[str, Any]:
        return registry.version(subject, version)

    @app.get("/subjects/{subject}/versions/{version}/schema")
    def schema(subject: str, version: str) -> Any:
        return json.loads(registry.version(subject, version)["schema"])

    @app.get("/config")
    def config() -> dict[str, str]:
        return {"compatibilityLevel": registry.level()}

    @app.get("/config/{subject}")
    def config_of(subject: str) -> dict[str, str]:
        return {"compatibilityLevel": registry.level(subject)}


def _write_routes(app: FastAPI, registry: Registry) -> None:
    @app.post("/subjects/{subject}/versions")
    def register(subject: str, body: Given) -> dict[str, int]:
        return {"id": registry.register(subject, _schema_of(body))}

    @app.post("/subjects/{subject}")
    def lookup(subject: str, body: Given) -> dict[str, Any]:
        return registry.lookup(subject, _schema_of(body))

    @app.post("/compatibility/subjects/{subject}/versions/{version}")
    def check(subject: str, version: str, body: Given, verbose: bool = False) -> dict[str, Any]:
        wrong = registry.check(subject, version, _schema_of(body))
        return {"is_compatible": not wrong} | ({"messages": wrong} if verbose else {})

    @app.put("/config")
    def set_config(body: Given) -> dict[str, Any]:
        registry.set_level("", str(body.get("compatibility")))
        return {"compatibility": body["compatibility"]}

    @app.put("/config/{subject}")
    def set_config_of(subject: str, body: Given) -> dict[str, Any]:
        registry.set_level(subject, str(body.get("compatibility")))
        return {"compatibility": body["compatibility"]}


def _one(registry: Registry, number: int) -> dict[str, Any]:
    rows = registry.rows(_text.c.id == number)
    if not rows:
        raise Refused(404, 40403, f"Schema {number} not found.")
    return rows[0]


def main() -> None:
    """Serve until SIGTERM."""
    host, port = os.environ.get("HUB_REGISTRY_HOST", "127.0.0.1"), int(os.environ.get("HUB_REGISTRY_PORT", "8081"))
    app = application(Registry(os.environ["HUB_POSTGRES"]))
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
