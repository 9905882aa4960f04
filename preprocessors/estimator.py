"""Any scikit-learn model as a pipeline of ours: its prediction is the last input, and the trees add nothing to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from preprocessors.encoding import Matrix

MISSING_COUNT = "values_missing"
"""How many values of a row are missing: what is unknown makes a prediction less sure."""

OUTPUT = "estimator_output"
"""The model's prediction on the link scale, where the trees start (`offset=True` of the target)."""

TRUSTED_TYPES = frozenset({"preprocessors.estimator.EstimatorPipeline", "numpy.dtype"})
"""Add to it what `python -m training` says of your model, such as "sklearn.tree._tree.Tree" of a forest."""


class EstimatorPipeline(BaseEstimator):  # type: ignore[misc]
    """Predicts with `model`, and hands on the features beside the prediction, for feature check and intervals.

    Args:
        model: what has scikit-learn's `fit` and `predict`, a Pipeline for instance. It gets the encoded matrix: numbers
            as they are, a category as the number of its level (-1: never seen), what is missing as NaN.
        names: of the features, in the order of the matrix.
    """

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        self.model, self.names = model, names

    def fit(self, X: Matrix, y: Matrix) -> Self:
        """Fit the model on encoded rows (n, n_features) and targets on the link scale (n,)."""
        self.model.fit(X, y)
        known = ~np.isnan(X).all(axis=0)
        self.usual_ = np.zeros(X.shape[1])
        self.usual_[known] = np.nanmedian(X[:, known], axis=0)
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Filled features, how many were missing, and the prediction: shape (n, n_features + 2)."""
        missing = np.isnan(X)
        filled = np.where(missing, self.usual_, X)
        return np.column_stack([filled, missing.sum(axis=1), self.model.predict(X)])

    def get_feature_names_out(self) -> list[str]:
        """Names of the columns of `transform`."""
        return [*self.names, MISSING_COUNT, OUTPUT]
