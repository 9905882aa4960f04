"""The fit of a recipe whose model is a scikit-learn estimator of your own, with conformal intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from sklearn.base import clone, is_classifier

from preprocessors.encoding import Matrix
from preprocessors.estimator import EstimatorPipeline
from registry.manifest import ScalePart
from schemas.features import Vector
from training.dataset import Dataset, Split, UnusableData
from training.intervals import SMALLEST_ERROR, conformal, fit_scale
from training.recipe import Fitted

FOLDS = 3

USUAL_ERROR = 10 * SMALLEST_ERROR
"""What errors are brought to, whatever the target's unit, so that SMALLEST_ERROR is small beside them."""


@dataclass(frozen=True)
class EstimatorFit:
    """A recipe's `fit` for any scikit-learn regressor. The recipe's target needs `offset=True`, and the same link.

    Args:
        model: an unfitted estimator or Pipeline; it gets the encoded matrix, in which missing values are NaN. Give it
            a `random_state`, and the same data gives the same version.
        log: whether to fit the logarithm of the target, which must then be positive (link "log").
        coverage: of the intervals.
    """

    model: Any
    log: bool = False
    coverage: float = 0.9

    def __call__(self, split: Split, progress: Callable[[str], None]) -> Fitted:
        """Fit on the fit part, calibrate the intervals, then fit on fit and calibration parts together.

        Raises:
            UnusableData: the model is a classifier: its labels are no numbers to be near, and have no intervals.
        """
        if is_classifier(self.model):
            raise UnusableData(
                f"{type(self.model).__name__} is a classifier, and EstimatorFit fits numbers only: take a regressor, "
                "or write a fit of your own with link='logit', as docs/bring-your-model.md says"
            )
        progress("on the fit part")
        known, calibration = split.fit, split.calibration
        early = self._fitted(known, known.raw, self._link(known.target))
        progress("how large errors are")
        scale = self._scale(known, early)
        inputs = early.transform(calibration.raw)
        interval = conformal(self._link(calibration.target), inputs, inputs[:, -1], scale, self.coverage)
        progress("on all known rows")
        raw, target = np.vstack([known.raw, calibration.raw]), np.concatenate([known.target, calibration.target])
        final = self._fitted(known, raw, self._link(target))
        parameters = {"model": _described(self.model), "log": self.log, "coverage": self.coverage}
        return Fitted(final, _no_trees(inputs.shape[1] - 1), interval, parameters)

    def _link(self, target: Vector) -> Vector:
        return np.log(target) if self.log else target

    def _fitted(self, data: Dataset, raw: Matrix, target: Vector) -> EstimatorPipeline:
        return EstimatorPipeline(clone(self.model), type(data.rows[0]).names()).fit(raw, target)

    def _scale(self, known: Dataset, early: EstimatorPipeline) -> ScalePart:
        """From cross-fitted errors, in folds by turns: no row is judged by a model that has seen it."""
        target, fold = self._link(known.target), np.arange(len(known)) % FOLDS
        center = np.empty(len(known))
        for number in range(FOLDS):
            out = fold == number
            center[out] = self._fitted(known, known.raw[~out], target[~out]).transform(known.raw[out])[:, -1]
        inputs, error = early.transform(known.raw), target - center
        unit = USUAL_ERROR / (float(np.median(np.abs(error))) or 1.0)  # the interval's reach makes up for it
        return fit_scale(inputs, center, error * unit, ignored=[inputs.shape[1] - 1])


def _no_trees(inputs: int) -> xgboost.Booster:
    """A booster whose one leaf adds nothing to where it starts."""
    nothing = xgboost.DMatrix(np.zeros((1, inputs)), label=np.zeros(1))
    return xgboost.train({"base_score": 0.0, "max_depth": 1, "nthread": 1}, nothing, 1)


def _described(model: Any) -> dict[str, Any]:
    """What the model was made with, as the manifest can keep it."""
    return {name: value if isinstance(value, int | float | str) else repr(value) for name, value in _all(model)}


def _all(model: Any) -> list[tuple[str, Any]]:
    return [("class", type(model).__name__), *sorted(model.get_params(deep=False).items())]
