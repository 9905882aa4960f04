"""Training on the real sales: the same bytes again in another process, and figures that are worth publishing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from preprocessors.encoding import RowEncoder
from registry import store
from registry.bundle import MANIFEST, Bundle, ModelVersion, digest
from registry.manifest import Manifest
from schemas.house_prices import HouseFeatures
from tests.environment import HOME
from training import run
from training.__main__ import main
from training.dataset import Split
from training.house_prices import RECIPE
from training.recipe import Fitted
from training.run import Outcome

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def _reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reports go to a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "RUNS", tmp_path_factory.mktemp("runs"))
        yield


@pytest.fixture(scope="module")
def fitted() -> list[Fitted]:
    """What `again` has fitted, still in memory."""
    return []


@pytest.fixture(scope="module")
def again(published: str, fitted: list[Fitted]) -> Outcome:
    """The same training in this process, beside the published version and without publishing."""

    def fit(split: Split, progress: Callable[[str], None]) -> Fitted:
        fitted.append(RECIPE.fit(split, progress))
        return fitted[0]

    return run.run(replace(RECIPE, fit=fit), Console(quiet=True), publish=False)


def test_training_again_in_another_process_gives_the_same_bytes(again: Outcome, bundle_directory: Path) -> None:
    stored = {path.name: path.read_bytes() for path in bundle_directory.iterdir() if path.name != "model.yaml"}
    manifest = stored.pop(MANIFEST)
    assert {name: digest(content) for name, content in again.files.items()} == {
        name: digest(content) for name, content in stored.items()
    }
    # somebody may have committed since; all else is equal to the last byte
    same_code = again.manifest.model_copy(update={"code": Manifest.model_validate_json(manifest).code})
    assert same_code.model_dump_json(indent=1).encode() == manifest


def test_the_stored_model_gives_the_bits_of_the_fitted_one(
    again: Outcome, fitted: list[Fitted], bundle: Bundle, split: Split
) -> None:
    in_memory = ModelVersion(fitted[0].pipeline, fitted[0].booster, RECIPE.target, fitted[0].interval)
    expected = in_memory.predict(in_memory.transform(split.test.raw))
    bodies = [row.model_dump_json() for row in split.test.rows]
    raw = RowEncoder(HouseFeatures).matrix([HouseFeatures.from_row(json.loads(body)) for body in bodies])
    got = bundle.model.predict(bundle.model.transform(raw))
    for name in ("value", "low", "high"):
        assert np.array_equal(getattr(got, name), getattr(expected, name)), name


def test_the_version_trained_again_is_compared_with_the_published_one(again: Outcome, bundle: Bundle) -> None:
    (beside,) = [item for item in again.checks if item.name == "mape beside published"]
    assert beside.passed
    assert beside.figure == bundle.manifest.metrics["model"]["mape"]


def test_the_published_figures_are_better_than_those_of_others_on_this_quarter(bundle: Bundle) -> None:
    model, ridge = bundle.manifest.metrics["model"], bundle.manifest.metrics["ridge"]
    assert model["mape"] < 12.25  # AutoGluon's
    assert model["median_ape"] < 8.67  # LightGBM's
    assert model["r2"] > 0.828
    assert abs(model["bias"]) <= 6
    assert 0.87 <= model["coverage"] <= 0.93
    assert model["mape"] < 0.85 * ridge["mape"]
    assert ridge["mape"] < 0.85 * bundle.manifest.metrics["median"]["mape"]


def test_the_manifest_tells_which_data_was_used(bundle: Bundle) -> None:
    data = bundle.manifest.data
    assert (data.rows, data.refused) == (43_313, 0)
    assert data.sha256 == RECIPE.source.sha256
    days = [str(day) for day in (data.first, data.fit_until, data.calibrated_until, data.tested_until)]
    assert days == ["2010-01-02", "2016-07-01", "2016-09-30", "2016-12-28"]
    assert bundle.version.startswith("20160930-")


def test_the_manifest_has_figures_for_every_area_with_enough_sales(bundle: Bundle) -> None:
    slices = bundle.manifest.slices
    assert set(slices) == {"building type", "price band", "area"}
    assert len(slices["area"]) >= 24
    assert sum(part["rows"] for part in slices["price band"].values()) == bundle.manifest.metrics["model"]["rows"]
    assert max(part["mape"] for part in slices["area"].values()) < 25


def test_a_run_as_of_an_earlier_day_passes_and_leaves_the_store_alone(
    published: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in (HOME / "models" / "house_prices").iterdir())
    assert main(["--until", "2013-01-01", "--no-publish"]) == 0
    printed = capsys.readouterr().out
    assert "2010-01-02 to 2012-12-" in printed
    assert "FAILED" not in printed
    assert "beside published" not in printed  # it has seen that quarter
    assert sorted(path.name for path in (HOME / "models" / "house_prices").iterdir()) == before
    assert store.versions("house_prices")[0] == published
