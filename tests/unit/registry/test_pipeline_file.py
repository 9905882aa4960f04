"""A pipeline's file depends on the pipeline's content and on nothing else."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from registry import pipeline_file
from registry.bundle import PIPELINE, ModelDefinition

RAW = np.linspace(-3.0, 9.0, 60).reshape(20, 3)


@pytest.fixture
def fitted() -> Pipeline:
    """A fitted pipeline with arrays, nested estimators and shared plain values."""
    return make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=7)).fit(RAW)


def test_two_dumps_are_equal_whatever_was_allocated_between(fitted: Pipeline) -> None:
    first = pipeline_file.dump(fitted)
    garbage = [np.arange(n) for n in range(5000)] + [object() for _ in range(5000)]
    second = pipeline_file.dump(fitted)
    del garbage
    assert pipeline_file.dump(fitted) == second == first


def test_equal_pipelines_at_other_addresses_give_equal_bytes(fitted: Pipeline) -> None:
    again = make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=7)).fit(RAW.copy())
    assert again is not fitted
    assert pipeline_file.dump(again) == pipeline_file.dump(fitted)


def test_another_pipeline_gives_other_bytes(fitted: Pipeline) -> None:
    other = make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=7)).fit(RAW * 2)
    assert pipeline_file.dump(other) != pipeline_file.dump(fitted)


def test_a_round_trip_transforms_equally_and_dumps_equally(fitted: Pipeline) -> None:
    data = pipeline_file.dump(fitted)
    loaded = pipeline_file.load("v", data, [])
    np.testing.assert_array_equal(loaded.transform(RAW), fitted.transform(RAW))
    assert pipeline_file.dump(loaded) == data


def test_the_published_pipeline_survives_a_round_trip(bundle_directory: Path, definition: ModelDefinition) -> None:
    data = (bundle_directory / PIPELINE).read_bytes()
    assert pipeline_file.dump(pipeline_file.load("v", data, definition.trusted_types)) == data


def test_the_bytes_hold_no_memory_address_and_no_time(fitted: Pipeline) -> None:
    data = pipeline_file.dump(fitted)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        numbers = re.findall(r"\d+", " ".join(archive.namelist()) + archive.read("schema.json").decode())
        stated = json.loads(archive.read("schema.json"))
    assert archive.namelist() == sorted(archive.namelist())
    assert max(len(number) for number in numbers) < 12  # an address has more digits
    assert "__id__" in stated


def test_skops_own_bytes_do_hold_addresses(fitted: Pipeline) -> None:
    """Once this fails, `dump` has no more work to do."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(fitted))) as archive:
        assert re.search(r"\d{12,}", archive.read("schema.json").decode())


def test_scikit_learns_own_types_need_no_permission_and_ours_do(
    fitted: Pipeline, bundle_directory: Path, definition: ModelDefinition
) -> None:
    assert pipeline_file.untrusted_types(pipeline_file.dump(fitted), []) == []
    data = (bundle_directory / PIPELINE).read_bytes()
    assert pipeline_file.untrusted_types(data, definition.trusted_types) == []
    assert set(pipeline_file.untrusted_types(data, [])) == definition.trusted_types
