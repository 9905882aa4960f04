"""The reference model's pipeline on encoded rows: scaled numbers and one-hot categories, without pandas.

The same mathematics as the ColumnTransformer of benchmarks/peers/train.py; `make bench` and a test compare them.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from preprocessors.encoding import Matrix
from schemas.house_prices import HouseFeatures

NUMBERS = [column.name for column in HouseFeatures.columns() if column.kind in ("number", "flag")]
"""What is scaled: ten columns."""

CATEGORIES = {column.name: column.levels for column in HouseFeatures.columns() if column.kind == "category"}
"""What is one-hot encoded, with its levels."""

_PLACE = {name: place for place, name in enumerate(HouseFeatures.names())}


class ReferencePipeline(BaseEstimator):  # type: ignore[misc]
    """Scales the numbers and one-hot encodes the categories. A level never seen gives zeros; the date is left out."""

    def fit(self, X: Matrix) -> Self:
        """Learn means and spreads from encoded rows (n, n_features); NaN is left out."""
        scaler = StandardScaler().fit(X[:, [_PLACE[name] for name in NUMBERS]])
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Model inputs of shape (n, len(get_feature_names_out())): the numbers, then the levels."""
        numbers = (X[:, [_PLACE[name] for name in NUMBERS]] - self.mean_) / self.scale_
        levels = [
            X[:, [_PLACE[name]]] == np.arange(len(levels), dtype=np.float64) for name, levels in CATEGORIES.items()
        ]
        return np.hstack([numbers, *levels])

    def get_feature_names_out(self) -> list[str]:
        """Names of the model inputs, in column order."""
        return [*NUMBERS, *(f"{name}={level}" for name, levels in CATEGORIES.items() for level in levels)]
