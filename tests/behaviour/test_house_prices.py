"""What the packaged house model does, on the real sales of its untouched test quarter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.feature_check import FeatureCheck
from preprocessors.house_columns import AREA, BEDS, EFFECTIVE_AGE, GRADE, LIVING, LOT, TYPE, WATERFRONT
from preprocessors.house_prices import OPTIONAL
from registry.bundle import Answers, Bundle
from schemas.features import MISSING, NEVER_SEEN, Vector
from schemas.house_prices import HouseFeatures
from training.dataset import Dataset, Split
from training.evaluate import figures, interval_figures

ENCODER = RowEncoder(HouseFeatures)
EVERY_OPTIONAL = [column for columns in OPTIONAL.values() for column in columns]

SMALLEST: dict[str, Any] = {
    "building_type": "single_family",
    "area_code": "1",
    "living_area_sqft": 100,
    "lot_area_sqft": 100,
    "bedrooms": 0,
    "bathrooms": 0,
    "building_grade": 1,
    "waterfront": False,
    "age_years": 0,
    "effective_age_years": 0,
    "latitude": 47.0,
    "longitude": -123.0,
    "valuation_date": "2010-01-01",
}
LARGEST: dict[str, Any] = {
    "building_type": "townhouse",
    "area_code": "99",
    "living_area_sqft": 50_000,
    "lot_area_sqft": 5_000_000,
    "bedrooms": 20,
    "bathrooms": 20,
    "building_grade": 13,
    "waterfront": True,
    "age_years": 200,
    "effective_age_years": 200,
    "latitude": 48.0,
    "longitude": -121.0,
    "valuation_date": "2017-12-31",
}

Predict = Callable[[Matrix], Answers]


@pytest.fixture(scope="module")
def test(split: Split) -> Dataset:
    """The sales of the test quarter."""
    return split.test


@pytest.fixture(scope="module")
def predict(bundle: Bundle) -> Predict:
    """Encoded rows to answers, as the service computes them."""
    return lambda raw: bundle.model.predict(bundle.model.transform(raw))


@pytest.fixture(scope="module")
def usual(predict: Predict, test: Dataset) -> Answers:
    """The answers for the test quarter as it is."""
    return predict(test.raw)


def with_values(data: Dataset, columns: list[int], value: Any) -> Matrix:
    """The rows with another value in some columns."""
    raw = data.raw.copy()
    raw[:, columns] = value
    return raw


def ask(predict: Predict, row: dict[str, Any]) -> tuple[float, float, float]:
    """Prediction, low and high for one request row."""
    answers = predict(ENCODER.matrix([HouseFeatures.from_row(row)]))
    return numbers(answers, 0)


def numbers(answers: Answers, row: int) -> tuple[float, float, float]:
    """Prediction, low and high of one row of a batch."""
    assert answers.low is not None
    assert answers.high is not None
    return float(answers.value[row]), float(answers.low[row]), float(answers.high[row])


def change(answers: Answers, usual: Answers) -> Vector:
    """Relative change of the predictions."""
    moved: Vector = answers.value / usual.value - 1
    return moved


def assert_sensible(answers: Answers) -> None:
    """Finite, positive, and inside a finite interval; never warnings or NaN, whatever was asked."""
    assert answers.low is not None
    assert answers.high is not None
    assert np.isfinite(np.stack([answers.value, answers.low, answers.high])).all()
    assert (answers.low > 0).all()
    assert (answers.low < answers.value).all()
    assert (answers.value < answers.high).all()


@pytest.mark.parametrize("factor", [1.05, 1.1, 1.5, 2.0])
def test_more_living_area_hardly_ever_lowers_the_price(
    predict: Predict, test: Dataset, usual: Answers, factor: float
) -> None:
    raw = test.raw.copy()
    raw[:, LIVING] = np.round(raw[:, LIVING] * factor)
    moved = change(predict(raw), usual)
    assert (moved < -0.005).mean() < 0.01
    assert moved.min() > -0.1
    assert np.median(moved) > 0.2 * (factor - 1)


@pytest.mark.parametrize("grades", [1, 2])
def test_a_better_grade_hardly_ever_lowers_the_price(
    predict: Predict, test: Dataset, usual: Answers, grades: int
) -> None:
    could_be_better = test.raw[:, GRADE] + grades <= 13
    raw = test.raw.copy()
    raw[:, GRADE] += np.where(could_be_better, grades, 0)
    moved = change(predict(raw), usual)[could_be_better]
    assert (moved < 0).mean() < 0.01
    assert np.median(moved) > 0.05 * grades


def test_water_at_the_lot_never_lowers_the_price(predict: Predict, test: Dataset, usual: Answers) -> None:
    dry = test.raw[:, WATERFRONT] == 0
    assert (change(predict(with_values(test, [WATERFRONT], 1.0)), usual)[dry] > 0).all()


def test_the_order_of_keys_and_null_for_absent_do_not_matter(predict: Predict, row: dict[str, Any]) -> None:
    del row["lot_area_sqft"], row["bathrooms"]
    other = {"bathrooms": None, **dict(reversed(row.items())), "lot_area_sqft": None}
    assert ask(predict, other) == ask(predict, row)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_neighbours_in_the_batch_do_not_matter(predict: Predict, test: Dataset, usual: Answers, size: int) -> None:
    rows = test.raw[:448]
    parts = [predict(rows[start : start + size]) for start in range(0, len(rows), size)]
    assert np.array_equal(np.concatenate([part.value for part in parts]), usual.value[:448])
    for name in ("low", "high"):
        together = np.concatenate([getattr(part, name) for part in parts])
        # the width's scale is a BLAS product, whose last bit depends on the number of rows
        assert together == pytest.approx(getattr(usual, name)[:448], rel=1e-12)


def test_the_order_of_the_batch_does_not_matter(predict: Predict, test: Dataset, usual: Answers) -> None:
    assert np.array_equal(predict(test.raw[::-1]).value[::-1], usual.value)


@pytest.mark.parametrize("extreme", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_the_extremes_of_the_schema_have_a_price(bundle: Bundle, predict: Predict, extreme: dict[str, Any]) -> None:
    raw = ENCODER.matrix([HouseFeatures.from_row(extreme)])
    assert_sensible(predict(raw))
    strange = FeatureCheck(HouseFeatures, bundle.ranges).find(raw, bundle.model.transform(raw))
    assert {"living_area_sqft", "lot_area_sqft", "latitude", "longitude"} <= {found.feature for found in strange}


@pytest.mark.parametrize("columns", [*OPTIONAL.values(), EVERY_OPTIONAL], ids=[*OPTIONAL, "all together"])
def test_without_optional_values_the_answers_are_still_good(
    bundle: Bundle, predict: Predict, test: Dataset, usual: Answers, columns: list[int]
) -> None:
    raw = with_values(test, columns, MISSING)
    answers = predict(raw)
    assert_sensible(answers)
    assert abs(np.median(change(answers, usual))) < 0.02
    assert figures(test.target, answers.value)["mape"] < 15
    assert 0.87 <= interval_figures(test.target, answers)["coverage"] <= 0.93
    strange = FeatureCheck(HouseFeatures, bundle.ranges).find(raw, bundle.model.transform(raw))
    assert len({found.row for found in strange}) < 0.05 * len(test)


def test_intervals_are_wider_where_nothing_optional_is_known(predict: Predict, test: Dataset, usual: Answers) -> None:
    bare = interval_figures(test.target, predict(with_values(test, EVERY_OPTIONAL, MISSING)))
    assert bare["interval_width"] > 1.1 * interval_figures(test.target, usual)["interval_width"]


@pytest.mark.parametrize(
    ("column", "value", "largest_change"),
    [(BEDS, 0, 0.25), (BEDS, 20, 0.4), (EFFECTIVE_AGE, 0, 0.25), (LOT, 5_000_000, 1.0), (LOT, 100, 0.5)],
)
def test_an_unusual_value_does_not_throw_the_price_off(
    predict: Predict, test: Dataset, usual: Answers, column: int, value: float, largest_change: float
) -> None:
    answers = predict(with_values(test, [column], value))
    assert_sensible(answers)
    assert np.abs(change(answers, usual)).max() < largest_change


def test_a_townhouse_on_a_huge_lot_has_a_sensible_price(predict: Predict, test: Dataset, usual: Answers) -> None:
    answers = predict(with_values(test, [TYPE, LOT], [1.0, 5_000_000]))
    assert_sensible(answers)
    assert np.abs(change(answers, usual)).max() < 1.0


def test_an_area_never_seen_has_a_price_and_a_warning(
    bundle: Bundle, predict: Predict, test: Dataset, usual: Answers
) -> None:
    raw = with_values(test, [AREA], NEVER_SEEN)
    answers = predict(raw)
    assert_sensible(answers)
    assert abs(np.median(change(answers, usual))) < 0.1
    strange = FeatureCheck(HouseFeatures, bundle.ranges).find(raw, bundle.model.transform(raw))
    about_area = [found for found in strange if found.feature == "area_code"]
    assert [found.row for found in about_area] == list(range(len(test)))
    assert {found.code for found in about_area} == {"never_seen_category"}


def test_the_sales_of_training_raise_no_warning(bundle: Bundle, split: Split) -> None:
    raw = np.vstack([split.fit.raw[-2000:], split.test.raw])
    assert FeatureCheck(HouseFeatures, bundle.ranges).find(raw, bundle.model.transform(raw)) == []


def test_the_golden_set_replays_to_the_last_bit(bundle: Bundle, predict: Predict) -> None:
    bundle.replay_golden(HouseFeatures)
    answers = predict(ENCODER.matrix([HouseFeatures.from_row(row) for row in bundle.golden.rows]))
    assert answers.value.tolist() == bundle.golden.value
    assert any("latitude" not in row for row in bundle.golden.rows)


def test_figures_on_the_test_quarter_are_those_of_the_manifest(bundle: Bundle, test: Dataset, usual: Answers) -> None:
    found = {**figures(test.target, usual.value), **interval_figures(test.target, usual)}
    assert found == pytest.approx(bundle.manifest.metrics["model"], rel=1e-9)
    assert 0.87 <= found["coverage"] <= 0.93


def test_the_profile_counts_every_sale_in_every_column(bundle: Bundle, sales: Dataset) -> None:
    names = [column.name for column in bundle.profile.columns]
    assert names == [*HouseFeatures.names(), "prediction"]
    for column in bundle.profile.columns:
        assert sum(column.counts) == bundle.profile.rows == len(sales)
        assert len(set(column.labels)) == len(column.labels)
    for column, values in zip(bundle.profile.columns, sales.raw.T, strict=False):
        assert column.count(values).tolist() == column.counts


def test_a_row_that_went_through_json_has_the_bits_of_the_row_in_training(
    predict: Predict, test: Dataset, usual: Answers
) -> None:
    for number in range(0, len(test), 97):
        body = json.dumps({"features": test.rows[number].model_dump(mode="json")})
        assert ask(predict, json.loads(body)["features"])[0] == usual.value[number]
