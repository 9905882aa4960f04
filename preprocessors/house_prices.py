"""EDIT ME for your model: from encoded rows to the model's inputs. This one prepares houses.

The same fitted object runs in training and in serving, on float matrices and without pandas.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator

from preprocessors import house_neighbours
from preprocessors.encoding import Matrix
from preprocessors.house_columns import (
    AGE,
    AREAS,
    BATHS,
    BEDS,
    DOWNTOWN,
    EFFECTIVE_AGE,
    LATITUDE,
    LIVING,
    LONGITUDE,
    LOT,
    TOWNHOUSE,
    TYPE,
    YEAR,
    area_index,
    days,
    kilometres,
)
from preprocessors.house_hedonic import Hedonic
from preprocessors.house_neighbours import Neighbours
from schemas.features import Mask
from schemas.house_prices import HouseFeatures

OPTIONAL = {
    "lot": [LOT],
    "bathrooms": [BATHS],
    "effective_age": [EFFECTIVE_AGE],
    "place": [LATITUDE, LONGITUDE],
}
"""Columns that may be missing, in the groups in which they go missing."""

COMPUTED = [
    "season_sin",
    "season_cos",
    "living_area_per_bedroom",
    "lot_ratio",
    "km_north_east",
    "km_north_west",
    "km_to_downtown",
    "year_built",
    "place_missing",
    "values_missing",
]

OFFSET = "hedonic_log_price"
"""The last model input: the scale on which the trees start (XGBoost's base margin)."""

TRUSTED_TYPES = frozenset(
    f"preprocessors.{where}"
    for where in (
        "house_prices.HousePipeline",
        "house_prices.FillMissing",
        "house_hedonic.Hedonic",
        "house_neighbours.Neighbours",
    )
)
"""Our classes that a house pipeline's file may hold."""


class FillMissing(BaseEstimator):  # type: ignore[misc]
    """Fills optional values with what is usual: the lot by area and building type, bathrooms by living area and
    building type, the effective age by the age, the place by the middle of the area."""

    def fit(self, X: Matrix) -> Self:
        """Learn the usual values from complete rows (n, n_features)."""
        area, kind, living = area_index(X), X[:, TYPE], X[:, LIVING]
        kinds = (0.0, TOWNHOUSE)
        self.living_edges_ = np.quantile(living, np.linspace(0, 1, 9)[1:-1])
        size = np.digitize(living, self.living_edges_)
        self.lot_ = np.array(
            [[_median(X[:, LOT], (area == a) & (kind == t), kind == t) for t in kinds] for a in range(AREAS + 1)]
        )
        self.bathrooms_ = np.array(
            [[_median(X[:, BATHS], (size == s) & (kind == t), size == s) for t in kinds] for s in range(8)]
        )
        everywhere = np.ones(len(X), dtype=np.bool_)
        self.place_ = np.array(
            [[_median(X[:, c], area == a, everywhere) for c in (LATITUDE, LONGITUDE)] for a in range(AREAS + 1)]
        )
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Complete rows; X itself when nothing is missing."""
        missing = np.isnan(X)
        if not missing.any():
            return X
        X = X.copy()
        area, kind = area_index(X), X[:, TYPE].astype(np.intp)
        usual = {
            LOT: self.lot_[area, kind],
            BATHS: self.bathrooms_[np.digitize(X[:, LIVING], self.living_edges_), kind],
            EFFECTIVE_AGE: X[:, AGE],
            LATITUDE: self.place_[area, 0],
            LONGITUDE: self.place_[area, 1],
        }
        for column, values in usual.items():
            X[:, column] = np.where(missing[:, column], values, X[:, column])
        return X


class HousePipeline(BaseEstimator):  # type: ignore[misc]
    """Fills, computes features, and adds neighbourhood and hedonic index.

    The model's inputs are the encoded features, COMPUTED, the neighbourhood, and OFFSET.
    """

    def fit(self, X: Matrix, y: Matrix) -> Self:
        """Fit on complete encoded rows (n, n_features) and log prices (n,), in order of time."""
        self.fill_ = FillMissing().fit(X)
        self.hedonic_ = Hedonic().fit(X, y)
        self.neighbours_ = Neighbours().fit(X, y - self.hedonic_.index(X)[0])
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Model inputs of shape (n, len(get_feature_names_out()))."""
        missing = np.isnan(X)
        X = self.fill_.transform(X)
        place, day = kilometres(X), days(X)
        season = 2 * np.pi / YEAR * day
        east, north = place[:, 0], place[:, 1]
        return np.column_stack(
            [
                X,
                np.sin(season),
                np.cos(season),
                X[:, LIVING] / np.maximum(X[:, BEDS], 1),
                X[:, LIVING] / X[:, LOT],
                east + north,
                east - north,
                np.hypot(east - DOWNTOWN[0], north - DOWNTOWN[1]),
                day / YEAR - X[:, AGE],
                missing[:, LATITUDE],
                missing[:, [LOT, BATHS, EFFECTIVE_AGE]].sum(axis=1),
                self.neighbours_.transform(X),
                self.hedonic_.index(X)[1],
            ]
        )

    def get_feature_names_out(self) -> list[str]:
        """Names of the model inputs, in column order."""
        return [*HouseFeatures.names(), *COMPUTED, *house_neighbours.NAMES, OFFSET]


def _median(values: Matrix, chosen: Mask, otherwise: Mask, enough: int = 5) -> float:
    """Median over the chosen rows, or over the wider choice when they are too few."""
    return float(np.median(values[chosen if chosen.sum() >= enough else otherwise]))
