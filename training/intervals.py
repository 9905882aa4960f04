"""Prediction intervals by split conformal prediction, scaled by how unsure the model is.

Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman: Distribution-free predictive inference for regression,
JASA 113 (2018), sections 2.2 (split conformal) and 5.2 (locally weighted).
"""

from __future__ import annotations

import math

import numpy as np

from preprocessors.encoding import Matrix
from registry.bundle import error_scale
from registry.manifest import IntervalPart, ScalePart
from schemas.features import Vector

SMALLEST_ERROR = 0.01
"""Added to absolute errors before the logarithm: a lucky hit says little about how unsure the model was."""


def fit_scale(inputs: Matrix, center: Vector, residual: Vector, ignored: list[int], penalty: float = 10.0) -> ScalePart:
    """Ridge regression of the log absolute error on the model's inputs and its prediction.

    Args:
        inputs: model inputs, shape (n, n_inputs).
        center, residual: predictions and errors of rows that the predictor did not see, link scale, shape (n,).
        ignored: columns by which the size of the error must not be told.
    """
    design = np.column_stack([inputs, center, center**2])
    mean, spread = design.mean(axis=0), design.std(axis=0) + 1e-9
    standard = (design - mean) / spread
    standard[:, ignored] = 0.0
    log_error = np.log(np.abs(residual) + SMALLEST_ERROR)
    level = log_error.mean()
    gram = standard.T @ standard + penalty * np.eye(standard.shape[1])
    weights = np.linalg.solve(gram, standard.T @ (log_error - level))
    fitted = level + standard @ weights
    raw = weights / spread
    raw[ignored] = 0.0
    return ScalePart(
        intercept=float(level - mean @ raw),
        weights=raw[:-2].tolist(),
        linear=float(raw[-2]),
        square=float(raw[-1]),
        low=float(fitted.min()),
        high=float(fitted.max()),
    )


def conformal(actual: Vector, inputs: Matrix, center: Vector, scale: ScalePart, coverage: float) -> IntervalPart:
    """Calibrate the interval on rows that neither the predictor nor the scale was fitted on.

    Args:
        actual, center: truth and prediction on the link scale, shape (n,).
        inputs: the model inputs of the same rows.
        coverage: probability with which the interval must hold a new row's truth, if rows are exchangeable.

    Raises:
        ValueError: too few rows for that coverage.
    """
    scores = np.sort(np.abs(actual - center) / error_scale(scale, inputs, center))
    rank = math.ceil((len(scores) + 1) * coverage)
    if rank > len(scores):
        raise ValueError(f"{len(scores)} calibration rows cannot support a coverage of {coverage:g}")
    return IntervalPart(coverage=coverage, reach=float(scores[rank - 1]), scale=scale)
