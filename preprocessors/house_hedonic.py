"""A hedonic price index: what size, quality, area and time are worth on their own, as a penalised linear model.

Trees cannot extrapolate, and prices in Seattle rose by half in the years of the data. The index carries the trend
past the last sale, and the trees learn what is left. Source: Rosen, Hedonic prices and implicit markets (1974);
the trend is a linear spline with penalised changes of slope, as in Eilers and Marx, P-splines (1996).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator

from preprocessors.encoding import Matrix
from preprocessors.house_columns import (
    AGE,
    AREAS,
    BATHS,
    BEDS,
    EFFECTIVE_AGE,
    GRADE,
    LIVING,
    LOT,
    TYPE,
    WATERFRONT,
    YEAR,
    area_index,
    days,
)

PARTLY_KEPT = (2, 3, 7, 8, 9, 20)
"""Terms of `_structure` in living area and grade. The trees are monotone in living area on top of the offset, so the
offset keeps only a share of these terms: what the trees add cannot turn them round."""


class Hedonic(BaseEstimator):  # type: ignore[misc]
    """Robust ridge regression of log price on structure, area, season and trend.

    Args:
        knot_days: distance of the knots of the city's trend.
        penalty_trend, penalty_area, penalty_area_trend: ridge penalties on changes of the city's slope, on the
            level of an area, and on an area's or building type's own trend.
        kept: share of the terms PARTLY_KEPT in the offset.
        horizon_days: how far the trend is carried past the last sale; it stays level after that.
    """

    def __init__(
        self,
        knot_days: float = 91.3,
        penalty_trend: float = 30.0,
        penalty_area: float = 1.0,
        penalty_area_trend: float = 30.0,
        kept: float = 0.4,
        horizon_days: int = 365,
    ) -> None:
        self.knot_days = knot_days
        self.penalty_trend = penalty_trend
        self.penalty_area = penalty_area
        self.penalty_area_trend = penalty_area_trend
        self.kept = kept
        self.horizon_days = horizon_days

    def fit(self, X: Matrix, y: Matrix) -> Self:
        """Fit on complete encoded rows (n, n_features) and log prices (n,)."""
        day = days(X)
        start, end = day.min(), day.max() + 1
        self.knots_ = np.arange(end - self.knot_days, start + 30, -self.knot_days)[::-1] / YEAR
        self.years_ = np.arange(end / YEAR - 1, start / YEAR + 0.5, -1.0)[::-1]
        self.living_ = np.quantile(X[:, LIVING], [0.01, 0.99])
        self.lot_ = np.quantile(X[:, LOT], [0.01, 0.99])
        structure, trend, slow = self._structure(X), self._trend(day), self._slow(day)
        member = (area_index(X)[:, None] == np.arange(AREAS)).astype(np.float64)
        by_area = [member * step[:, None] for step in slow.T]
        design = np.hstack([structure, member, trend, *by_area, X[:, [TYPE]] * slow])
        penalties = np.concatenate(
            [
                [1e-6],
                np.full(structure.shape[1] - 1, 0.01),
                np.full(AREAS, self.penalty_area),
                [0.01],
                np.full(len(self.knots_), self.penalty_trend),
                np.ones(4),  # the season
                np.full((AREAS + 1) * slow.shape[1], self.penalty_area_trend),
            ]
        )
        weights = _robust_ridge(design, y, penalties)
        cuts = np.cumsum([structure.shape[1], AREAS, trend.shape[1], AREAS * slow.shape[1]])
        self.structure_, levels, city, area_trend, type_trend = np.split(weights, cuts)
        self.share_ = np.ones(len(self.structure_))
        self.share_[list(PARTLY_KEPT)] = self.kept
        # everything that depends on time becomes one table: type x area (the last for never seen) x day
        day = np.arange(0.0, end + self.horizon_days)
        slow = self._slow(day)
        area = levels[:, None] + area_trend.reshape(slow.shape[1], AREAS).T @ slow.T
        area = np.vstack([area, member.mean(axis=0) @ area]) + self._trend(day) @ city
        self.table_ = np.stack([area, area + slow @ type_trend])
        return self

    def index(self, X: Matrix) -> tuple[Matrix, Matrix]:
        """The full hedonic log price, and the part of it that the trees build on; both of shape (n,)."""
        day = np.minimum(np.maximum(days(X), 0), self.table_.shape[2] - 1).astype(np.intp)
        terms = self._structure(X) * self.structure_
        time = self.table_[X[:, TYPE].astype(np.intp), area_index(X), day]
        # no BLAS here: its sums depend on how many rows there are, and a row must not depend on its neighbours
        return terms.sum(axis=1) + time, (terms * self.share_).sum(axis=1) + time

    def _structure(self, X: Matrix) -> Matrix:
        living = np.log(np.minimum(np.maximum(X[:, LIVING], self.living_[0]), self.living_[1])) - 7.5
        lot = np.log(np.minimum(np.maximum(X[:, LOT], self.lot_[0]), self.lot_[1])) - 8.4
        grade, kind = X[:, GRADE] - 7.5, X[:, TYPE]
        age, effective = X[:, AGE], X[:, EFFECTIVE_AGE]
        terms = [np.ones(len(X)), kind, living, living * kind, lot, lot * kind, X[:, WATERFRONT]]
        terms += [grade, grade * grade, np.maximum(grade - 1.5, 0), X[:, BEDS] - 3, X[:, BATHS] - 2]
        terms += [age / 50, *(np.maximum(age - knot, 0) / 50 for knot in (20, 60, 90))]
        terms += [effective / 50, *(np.maximum(effective - knot, 0) / 50 for knot in (20, 60))]
        terms += [age <= 1, living * grade]
        return np.column_stack(terms)

    def _trend(self, day: Matrix) -> Matrix:
        year = day / YEAR
        season = 2 * np.pi * year
        waves = [np.sin(season), np.cos(season), np.sin(2 * season), np.cos(2 * season)]
        return np.column_stack([year, *(np.maximum(year - knot, 0) for knot in self.knots_), *waves])

    def _slow(self, day: Matrix) -> Matrix:
        year = day / YEAR
        return np.column_stack([year - 3.5, *(np.maximum(year - knot, 0) for knot in self.years_)])


def _robust_ridge(design: Matrix, y: Matrix, penalties: Matrix, passes: int = 3) -> Matrix:
    """Ridge regression, with less weight on rows that lie far off in the pass before."""
    solution = _weighted_ridge(design, y, penalties, np.ones_like(y))
    for _ in range(passes - 1):
        solution = _weighted_ridge(design, y, penalties, _huber_weights(y - design @ solution))
    return solution


def _weighted_ridge(design: Matrix, y: Matrix, penalties: Matrix, weights: Matrix) -> Matrix:
    weighted = design * weights[:, None]
    solution = np.linalg.solve(weighted.T @ design + np.diag(penalties), weighted.T @ y)
    return np.asarray(solution, dtype=np.float64)


def _huber_weights(residual: Matrix) -> Matrix:
    """Source: Huber, Robust estimation of a location parameter (1964); the bend is at two robust deviations."""
    deviation = 1.48 * np.median(np.abs(residual))
    weights: Matrix = 1 / np.maximum(1, np.abs(residual) / (2 * deviation))
    return weights
