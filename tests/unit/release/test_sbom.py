"""The bill of materials: all that is locked, each once, nothing dangling, the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.bundle import MANIFEST, digest
from release import sbom
from release.packages import locked


def test_it_lists_what_the_lock_holds_and_the_model(home: Path, bundle_directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    sbom.main([str(file), "--model", "house_prices:latest"])
    first = file.read_bytes()
    for other in (["--model", "house_prices"], []):
        assert sbom.main([str(file), *other]) == 0
        assert file.read_bytes() == first
    document = json.loads(first)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    libraries = [part for part in document["components"] if part["type"] == "library"]
    assert {f"{part['name']}=={part['version']}" for part in libraries} == {
        str(one).split(";")[0].strip() for one in locked()
    }
    assert all(part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" for part in libraries)
    [model] = [part for part in document["components"] if part["type"] == "machine-learning-model"]
    assert model["version"] == bundle_directory.name
    assert model["hashes"][0]["content"] == digest((bundle_directory / MANIFEST).read_bytes())


def test_every_dependency_is_listed(home: Path, tmp_path: Path) -> None:
    sbom.main([str(tmp_path / "sbom.json")])
    document = json.loads((tmp_path / "sbom.json").read_bytes())
    references = [document["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in document["components"])]
    assert len(set(references)) == len(references)
    edges = {part["ref"]: part["dependsOn"] for part in document["dependencies"]}
    assert set(edges) == set(references)
    assert {name for needed in edges.values() for name in needed} <= set(references)
    assert len(edges["plumbline"]) > 10


def test_it_says_which_version_is_not_there(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main([str(tmp_path / "sbom.json"), "--model", "house_prices:nothing"]) == 1
    assert "holds no version 'nothing'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
