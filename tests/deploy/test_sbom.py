"""The bill of materials names what is installed and needed, with licences, and nothing that only tests need."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.deploy import app
from hub.deploy.sbom import licences, needed, sbom_of


def test_every_library_is_named_with_its_version_and_what_it_depends_on() -> None:
    made = sbom_of("eet-hub")
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    by_name = {component["name"]: component for component in made["components"]}
    assert by_name["cryptography"]["version"] == version("cryptography")
    assert by_name["cryptography"]["purl"] == f"pkg:pypi/cryptography@{version('cryptography')}"
    # An extra that the hub asks for, and a library of a library.
    assert {"psycopg-binary", "uvloop", "aiokafka"} <= set(by_name)
    assert not {"pytest", "mypy", "ruff", "playwright"} & set(by_name)
    refs = {component["bom-ref"] for component in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert len(refs) == len(made["components"]) + 1
    for entry in made["dependencies"]:
        assert {entry["ref"], *entry["dependsOn"]} <= refs


def test_every_library_states_a_licence_and_none_forbids_the_hubs_own() -> None:
    made = sbom_of("eet-hub")
    stated = {name: who for name, _, who in licences(made)}
    assert "not stated" not in stated
    # asyncssh offers EPL-2.0 beside the GPL; LGPL libraries are used as they are.
    gpl = [
        f"{name}: {who}" for name, who in stated.items() if "GPL" in name and "LGPL" not in name and " OR " not in name
    ]
    assert gpl == []


def test_the_same_installation_gives_the_same_document(tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    done = CliRunner().invoke(app, ["sbom", "--out", str(out), "--json"])
    assert done.exit_code == 0 and json.loads(out.read_text()) == sbom_of("eet-hub")


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(LookupError, match="no-such-thing is not installed"):
        needed("no_such.thing")
