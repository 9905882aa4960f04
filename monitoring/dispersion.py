"""How many rows of a column count as one: rows that come in runs of the same kind say less than independent ones.

A client's session or a batch of one region brings rows that are alike. Counts of such rows vary more from look to look
than those of independent rows, by the mean size of a run; so many rows hold the evidence of one. How much they vary is
measured from look to look, each compared only with the one before: a distribution that has moved, or moves slowly,
varies no more than one that stays, but for the pair of looks in which it moved, or two if it did within a look. So the
two pairs that differ most are set aside: one or two never tell runs from a change. Of numbers, whether their mean rank
varies is measured as well, and the larger factor counts: in a series in time, as of a sensor, high values follow high
ones, and it is shifts that look too sure.

Evidence is computed from counts divided by this factor. It is at least 1, so what is promised for independent rows
holds: a likelihood ratio raised to a power from 0 to 1 is at most 1 more than itself, whoever chooses the power.

Sources: Pearson's statistic of homogeneity over its degrees of freedom, as in quasi-likelihood (McCullagh, Nelder,
Generalized Linear Models, 1989, section 4.5); for counts of clustered rows Rao, Scott (1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.special import chdtri, ndtri

from monitoring.movement import reference_shares
from monitoring.profile import ColumnProfile

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

_WRONG = 3e-5
"""A factor that independent rows reach no less seldom than this is 1: they lose nothing."""

_NEIGHBOURS = 1.5
"""Two pairs of looks share one; the sum of their statistics varies as if there were so much fewer."""

_ASIDE = 2
"""Pairs that are set aside: those that a single change can make."""

_REMEMBERED = 256
"""Pairs of looks after which what was measured has lost about two thirds of its weight."""


class DispersionState(BaseModel):
    """What was measured, as JSON: the counts of the last two looks, and sums over pairs of looks, then what the pairs
    have that are set aside; each by column, of all bins, then of the mean rank."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    before: list[int]
    last: list[int]
    varied: list[list[list[float]]]
    freedom: list[list[list[float]]]


