"""Prediction intervals: they hold what they promise, and adapt to how unsure the model is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from registry.bundle import error_scale
from registry.manifest import IntervalPart, ScalePart
from schemas.features import Vector
from training.intervals import conformal, fit_scale

FLAT = ScalePart(intercept=0.0, weights=[0.0, 0.0], linear=0.0, square=0.0, low=-20.0, high=20.0)
"""The same expected error, 1, for every row."""


def rows(count: int, seed: int) -> tuple[Matrix, Vector, Vector]:
    """Inputs, predictions and truths: the error grows seventyfold with the first input, the second means nothing."""
    random = np.random.default_rng(seed)
    inputs = random.uniform(-1, 1, (count, 2))
    center = random.normal(13.0, 0.5, count)
    truth = center + 0.2 * np.exp(1.5 * inputs[:, 0]) * random.standard_normal(count)
    return inputs, center, truth


def learned(seed: int = 1, ignored: list[int] | None = None) -> ScalePart:
    """The scale that such rows teach."""
    inputs, center, truth = rows(4000, seed)
    return fit_scale(inputs, center, truth - center, ignored or [])


def reach(interval: IntervalPart, inputs: Matrix, center: Vector) -> Vector:
    """Half the interval's width on the link scale."""
    half: Vector = interval.reach * error_scale(interval.scale, inputs, center)
    return half


def covered(interval: IntervalPart, inputs: Matrix, center: Vector, truth: Vector) -> float:
    """Share of the truths inside."""
    return float((np.abs(truth - center) <= reach(interval, inputs, center)).mean())


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("scale", [FLAT, learned()], ids=["flat", "learned"])
def test_intervals_cover_new_rows_as_often_as_they_promise(coverage: float, scale: ScalePart) -> None:
    inputs, center, truth = rows(4000, seed=2)
    interval = conformal(truth, inputs, center, scale, coverage)
    assert interval.coverage == coverage
    assert covered(interval, *rows(20_000, seed=3)) == pytest.approx(coverage, abs=0.02)


def test_small_calibration_parts_cover_on_average_too() -> None:
    found = []
    for seed in range(200):
        inputs, center, truth = rows(19, seed)
        found.append(covered(conformal(truth, inputs, center, FLAT, 0.9), *rows(500, seed=1000 + seed)))
    assert np.mean(found) == pytest.approx(0.9, abs=0.015)  # without the + 1 in the rank, 0.85


def test_a_learned_scale_beats_a_constant_width() -> None:
    inputs, center, truth = rows(4000, seed=2)
    new_inputs, new_center, new_truth = rows(20_000, seed=3)
    adaptive, constant = (conformal(truth, inputs, center, scale, 0.9) for scale in (learned(), FLAT))
    widths = [float(reach(interval, new_inputs, new_center).mean()) for interval in (adaptive, constant)]
    assert widths[0] < 0.9 * widths[1]
    for sure in (new_inputs[:, 0] < -0.5, new_inputs[:, 0] > 0.5):
        part = new_inputs[sure], new_center[sure], new_truth[sure]
        assert abs(covered(adaptive, *part) - 0.9) < 0.08 < abs(covered(constant, *part) - 0.9)


def test_the_scale_grows_with_the_error() -> None:
    scale = learned()
    at = error_scale(scale, np.array([[-0.8, 0.0], [0.8, 0.0], [0.0, -0.8], [0.0, 0.8]]), np.full(4, 13.0))
    assert at[1] / at[0] == pytest.approx(math.exp(1.6 * 1.5), rel=0.4)
    assert at[3] / at[2] == pytest.approx(1, abs=0.1)


def test_an_ignored_input_does_not_move_the_scale() -> None:
    scale = learned(ignored=[0])
    assert scale.weights[0] == 0
    at = error_scale(scale, np.array([[-1.0, 0.5], [1.0, 0.5]]), np.full(2, 13.0))
    assert at[0] == at[1]


def test_the_scale_stays_within_what_training_has_seen() -> None:
    scale = learned()
    extremes = np.array([[-1e9, 0.0], [1e9, 0.0], [0.0, 0.0]])
    low, high, middle = error_scale(scale, extremes, np.full(3, 13.0))
    assert (low, high) == (math.exp(scale.low), math.exp(scale.high))
    assert low < middle < high
    inputs, center, _ = rows(4000, seed=1)
    log_scale = np.log(error_scale(scale, inputs, center))
    assert (log_scale.min(), log_scale.max()) == pytest.approx((scale.low, scale.high))


def test_a_constant_input_does_not_break_the_scale() -> None:
    inputs, center, truth = rows(500, seed=1)
    inputs[:, 1] = 7.0
    scale = fit_scale(inputs, center, truth - center, [])
    assert np.isfinite([scale.intercept, *scale.weights, scale.linear, scale.square]).all()
    assert np.isfinite(error_scale(scale, inputs, center)).all()


def test_perfect_predictions_still_have_a_scale() -> None:
    inputs, center, _ = rows(500, seed=1)
    scale = fit_scale(inputs, center, np.zeros(500), [])
    assert error_scale(scale, inputs, center) == pytest.approx(0.01)


@pytest.mark.parametrize(("count", "coverage"), [(8, 0.9), (18, 0.95), (0, 0.5)])
def test_too_few_rows_for_a_coverage_are_refused(count: int, coverage: float) -> None:
    inputs, center, truth = rows(count, seed=1)
    with pytest.raises(ValueError, match=f"{count} calibration rows cannot support a coverage of {coverage:g}"):
        conformal(truth, inputs, center, FLAT, coverage)


def test_just_enough_rows_reach_to_the_largest_error() -> None:
    inputs, center, truth = rows(9, seed=1)
    assert conformal(truth, inputs, center, FLAT, 0.9).reach == np.abs(truth - center).max()
