"""Comparable sales: what the neighbourhood is like, and how far its prices lie from the hedonic index."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator

from preprocessors.encoding import Matrix
from preprocessors.house_columns import AGE, GRADE, LIVING, LOT, TYPE, YEAR, days, kilometres
from schemas.features import Mask

NAMES = [
    "near_price_level",
    "near_price_level_similar",
    "near_price_spread",
    "near_grade",
    "near_log_living_area",
    "near_year_built",
    "near_log_lot_area",
    "near_townhouse_share",
    "near_distance_10th_km",
]

_RESIDUAL, _GRADE, _BUILT, _TYPE, _SQUARED = 0, 1, 3, 5, 6
_SAME_PARCEL_KM2 = 1e-6
"""Squared distance under which a sale is of the house itself: its own price must not leak into its features."""


class Neighbours(BaseEstimator):  # type: ignore[misc]
    """Weighted means over the k nearest training sales.

    Args:
        k: how many.
        near_km, wide_km: distances at which a sale's weight has halved, for prices and for the rest.
    """

    def __init__(self, k: int = 34, near_km: float = 0.1, wide_km: float = 0.5) -> None:
        self.k, self.near_km, self.wide_km = k, near_km, wide_km

    def fit(self, X: Matrix, residual: Matrix) -> Self:
        """Remember complete encoded rows (n, n_features) and their log price over the index (n,)."""
        self.places_ = kilometres(X)
        built = days(X) / YEAR - X[:, AGE]
        about = [
            residual,
            X[:, GRADE],
            np.log(X[:, LIVING]),
            built,
            np.log(X[:, LOT]),
            X[:, TYPE],
            residual**2,
        ]
        self.about_ = np.column_stack(about)
        self._grow()
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Features of shape (n, len(NAMES))."""
        distance, nearest = self._tree.query(kilometres(X), k=self.k)
        about = self.about_[nearest]  # (n, k, 7)
        residual, squared = about[:, :, _RESIDUAL], distance * distance
        other_parcel = squared > _SAME_PARCEL_KM2
        near = other_parcel / (1 + squared / self.near_km**2)
        similar = near * self._similarity(X, about)
        wide = other_parcel / (1 + squared / self.wide_km**2)
        means = (wide[:, None, :] @ about)[:, 0] / wide.sum(axis=1)[:, None]
        return np.column_stack(
            [
                (near * residual).sum(axis=1) / (near.sum(axis=1) + 0.3),
                (similar * residual).sum(axis=1) / (similar.sum(axis=1) + 0.2),
                np.sqrt(np.maximum(means[:, _SQUARED] - means[:, _RESIDUAL] ** 2, 0)),
                means[:, 1:6],
                self._tenth(distance, other_parcel),
            ]
        )

    def _tenth(self, distance: Matrix, other_parcel: Mask) -> Matrix:
        """Distance to the 10th sale of another house: training rows find themselves too, new ones do not."""
        own = self.k - other_parcel.sum(axis=1)
        tenth: Matrix = distance[np.arange(len(distance)), np.minimum(own + 9, self.k - 1)]
        return tenth

    def _similarity(self, X: Matrix, about: Matrix) -> Matrix:
        grade = about[:, :, _GRADE] - X[:, GRADE, None]
        built = about[:, :, _BUILT] - (days(X) / YEAR - X[:, AGE])[:, None]
        same_type = np.where(about[:, :, _TYPE] == X[:, TYPE, None], 1.0, 0.2)
        similar: Matrix = np.exp(-0.5 * grade * grade - np.abs(built) / 30) * same_type
        return similar

    def _grow(self) -> None:
        self._tree = cKDTree(self.places_)

    def __getstate__(self) -> dict[str, Any]:
        """Without the tree: it is grown anew from the places, so that only arrays are stored."""
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_tree"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the arrays and grow the tree."""
        super().__setstate__(state)
        if "places_" in state:
            self._grow()
