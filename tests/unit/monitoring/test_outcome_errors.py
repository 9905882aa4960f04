"""Errors on three scales, their bins, and the figures that are read back from bin counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.outcome_errors import (
    BINS,
    EDGES,
    ErrorScale,
    Vector,
    bin_labels,
    error_bins,
    median_absolute_of,
    median_of,
)

NO_DRAWS = np.zeros(3)


def counted(errors: Vector) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Errors as bin counts."""
    return np.bincount(error_bins(errors), minlength=BINS)


def test_bins_reach_a_factor_of_100_and_are_finest_at_zero() -> None:
    assert BINS == 81
    assert EDGES[-1] == pytest.approx(99.0)
    widths = np.diff(EDGES)
    assert widths.argmin() == 39
    assert widths[39] < 0.01
    assert np.allclose(EDGES, -EDGES[::-1])


def test_every_bin_has_its_own_label() -> None:
    assert len(set(bin_labels())) == BINS
    assert bin_labels()[-1] == "inf"


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_every_error_has_a_bin(errors: list[float]) -> None:
    for error, place in zip(errors, error_bins(np.array(errors)), strict=True):
        assert place == 0 or EDGES[place - 1] <= error
        assert place == BINS - 1 or error < EDGES[place]


@pytest.mark.parametrize("bias", [-0.3, -0.08, 0.0, 0.004, 0.08, 1.0])
@pytest.mark.parametrize("spread", [0.02, 0.15, 0.8])
def test_medians_from_counts_are_close_to_those_of_the_errors(bias: float, spread: float) -> None:
    errors = np.expm1(np.random.default_rng(0).normal(math.log1p(bias), spread, 20_001))
    assert median_of(counted(errors)) == pytest.approx(np.median(errors), abs=0.003 + 0.04 * abs(bias))
    assert median_absolute_of(counted(errors)) == pytest.approx(np.median(np.abs(errors)), abs=0.003, rel=0.03)


@pytest.mark.parametrize("bias", [-3.0, -1.2, 0.0, 1.2, 3.0])
def test_medians_of_errors_in_usual_ones_are_close_on_both_sides_of_zero(bias: float) -> None:
    errors = np.random.default_rng(0).normal(bias, 1.5, 20_001)
    assert median_of(counted(errors)) == pytest.approx(np.median(errors), abs=0.1)
    assert median_absolute_of(counted(errors)) == pytest.approx(np.median(np.abs(errors)), abs=0.1)


def test_no_outcomes_have_no_median() -> None:
    nothing = np.zeros(BINS, np.int64)
    assert median_of(nothing) is None
    assert median_absolute_of(nothing) is None


@pytest.mark.parametrize("error", [-0.999, -0.5, 0.0, 0.5, 98.0, 500.0])
def test_one_outcome_has_a_median_within_its_bin(error: float) -> None:
    found = median_of(counted(np.array([error])))
    assert found is not None
    assert EDGES[0] <= found <= EDGES[-1]
    if EDGES[0] <= error < EDGES[-1]:
        assert error_bins(np.array([found]))[0] == error_bins(np.array([error]))[0]


def test_relative_errors_are_those_of_training() -> None:
    errors = ErrorScale().errors(np.array([90.0, 100.0, 120.0]), np.array([100.0, 100.0, 100.0]), NO_DRAWS)
    assert errors == pytest.approx([-0.1, 0.0, 0.2])


def test_errors_in_usual_errors_take_any_target() -> None:
    scale = ErrorScale("typical", unit=10.0)
    assert scale.errors(np.array([-5.0, 0.0, 20.0]), np.array([5.0, 0.0, -10.0]), NO_DRAWS).tolist() == [-1.0, 0.0, 3.0]


@pytest.mark.parametrize("probabilities", [(0.05, 0.05), (0.01, 0.99), (0.3, 0.7)])
def test_true_probabilities_have_even_quantiles_and_low_ones_are_seen(probabilities: tuple[float, float]) -> None:
    draw = np.random.default_rng(0)
    predicted = draw.uniform(*probabilities, 40_000)
    actual = (draw.random(40_000) < predicted).astype(float)
    scale, draws = ErrorScale("quantile"), draw.random(40_000)
    even = np.histogram(scale.errors(predicted, actual, draws), 10, (-1, 1))[0] / 40_000
    assert np.abs(even - 0.1).max() < 0.01
    assert np.median(scale.errors(predicted / 2, actual, draws)) < -0.01


@pytest.mark.parametrize(
    ("scale", "predicted", "actual", "absurd"),
    [
        (ErrorScale(), 100.0, 100.0, False),
        (ErrorScale(), 100.0, 10_000.0, False),
        (ErrorScale(), 100.0, 1.0, False),
        (ErrorScale(), 100.0, 10_001.0, True),
        (ErrorScale(), 100.0, 0.99, True),
        (ErrorScale(), 100.0, 0.0, True),
        (ErrorScale(), 100.0, -100.0, True),
        (ErrorScale(), 100.0, 5e-324, True),
        (ErrorScale(), -100.0, 100.0, True),
        (ErrorScale(), math.nan, 100.0, True),
        (ErrorScale(), math.inf, 100.0, True),
        (ErrorScale("typical", 2.0), 0.0, -20_000.0, False),
        (ErrorScale("typical", 2.0), 0.0, 20_001.0, True),
        (ErrorScale("typical", 2.0), 1e308, -1e308, True),
        (ErrorScale("quantile"), 0.5, 1.0, False),
        (ErrorScale("quantile"), 0.5, 0.5, True),
        (ErrorScale("quantile"), 0.5, -1.0, True),
    ],
)
def test_what_cannot_be_is_absurd(scale: ErrorScale, predicted: float, actual: float, absurd: bool) -> None:
    assert (scale.absurd(predicted, actual) is not None) == absurd