class Dispersion:
    """Measures how rows of each column hang together.

    Args:
        scores: for each column, of its bins; NaN where they have none (`normal_scores`).
    """

    def __init__(self, scores: Sequence[Vector]) -> None:
        self._sizes, columns = np.array([len(part) for part in scores]), len(scores)
        self._starts = np.cumsum(np.append(0, self._sizes[:-1]))
        self._before: Counts = np.zeros(int(self._sizes.sum()), np.int64)
        self._last = self._before
        flat = np.concatenate(scores)
        self._scored = np.isfinite(flat)
        self._ranks: Vector = np.where(self._scored, flat, 0.0)
        self._varied: Vector = np.zeros((1 + _ASIDE, 2, columns))
        self._freedom: Vector = np.zeros((1 + _ASIDE, 2, columns))

    @property
    def factors(self) -> Vector:
        """How many rows of each column count as one, at least 1; shape (columns,)."""
        freedom = np.maximum(self._freedom[0], 1e-9) / _NEIGHBOURS
        factors = self._varied[0] / _NEIGHBOURS / freedom
        sure = (self._freedom[0] > 0) & (factors > chdtri(freedom, _WRONG) / freedom)
        most: Vector = np.where(sure, np.maximum(factors, 1.0), 1.0).max(axis=0)
        return most

    def add(self, grown: Counts) -> None:
        """Take in the rows of a look, flat counts of shape (bins,).

        They bear on the factors from the next look on, so a change is judged by what was measured before it.
        """
        self._compare(self._before, self._last)
        self._before, self._last = self._last, grown

    def _compare(self, one: Counts, other: Counts) -> None:
        """Add statistics of whether two looks have the same shares and mean ranks, and their averages if they do.

        The averages, given the sums of both looks, are exact: the freedom times n / (n - 1).
        """
        pearson = self._homogeneity(one, other)
        of_ranks = self._difference(one * self._scored, other * self._scored)
        freedom = np.stack([pearson[1], of_ranks[1]])
        varied = np.where(freedom > 0, np.stack([pearson[0], of_ranks[0]]), 0.0)
        kept = 1 - (freedom > 0) / _REMEMBERED
        self._varied, self._freedom = self._set_aside(
            np.concatenate([kept * self._varied, varied[None]]), np.concatenate([kept * self._freedom, freedom[None]])
        )

    @staticmethod
    def _set_aside(varied: Vector, freedom: Vector) -> tuple[Vector, Vector]:
        """Of the pairs after the sums, shape (1 + _ASIDE + 1, 2, columns), add that to them which differs least."""
        order = np.argsort(varied[1:] - freedom[1:], axis=0)
        varied[1:], freedom[1:] = (np.take_along_axis(part[1:], order, axis=0) for part in (varied, freedom))
        for part in (varied, freedom):
            part[0] += part[1]
        return np.delete(varied, 1, axis=0), np.delete(freedom, 1, axis=0)

    def _homogeneity(self, one: Counts, other: Counts) -> tuple[Vector, Vector]:
        """Pearson's statistic and its average for each column; an average of 0 where there is nothing to compare."""
        both = one + other
        rows, some = self._rows(one, other)
        share = np.repeat(self._sums(other) / np.maximum(rows, 1), self._sizes)
        variance = np.maximum(both * share * (1 - share), 1e-300)
        statistic = self._sums(np.where(both > 0, (other - both * share) ** 2 / variance, 0.0))
        return statistic, some * np.maximum(self._sums(both > 0) - 1, 0) * rows / np.maximum(rows - 1, 1)

    def _difference(self, one: Counts, other: Counts) -> tuple[Vector, Vector]:
        """The same of the squared difference of mean ranks over its variance."""
        ranks, (rows, some) = self._ranks, self._rows(one, other)
        means = [self._sums(part * ranks) / np.maximum(self._sums(part), 1) for part in (one, other)]
        middle = self._sums((one + other) * ranks) / np.maximum(rows, 1)
        variance = self._sums((one + other) * ranks**2) / np.maximum(rows, 1) - middle**2
        some = some & (variance > 1e-9)
        per_row = variance * rows / np.maximum(self._sums(one) * self._sums(other), 1)
        statistic = (means[0] - means[1]) ** 2 / np.where(some, per_row, 1.0)
        return statistic, some * rows / np.maximum(rows - 1, 1)

    def _rows(self, one: Counts, other: Counts) -> tuple[Vector, npt.NDArray[np.bool_]]:
        """Rows of both for each column, and whether each has some."""
        of_one, of_other = self._sums(one), self._sums(other)
        return of_one + of_other, (of_one > 0) & (of_other > 0)

    def _sums(self, flat: npt.NDArray[Any]) -> Vector:
        return np.add.reduceat(flat.astype(np.float64), self._starts)

    def save(self) -> DispersionState:
        """All state."""
        return DispersionState(
            before=self._before.tolist(),
            last=self._last.tolist(),
            varied=self._varied.tolist(),
            freedom=self._freedom.tolist(),
        )

    def restore(self, state: DispersionState) -> None:
        """Go on from what was kept.

        Raises:
            ValueError: it does not fit the columns, or holds what cannot be.
        """
        before, last = np.array(state.before, np.int64), np.array(state.last, np.int64)
        varied, freedom = np.array(state.varied, np.float64), np.array(state.freedom, np.float64)
        shapes = [part.shape for part in (before, last, varied, freedom)]
        if shapes != [self._last.shape] * 2 + [self._varied.shape] * 2:
            raise ValueError("dispersion does not fit the bins")
        if min(part.min() for part in (before, last, varied, freedom)) < 0:
            raise ValueError("dispersion must be at least 0")
        self._before, self._last, self._varied, self._freedom = before, last, varied, freedom


def normal_scores(column: ColumnProfile) -> Vector:
    """The normal score of each bin's mean rank in training; NaN for bins without one, and of categories."""
    scores = np.full(len(column.labels), np.nan)
    if column.kind == "number":
        shares = reference_shares(np.array(column.counts[:-1], np.int64))
        scores[:-1] = ndtri(np.clip(np.cumsum(shares) - shares / 2, 0.001, 0.999))
    return scores
