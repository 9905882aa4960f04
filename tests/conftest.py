"""Fixtures for all tests: one trained version for the whole run, and really served processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preprocessors.house_prices import TRUSTED_TYPES
from registry import store
from registry.bundle import Bundle, ModelDefinition
from schemas.house_prices import HouseFeatures
from tests.environment import HOME
from tests.served import ROOT, Served, serve
from training import fetch
from training.dataset import Dataset, Split, split_by_time, validate
from training.house_prices import RECIPE

EXAMPLE: dict[str, Any] = {
    "building_type": "single_family",
    "area_code": "19",
    "living_area_sqft": 1680,
    "lot_area_sqft": 4800,
    "bedrooms": 3,
    "bathrooms": 1.75,
    "building_grade": 7,
    "waterfront": False,
    "age_years": 64,
    "effective_age_years": 60,
    "latitude": 47.643,
    "longitude": -122.402,
    "valuation_date": "2016-12-15",
}


@pytest.fixture
def row() -> dict[str, Any]:
    """A valid request row; tests change their own copy."""
    return dict(EXAMPLE)


@pytest.fixture(scope="session")
def definition() -> ModelDefinition:
    """The house model as the service declares it."""
    return ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES)


@pytest.fixture(scope="session")
def published() -> Iterator[str]:
    """The version that `python -m training` published into this run's own model store.

    PLUMBLINE_TEST_STORE=<a BENTOML_HOME> reuses a version trained before, for quick runs while developing.
    """
    ready = os.environ.get("PLUMBLINE_TEST_STORE")
    if ready:
        shutil.copytree(ready, HOME, dirs_exist_ok=True)
    else:
        # another hash seed than ours, so that the test of determinism compares two different processes
        environment = {**os.environ, "PYTHONHASHSEED": "1"}
        subprocess.run([sys.executable, "-m", "training"], cwd=ROOT, env=environment, check=True, timeout=300)
    yield store.versions("house_prices")[0]
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def home(published: str) -> Path:
    """The BENTOML_HOME that holds the published version."""
    return HOME


@pytest.fixture(scope="session")
def bundle_directory(home: Path, published: str) -> Path:
    """The published version's files. Copy them before changing any."""
    return home / "models" / "house_prices" / published


@pytest.fixture(scope="session")
def bundle(published: str, definition: ModelDefinition) -> Bundle:
    """The published version, verified and loaded."""
    return store.open_version(definition, published)


@pytest.fixture(scope="session")
def sales() -> Dataset:
    """All real sales, validated."""
    return validate(HouseFeatures, RECIPE.read(fetch.fetch(RECIPE.source)))[0]


@pytest.fixture(scope="session")
def split(sales: Dataset) -> Split:
    """The split that the published version was trained with."""
    return split_by_time(sales, RECIPE.calibration_days)


@pytest.fixture(scope="session")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service, really served by `bentoml serve` with two workers."""
    with serve(home, tmp_path_factory.mktemp("served"), workers=2) as running:
        yield running
