"""How good a model is on rows that it has not seen: the figures that the gate and the report use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitoring.outcome_errors import Link
from monitoring.outcome_reference import OutcomeReference, measure
from registry.bundle import Answers
from schemas.features import Mask, Vector

Figures = dict[str, float]

SMALLEST_SLICE = 20
"""A slice with fewer rows is left out: its figures would be noise."""


def figures(actual: Vector, predicted: Vector) -> Figures:
    """R2, MAE (the target's unit) and relative errors in percent; both arguments have shape (n,).

    Without R2 where the target does not vary: NaN is no JSON, and the manifest keeps these figures.
    `bias` is the signed median of predicted / actual - 1: negative when the model prices too low.
    """
    error = predicted - actual
    relative = 100.0 * error / actual
    spread = float(((actual - actual.mean()) ** 2).sum())
    return {
        "rows": float(len(actual)),
        **({"r2": 1.0 - float((error**2).sum()) / spread} if spread else {}),
        "mae": float(np.abs(error).mean()),
        "mape": float(np.abs(relative).mean()),
        "median_ape": float(np.median(np.abs(relative))),
        "bias": float(np.median(relative)),
        "within_10": float(100.0 * (np.abs(relative) <= 10.0).mean()),
    }


def interval_figures(actual: Vector, answers: Answers) -> Figures:
    """Coverage (a share) and median width relative to the prediction, in percent; empty without intervals."""
    if answers.low is None or answers.high is None:
        return {}
    inside = (actual >= answers.low) & (actual <= answers.high)
    width = 100.0 * (answers.high - answers.low) / answers.value
    return {"coverage": float(inside.mean()), "interval_width": float(np.median(width))}


def outcome_reference(link: Link, actual: Vector, answers: Answers) -> OutcomeReference:
    """What outcomes will be held against: errors on the test part, shape (n,), on the scale that fits the link."""
    return measure(link, actual, answers.value, _inside(actual, answers))


def _inside(actual: Vector, answers: Answers) -> Mask | None:
    if answers.low is None or answers.high is None:
        return None
    inside: Mask = (actual >= answers.low) & (actual <= answers.high)
    return inside


def slice_figures(
    actual: Vector, answers: Answers, slices: Mapping[str, Mapping[str, Mask]]
) -> dict[str, dict[str, Figures]]:
    """Figures for each named slice of each kind, e.g. {"area": {"19": ...}}."""
    found: dict[str, dict[str, Figures]] = {}
    for kind, masks in slices.items():
        found[kind] = {}
        for name, mask in masks.items():
            if mask.sum() < SMALLEST_SLICE:
                continue
            part = Answers(
                answers.value[mask],
                None if answers.low is None else answers.low[mask],
                None if answers.high is None else answers.high[mask],
            )
            found[kind][name] = {**figures(actual[mask], part.value), **interval_figures(actual[mask], part)}
    return found
