"""What training measured on the test part, so that outcomes can be held against it. Part of a bundle's manifest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from monitoring.outcome_errors import SCALES, ErrorScale, Link

Vector = npt.NDArray[np.float64]


class OutcomeReference(BaseModel):
    """Errors on the test part. They are relative, or in usual errors, as monitoring/outcome_errors.py says.

    Args:
        rows: how many rows the figures are from.
        unit: what an error of 1 is in the target's unit, where errors are not relative; else 1.
        bias: signed median error; negative when predictions come out too low.
        median_error, large_error: absolute error that half and a quarter of the rows exceed.
        coverage: share of rows within their interval; None without intervals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=1)
    unit: float = Field(gt=0, allow_inf_nan=False)
    bias: float = Field(allow_inf_nan=False)
    median_error: float = Field(ge=0, allow_inf_nan=False)
    large_error: float = Field(ge=0, allow_inf_nan=False)
    coverage: float | None = Field(ge=0, le=1)


def measure(link: Link, actual: Vector, predicted: Vector, inside: npt.NDArray[np.bool_] | None) -> OutcomeReference:
    """The reference of a test part. The same rows give the same figures.

    Args:
        link: on which the model was fitted.
        actual, predicted: shape (n,), n at least 1, in the target's unit.
        inside: whether the interval held the actual value, shape (n,); None without intervals.
    """
    typical = float(np.median(np.abs(predicted - actual))) if link == "identity" else 1.0
    scale = ErrorScale(SCALES[link], typical or 1.0)  # a model without error keeps the target's own unit
    draws: Vector = np.mod(
        (np.arange(len(actual)) + 0.5) * 0.618_033_988_749_895, 1.0
    )  # even, and the same in every run
    errors = scale.errors(predicted, actual, draws)
    return OutcomeReference(
        rows=len(actual),
        unit=scale.unit,
        bias=float(np.median(errors)),
        median_error=float(np.median(np.abs(errors))),
        large_error=float(np.quantile(np.abs(errors), 0.75)),
        coverage=None if inside is None else float(inside.mean()),
    )


def error_scale(link: Link, reference: OutcomeReference | None) -> ErrorScale:
    """The scale of a version's errors; without a reference, an error of 1 is 1 in the target's unit."""
    return ErrorScale(SCALES[link], reference.unit if reference else 1.0)
