"""The small registry, and a catalogue that takes its ids."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn

from hub.machine.ports import free_ports
from spine.compatibility import can_read, faults
from spine.errors import Halt, Retry
from spine.registry import in_order, use_registry
from spine.registry_service import Registry, application
from spine.schema import Catalogue

SCHEMAS = Path(__file__).parents[2] / "schemas" / "avro"


def thing(*extra: dict[str, object], name: str = "Thing") -> dict[str, object]:
    fields = [{"name": "event_id", "type": "string"}, *extra]
    return {"type": "record", "name": name, "namespace": "toy", "fields": fields}


@pytest.fixture
def url(fresh_database: str) -> Iterator[str]:
    (port,) = free_ports(1)
    registry = Registry(fresh_database)
    server = uvicorn.Server(uvicorn.Config(application(registry), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
    registry.engine.dispose()


@pytest.mark.postgres
def test_every_schema_of_the_hub_registers_and_two_services_get_the_same_ids(url: str) -> None:
    one, two = Catalogue([SCHEMAS]), Catalogue([SCHEMAS])
    use_registry(one, url)
    use_registry(two, url)
    assert one.ids == two.ids and len(set(one.ids.values())) == len(one.sources)
    value = one.frame("tick.v1", b"body")
    assert two.unframe(value) == ("tick.v1", b"body")
    held = httpx2.get(f"{url}/schemas/ids/{one.ids['tick.v1']}").json()
    assert json.loads(held["schema"]) == one.sources["tick.v1"]


@pytest.mark.postgres
def test_the_rest_subset_answers_as_kafka_tools_expect(url: str) -> None:
    with httpx2.Client(base_url=url, headers={"content-type": "application/vnd.schemaregistry.v1+json"}) as client:

        def post(path: str, schema: object, **more: object) -> httpx2.Response:
            return client.post(path, content=json.dumps({"schema": json.dumps(schema), **more}))

        first = post("/subjects/toy.Thing/versions", thing()).json()["id"]
        assert post("/subjects/toy.Thing/versions", thing()).json()["id"] == first
        second = post("/subjects/toy.Thing/versions", thing({"name": "n", "type": "int", "default": 0}))
        assert second.json()["id"] != first
        wrong = post("/subjects/toy.Thing/versions", thing({"name": "m", "type": "int"}))
        assert wrong.status_code == 409 and "new field without default" in wrong.json()["message"]
        assert client.get("/subjects").json() == ["toy.Thing"]
        assert client.get("/subjects/toy.Thing/versions").json() == [1, 2]
        assert client.get("/subjects/toy.Thing/versions/latest").json()["version"] == 2
        assert client.get("/subjects/toy.Thing/versions/1/schema").json() == thing()
        assert client.get("/subjects/toy.Thing/versions/9").json()["error_code"] == 40402
        assert client.get("/subjects/none/versions").json()["error_code"] == 40401
        assert client.get("/schemas/ids/99").json()["error_code"] == 40403
        assert client.get("/schemas/types").json() == ["AVRO"]
        assert post("/subjects/toy.Thing", thing()).json()["version"] == 1
        assert post("/subjects/toy.Thing", thing(name="Other")).json()["error_code"] == 40403
        assert post("/subjects/toy.Thing/versions", {"type": "nonsense"}).json()["error_code"] == 42201
        assert post("/subjects/toy.Thing/versions", thing(), schemaType="JSON").status_code == 422
        path = "/compatibility/subjects/toy.Thing/versions/latest"
        assert post(path, thing({"name": "m", "type": "int"})).json() == {"is_compatible": False}
        assert client.get("/config").json() == {"compatibilityLevel": "BACKWARD"}
        assert client.put("/config/toy.Thing", content='{"compatibility": "NONE"}').status_code == 200
        assert client.put("/config", content='{"compatibility": "SOMETIMES"}').json()["error_code"] == 42203
        assert post("/subjects/toy.Thing/versions", thing({"name": "m", "type": "int"})).status_code == 200


@pytest.mark.postgres
def test_a_schema_that_can_not_read_its_predecessor_halts_the_service(url: str, tmp_path: Path) -> None:
    (tmp_path / "thing.v1.avsc").write_text(json.dumps(thing()))
    use_registry(Catalogue([tmp_path]), url)
    (tmp_path / "thing.v2.avsc").write_text(json.dumps(thing({"name": "m", "type": "int"})))
    with pytest.raises(Halt, match=r"refuses thing\.v2"):
        use_registry(Catalogue([tmp_path]), url)


def test_a_registry_that_does_not_answer_means_retry(tmp_path: Path) -> None:
    with pytest.raises(Retry):
        use_registry(Catalogue([tmp_path]), "http://127.0.0.1:1", wait_seconds_max=0)


def test_the_tenth_version_comes_after_the_ninth(tmp_path: Path) -> None:
    for n in (1, 2, 9, 10):
        (tmp_path / f"thing.v{n}.avsc").write_text(json.dumps(thing()))
    assert list(in_order(Catalogue([tmp_path]))) == ["thing.v1", "thing.v2", "thing.v9", "thing.v10"]


def field_of(kind: object, **more: object) -> dict[str, object]:
    return thing({"name": "x", "type": kind, **more})


ENUM = {"type": "enum", "name": "E", "symbols": ["a", "b"]}


@pytest.mark.parametrize(
    ("reader", "writer", "reads"),
    [
        (field_of("long"), field_of("int"), True),
        (field_of("int"), field_of("long"), False),
        (field_of(["null", "int"]), field_of("int"), True),
        (field_of("int"), field_of(["null", "int"]), False),
        (field_of("int", default=1), thing(), True),
        (thing(), field_of("int"), True),
        (field_of({**ENUM, "symbols": ["a"]}), field_of(ENUM), False),
        (field_of({**ENUM, "symbols": ["a"], "default": "a"}), field_of(ENUM), True),
        (field_of({"type": "array", "items": "long"}), field_of({"type": "array", "items": "int"}), True),
        (field_of({"type": "map", "values": "int"}), field_of({"type": "map", "values": "long"}), False),
        (thing({"name": "y", "aliases": ["x"], "type": "int"}), field_of("int"), True),
        (thing(name="Other"), thing(), False),
        (field_of({"type": "int", "logicalType": "date"}), field_of("int"), True),
    ],
)
def test_reading_older_facts_follows_avro(reader: object, writer: object, reads: bool) -> None:
    assert (can_read(reader, writer) == []) is reads


def test_the_avro_project_agrees_with_the_check() -> None:
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import parse

    kinds = ["int", "long", "string", "bytes", ["null", "int"], ENUM, {"type": "array", "items": "int"}]
    for one in kinds:
        for two in kinds:
            mine = can_read(field_of(one), field_of(two)) == []
            result = ReaderWriterCompatibilityChecker().get_compatibility(
                parse(json.dumps(field_of(one))), parse(json.dumps(field_of(two)))
            )
            assert mine is (result.compatibility is SchemaCompatibilityType.compatible), (one, two)


def test_transitive_levels_ask_every_version() -> None:
    first, second = thing({"name": "x", "type": "int"}), thing({"name": "x", "type": ["int", "string"]})
    third = thing({"name": "x", "type": "string"})
    assert faults("BACKWARD", second, [first]) == []
    assert faults("FORWARD", third, [first, second]) == []
    assert faults("FORWARD_TRANSITIVE", third, [first, second])
    assert faults("NONE", third, [first]) == []
