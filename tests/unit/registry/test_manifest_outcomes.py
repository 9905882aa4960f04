"""The manifest's outcome reference: bundles from before there was one still load, and a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.bundle import MANIFEST, ModelDefinition, load
from registry.errors import BundleCorrupt
from registry.manifest import Manifest
from tests.unit.registry.rebuild import rebuild

REFERENCE = {"rows": 1400, "unit": 1.0, "bias": -0.02, "median_error": 0.09, "large_error": 0.16, "coverage": 0.91}


def test_a_manifest_from_before_loads_without(bundle_directory: Path) -> None:
    stated: dict[str, Any] = json.loads((bundle_directory / MANIFEST).read_bytes())
    stated.pop("outcomes", None)
    assert Manifest.model_validate(stated).outcomes is None


def test_a_reference_travels_with_the_bundle(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, tmp_path, manifest={"outcomes": REFERENCE})
    outcomes = load(version, tmp_path, definition).manifest.outcomes
    assert outcomes is not None
    assert outcomes.model_dump() == REFERENCE


@pytest.mark.parametrize("wrong", [{"unit": 0}, {"rows": 0}, {"coverage": 1.1}, {"bias": "low"}, {"more": 1}])
def test_a_wrong_reference_is_refused(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition, wrong: dict[str, Any]
) -> None:
    version = rebuild(bundle_directory, tmp_path, manifest={"outcomes": {**REFERENCE, **wrong}})
    with pytest.raises(BundleCorrupt):
        load(version, tmp_path, definition)
