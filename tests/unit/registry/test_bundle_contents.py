"""A consistent bundle is still refused for foreign code, another schema, another model, and wrong golden answers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import skops.io
from pydantic import Field
from sklearn.preprocessing import StandardScaler

from registry import bundle
from registry.bundle import ModelDefinition, load
from registry.errors import BundleCorrupt, BundleForeignType, GoldenMismatch, SchemaMismatch
from schemas.house_prices import HouseFeatures
from tests.unit.registry.foreign import Exploit, Foreign
from tests.unit.registry.rebuild import edited, rebuild


class OneLimitDiffers(HouseFeatures):
    """The house schema with room for one more bedroom."""

    bedrooms: int = Field(ge=0, le=21)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the altered bundle goes."""
    return tmp_path / "altered"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that exists once foreign code was run."""
    return tmp_path / "executed"


@pytest.fixture
def golden(bundle_directory: Path) -> dict[str, Any]:
    """The published golden set."""
    read: dict[str, Any] = json.loads((bundle_directory / bundle.GOLDEN).read_bytes())
    return read


def test_a_foreign_type_in_the_pipeline_is_refused_and_not_run(
    bundle_directory: Path, target: Path, marker: Path, definition: ModelDefinition
) -> None:
    data = skops.io.dumps(Foreign(str(marker)))
    version = rebuild(bundle_directory, target, {bundle.PIPELINE: data})
    with pytest.raises(BundleForeignType, match=r"tests\.unit\.registry\.foreign\.Foreign"):
        load(version, target, definition)
    assert not marker.exists()


def test_the_same_type_on_the_allow_list_is_run(
    bundle_directory: Path, target: Path, marker: Path, definition: ModelDefinition
) -> None:
    """So that the test above cannot pass because of a file that would not have run anyway."""
    data = skops.io.dumps(Foreign(str(marker)))
    version = rebuild(bundle_directory, target, {bundle.PIPELINE: data})
    allowed = ModelDefinition(definition.name, definition.rows, frozenset({"tests.unit.registry.foreign.Foreign"}))
    load(version, target, allowed)
    assert marker.exists()


def test_our_own_types_are_refused_when_the_definition_does_not_allow_them(
    bundle_directory: Path, published: str, definition: ModelDefinition
) -> None:
    strict = ModelDefinition(definition.name, definition.rows, frozenset())
    with pytest.raises(BundleForeignType, match="HousePipeline"):
        load(published, bundle_directory, strict)


def test_a_pickle_in_place_of_the_pipeline_is_refused_and_not_run(
    bundle_directory: Path, target: Path, marker: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, target, {bundle.PIPELINE: pickle.dumps(Exploit(str(marker)))})
    with pytest.raises(BundleCorrupt, match=bundle.PIPELINE):
        load(version, target, definition)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Exploit(str(marker))))
    assert marker.exists()  # the pickle would have worked


def test_a_pickle_in_place_of_the_booster_is_refused_and_not_run(
    bundle_directory: Path, target: Path, marker: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, target, {bundle.BOOSTER: pickle.dumps(Exploit(str(marker)))})
    with pytest.raises(BundleCorrupt):
        load(version, target, definition)
    assert not marker.exists()


def test_a_schema_that_differs_in_one_limit_is_refused(
    bundle_directory: Path, published: str, definition: ModelDefinition
) -> None:
    other = ModelDefinition(definition.name, OneLimitDiffers, definition.trusted_types)
    with pytest.raises(SchemaMismatch, match=r"another schema of OneLimitDiffers.*train again"):
        load(published, bundle_directory, other)


def test_another_models_bundle_is_refused_by_name(
    bundle_directory: Path, published: str, definition: ModelDefinition
) -> None:
    other = ModelDefinition("boat_prices", definition.rows, definition.trusted_types)
    with pytest.raises(SchemaMismatch, match=f"'{definition.name}', not 'boat_prices'"):
        load(published, bundle_directory, other)


@pytest.mark.parametrize("answer", ["value", "low", "high"])
def test_one_changed_golden_answer_is_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition, golden: dict[str, Any], answer: str
) -> None:
    changed = [*golden[answer][:-1], golden[answer][-1] * 1.00001]
    _mismatch(bundle_directory, target, definition, **{answer: changed})


def test_a_golden_row_that_was_changed_is_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition, golden: dict[str, Any]
) -> None:
    rows = golden["rows"]
    rows[0]["living_area_sqft"] += 500
    _mismatch(bundle_directory, target, definition, rows=rows)


def test_golden_answers_without_the_models_intervals_are_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition
) -> None:
    _mismatch(bundle_directory, target, definition, low=None, high=None)


@pytest.mark.parametrize("kept", [0, 1, 47])
def test_fewer_golden_answers_than_rows_are_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition, golden: dict[str, Any], kept: int
) -> None:
    _mismatch(bundle_directory, target, definition, value=golden["value"][:kept])


def test_an_empty_golden_set_proves_nothing_and_is_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition
) -> None:
    _mismatch(bundle_directory, target, definition, rows=[], value=[], low=[], high=[])


def test_golden_rows_that_break_the_schema_are_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition, golden: dict[str, Any]
) -> None:
    rows = golden["rows"]
    rows[3]["bedrooms"] = -1
    _mismatch(bundle_directory, target, definition, rows=rows)


def test_a_pipeline_that_cannot_transform_the_golden_rows_is_a_mismatch(
    bundle_directory: Path, target: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, target, {bundle.PIPELINE: skops.io.dumps(StandardScaler())})
    with pytest.raises(GoldenMismatch, match=version):
        load(version, target, definition).replay_golden(definition.rows)


def _mismatch(source: Path, target: Path, definition: ModelDefinition, **members: Any) -> None:
    version = rebuild(source, target, {bundle.GOLDEN: edited(source, bundle.GOLDEN, **members)})
    loaded = load(version, target, definition)
    with pytest.raises(GoldenMismatch, match=version):
        loaded.replay_golden(definition.rows)
