"""How wrong a prediction was, as one signed number on a scale that fits the target; and the fixed bins for it.

Three scales, chosen by the link on which the model was fitted:

- `relative` (log): predicted / actual - 1, the figure of training and gate. Targets are positive.
- `typical` (identity): (predicted - actual) / unit, where unit is the median absolute error on the test part of
  training: 1 is a usual error, whatever the target's unit, and targets may be zero or negative.
- `quantile` (logit, actual 0 or 1): 1 - 2u, where u is the randomised quantile residual, uniform when the
  probabilities are right: u is drawn from [0, 1 - p] when nothing happened, else from [1 - p, 1]. Its randomness comes
  from the prediction id, so it is the same on every replica. Positive means that the probability was too high.
  Source: Dunn, Smyth, Randomized quantile residuals (1996).

The bins are the same for all, finer near 0, alike on both sides of it, out to a factor of 100. Relative errors use
those above -1 only; usual errors go either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Scale = Literal["relative", "typical", "quantile"]
Link = Literal["identity", "log", "logit"]

SCALES: dict[Link, Scale] = {"log": "relative", "identity": "typical", "logit": "quantile"}

WORST_RATIO = 100.0
"""A relative error beyond this factor is a mistake of the sender: another unit, another row."""

WORST_UNITS = 10_000.0
"""The same in usual errors, for targets that have no ratio."""

_SIDE = 40
_FINEST = 0.03
_STEPS = (np.arange(_SIDE) + 0.5) / (_SIDE - 0.5)
_LOGS = _FINEST * np.sinh(_STEPS * math.asinh(math.log(WORST_RATIO) / _FINEST))
EDGES: Vector = np.concatenate([-np.expm1(_LOGS[::-1]), np.expm1(_LOGS)])
"""80 edges; bin i holds EDGES[i-1] <= error < EDGES[i]."""

BINS = len(EDGES) + 1


@dataclass(frozen=True)
class ErrorScale:
    """The scale of one version's errors.

    Args:
        kind: see above.
        unit: of `typical`, in the target's unit; 1 for the others.
    """

    kind: Scale = "relative"
    unit: float = 1.0

    def absurd(self, predicted: float, actual: float) -> str | None:
        """What makes this finite actual value impossible beside its prediction, for people; None: nothing."""
        if not math.isfinite(predicted):
            return "belongs to a prediction that was no number"
        if self.kind == "quantile":
            return None if actual in (0.0, 1.0) else "must be 0 or 1"
        if self.kind == "typical":
            far = not abs(predicted - actual) <= WORST_UNITS * self.unit
            return f"is more than {WORST_UNITS:,.0f} usual errors from what was predicted" if far else None
        if actual <= 0:
            return "must be above 0"
        apart = not 1 / WORST_RATIO <= predicted / actual <= WORST_RATIO
        return f"differs from what was predicted by a factor of more than {WORST_RATIO:g}" if apart else None

    def errors(self, predicted: Vector, actual: Vector, draws: Vector) -> Vector:
        """Signed errors, shape (n,).

        Args:
            predicted, actual: shape (n,), none absurd.
            draws: uniform on 0 to 1, shape (n,); only `quantile` looks at them.
        """
        if self.kind == "relative":
            return predicted / actual - 1.0
        if self.kind == "typical":
            return (predicted - actual) / self.unit
        free = 1.0 - predicted.clip(0.0, 1.0)
        return 1.0 - 2.0 * np.where(actual == 0.0, draws * free, free + draws * (1.0 - free))


def error_bins(errors: Vector) -> npt.NDArray[np.intp]:
    """The bin of each error, shape (n,), 0 to BINS - 1."""
    return np.searchsorted(EDGES, errors, side="right")


def bin_labels() -> list[str]:
    """A short name for each bin: its upper edge, in percent of the scale; the last is `inf`."""
    return [*(f"{100 * edge:.4g}" for edge in EDGES), "inf"]


def median_of(counts: npt.NDArray[np.int64]) -> float | None:
    """The signed median error from bin counts, shape (BINS,), interpolated within its bin; None without any."""
    total = int(counts.sum())
    if not total:
        return None
    return float(np.interp(total / 2, *_below(counts)))


def median_absolute_of(counts: npt.NDArray[np.int64]) -> float | None:
    """The median absolute error from bin counts, shape (BINS,), interpolated; None without any."""
    total = int(counts.sum())
    if not total:
        return None
    below, edges = _below(counts)
    sizes = np.unique(np.abs(edges))
    within = np.interp(sizes, edges, below) - np.interp(-sizes, edges, below)
    return float(np.interp(total / 2, within, sizes))


def _below(counts: npt.NDArray[np.int64]) -> tuple[Vector, Vector]:
    """How many errors are below each edge; the open ends are closed at their edge, where they can hold little."""
    below = np.cumsum(counts)[:-1].astype(np.float64)
    below[-1] += counts[-1]
    ends = np.concatenate([[EDGES[0]], EDGES])
    return np.concatenate([[0.0], below]), ends
