"""Figures against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from registry.bundle import Answers
from training.evaluate import SMALLEST_SLICE, figures, interval_figures, outcome_reference, slice_figures

ACTUAL = np.array([100.0, 200.0, 400.0, 500.0])
PREDICTED = np.array([110.0, 180.0, 300.0, 505.0])
ANSWERS = Answers(PREDICTED, np.array([100.0, 150.0, 200.0, 501.0]), np.array([120.0, 199.0, 450.0, 600.0]))


def test_figures_are_those_of_the_textbook() -> None:
    # errors 10, -20, -100, 5; relative 10 %, -10 %, -25 %, 1 %; mean 300, squares around it 100,000
    found = figures(ACTUAL, PREDICTED)
    assert found == pytest.approx(
        {
            "rows": 4,
            "r2": 1 - (100 + 400 + 10_000 + 25) / 100_000,
            "mae": 135 / 4,
            "mape": 46 / 4,
            "median_ape": 10.0,
            "bias": (-10 + 1) / 2,
            "within_10": 75.0,
        }
    )


def test_bias_is_negative_when_the_model_prices_too_low() -> None:
    assert figures(ACTUAL, 0.9 * ACTUAL)["bias"] == pytest.approx(-10)
    assert figures(ACTUAL, 1.2 * ACTUAL)["bias"] == pytest.approx(20)


def test_a_perfect_model_has_no_error() -> None:
    assert figures(ACTUAL, ACTUAL) == {
        "rows": 4,
        "r2": 1,
        "mae": 0,
        "mape": 0,
        "median_ape": 0,
        "bias": 0,
        "within_10": 100,
    }


def test_predicting_the_mean_has_an_r2_of_nought() -> None:
    assert figures(ACTUAL, np.full(4, ACTUAL.mean()))["r2"] == 0


def test_without_spread_there_is_no_r2_and_every_figure_is_a_json_number() -> None:
    found = figures(np.full(3, 100.0), np.array([90.0, 100.0, 110.0]))
    assert "r2" not in found
    assert all(math.isfinite(value) for value in found.values())


def test_coverage_counts_the_ends_as_inside() -> None:
    # 100 is on its lower end, 200 is above 199, 400 is inside, 500 is below 501
    found = interval_figures(ACTUAL, ANSWERS)
    assert found["coverage"] == 0.5
    assert found["interval_width"] == pytest.approx(100 * np.median([20 / 110, 49 / 180, 250 / 300, 99 / 505]))


def test_without_intervals_there_are_no_figures_of_them() -> None:
    assert interval_figures(ACTUAL, Answers(PREDICTED, None, None)) == {}


def test_slices_have_the_figures_of_their_rows_alone() -> None:
    actual, predicted = np.tile(ACTUAL, 10), np.tile(PREDICTED, 10)
    answers = Answers(predicted, 0.8 * predicted, 1.1 * predicted)
    cheap = actual < 300
    found = slice_figures(actual, answers, {"price": {"cheap": cheap, "dear": ~cheap}})
    assert list(found["price"]) == ["cheap", "dear"]
    for name, mask in (("cheap", cheap), ("dear", ~cheap)):
        part = Answers(predicted[mask], 0.8 * predicted[mask], 1.1 * predicted[mask])
        assert found["price"][name] == {
            **figures(actual[mask], predicted[mask]),
            **interval_figures(actual[mask], part),
        }
    assert found["price"]["cheap"]["mape"] == pytest.approx(10)
    assert found["price"]["cheap"]["coverage"] == 0.5


def test_a_slice_of_few_rows_is_left_out_but_its_kind_stays() -> None:
    actual = np.arange(1.0, 101.0)
    masks = {"enough": np.arange(100) < SMALLEST_SLICE, "few": np.arange(100) < SMALLEST_SLICE - 1}
    found = slice_figures(actual, Answers(actual, None, None), {"size": masks, "none": {}})
    assert {kind: list(part) for kind, part in found.items()} == {"size": ["enough"], "none": []}
    assert "coverage" not in found["size"]["enough"]


def test_outcomes_are_held_against_the_figures_of_the_test_part() -> None:
    reference = outcome_reference("log", ACTUAL, ANSWERS)
    # relative errors 10 %, -10 %, -25 %, 1 %
    assert reference.model_dump() == pytest.approx(
        {"rows": 4, "unit": 1.0, "bias": -0.045, "median_error": 0.1, "large_error": 0.1375, "coverage": 0.5}
    )
    assert reference.bias == pytest.approx(figures(ACTUAL, PREDICTED)["bias"] / 100)
    assert reference.coverage == interval_figures(ACTUAL, ANSWERS)["coverage"]


def test_where_targets_have_no_ratio_errors_are_held_against_the_usual_one() -> None:
    reference = outcome_reference("identity", ACTUAL, Answers(PREDICTED, None, None))
    # errors 10, -20, -100, 5; the usual one is 15
    assert (reference.unit, reference.median_error, reference.coverage) == (15.0, 1.0, None)
    assert reference.bias == -0.5


def test_targets_that_are_not_all_positive_have_no_relative_figures() -> None:
    actual, predicted = np.array([-1.0, 0.0, 2.0]), np.array([-1.5, 0.5, 2.0])
    found = figures(actual, predicted)
    assert sorted(found) == ["mae", "r2", "rows"]
    assert found["mae"] == pytest.approx(1 / 3)
    assert interval_figures(actual, Answers(predicted, predicted - 1, predicted + 1)) == {"coverage": 1.0}
