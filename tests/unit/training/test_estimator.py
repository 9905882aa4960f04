"""A scikit-learn model of one's own: fitted, with intervals that hold, and the same again."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from registry import pipeline_file
from registry.bundle import Answers, ModelVersion
from registry.manifest import Target
from tests.unit.training.synthetic import Car, every_day, record
from training.dataset import Split, UnusableData, split_by_time, validate
from training.estimator import EstimatorFit
from training.recipe import Fitted

MODEL = HistGradientBoostingRegressor(max_iter=60, random_state=1)


def split(offset: float = 0.0) -> Split:
    """Cars whose price grows with power; it is noisier without doors, and those are not always known."""
    random, records = np.random.default_rng(1), []
    for day in every_day(date(2012, 1, 1), date(2013, 12, 31)) * 4:
        power, doors = int(random.integers(50, 300)), int(random.integers(2, 6)) if random.random() < 0.7 else None
        price = 1000.0 + 10 * power + (100 if doors is None else 20) * random.standard_normal() + offset
        records.append(record(day, price, power=power, doors=doors))
    return split_by_time(validate(Car, records)[0], 91)


def fitted(parts: Split, log: bool = False) -> tuple[Fitted, Answers]:
    """What the fit gives, and its answers to the test part."""
    found = EstimatorFit(MODEL, log=log)(parts, lambda text: None)
    target = Target(name="price", unit="EUR", link="log" if log else "identity", offset=True)
    model = ModelVersion(found.pipeline, found.booster, target, found.interval)
    return found, model.predict(model.transform(parts.test.raw))


@pytest.mark.parametrize(("log", "offset"), [(False, 0.0), (False, -3000.0), (True, 0.0)])
def test_it_predicts_what_the_estimator_does_and_its_intervals_hold(log: bool, offset: float) -> None:
    parts = split(offset)
    found, answers = fitted(parts, log)
    alone = found.pipeline.model.predict(parts.test.raw)  # type: ignore[attr-defined]
    assert answers.value == pytest.approx(np.exp(alone) if log else alone, rel=1e-5, abs=1e-3)
    assert np.abs(answers.value - parts.test.target).mean() < 60
    assert answers.low is not None
    assert answers.high is not None
    inside = (parts.test.target >= answers.low) & (parts.test.target <= answers.high)
    assert 0.85 < inside.mean() < 0.95


@pytest.mark.parametrize("model", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_a_classifier_is_refused_and_not_served_as_a_number(model: object) -> None:
    with pytest.raises(UnusableData, match="is a classifier"):
        EstimatorFit(model)(split(), lambda text: None)


def test_what_is_unknown_makes_the_interval_wider() -> None:
    parts = split()
    _, answers = fitted(parts)
    assert answers.low is not None
    assert answers.high is not None
    width, unknown = answers.high - answers.low, np.isnan(parts.test.column("doors"))
    assert np.median(width[unknown]) > 2 * np.median(width[~unknown])


def test_the_same_data_gives_the_same_bytes_and_parameters() -> None:
    (one, _), (other, _) = fitted(split()), fitted(split())
    assert pipeline_file.dump(one.pipeline) == pipeline_file.dump(other.pipeline)
    assert (one.interval, one.parameters) == (other.interval, other.parameters)
    assert one.parameters["model"]["max_iter"] == 60
