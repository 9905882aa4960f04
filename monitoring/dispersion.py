"""How many rows of a column count as one: rows that come in runs of the same kind say less than independent ones.

A client's session or a batch of one region brings rows that are alike. Counts of such rows vary more from look to look
than those of independent rows, by the mean size of a run; so many rows hold the evidence of one. How much they vary is
measured from look to look, each compared only with the one before: a distribution that has moved, or moves slowly,
varies no more than one that stays.

Evidence is computed from counts divided by this factor. It is at least 1, so what is promised for independent rows
holds: a likelihood ratio raised to a power from 0 to 1 is at most 1 more than itself, whoever chooses the power.

Sources: Pearson's statistic of homogeneity over its degrees of freedom, as in quasi-likelihood (McCullagh, Nelder,
Generalized Linear Models, 1989, section 4.5); for counts of clustered rows Rao, Scott (1981).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from monitoring.profile import ColumnProfile

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

_SURE = 4.0
"""Below so many standard errors above 1, a factor is 1: independent rows lose nothing."""

_NEIGHBOURS = 1.5
"""Two pairs of looks share one; their statistics, which hang together, vary so much more in sum."""

_REMEMBERED = 256
"""Pairs of looks after which what was measured has lost about two thirds of its weight."""


class DispersionState(BaseModel):
    """What was measured, as JSON: the counts of the last two looks, and for each column sums over pairs of looks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    before: list[int]
    last: list[int]
    varied: list[float]
    freedom: list[float]


class Dispersion:
    """Measures how rows of each column of a profile hang together.

    Args:
        columns: of the profile.
    """

    def __init__(self, columns: Sequence[ColumnProfile]) -> None:
        self._sizes = np.array([len(column.labels) for column in columns])
        self._starts = np.cumsum(np.append(0, self._sizes[:-1]))
        self._before: Counts = np.zeros(int(self._sizes.sum()), np.int64)
        self._last = self._before
        self._varied: Vector = np.zeros(len(columns))
        self._freedom: Vector = np.zeros(len(columns))

    @property
    def factors(self) -> Vector:
        """How many rows of each column count as one, at least 1; shape (columns,)."""
        freedom = np.maximum(self._freedom, 1e-300)
        factors = self._varied / freedom
        return np.where(factors > 1 + _SURE * np.sqrt(2 * _NEIGHBOURS / freedom), factors, 1.0)

    def by_bin(self) -> Vector:
        """The factor of each bin's column, flat, column after column; shape (bins,)."""
        return np.repeat(self.factors, self._sizes)

    def add(self, grown: Counts) -> None:
        """Take in the rows of a look, flat counts of shape (bins,).

        They bear on the factors from the next look on, so a change is judged by what was measured before it.
        """
        self._compare(self._before, self._last)
        self._before, self._last = self._last, grown

    def _compare(self, one: Counts, other: Counts) -> None:
        """Add Pearson's statistic of whether two looks have the same shares, and what it is on average if they do.

        That average, given the sums of both, is exact: the freedom times n / (n - 1).
        """
        both = one + other
        rows_of_one, rows_of_other = self._sums(one), self._sums(other)
        rows = rows_of_one + rows_of_other
        some = (rows_of_one > 0) & (rows_of_other > 0)
        share = np.repeat(rows_of_other / np.maximum(rows, 1), self._sizes)
        variance = np.maximum(both * share * (1 - share), 1e-300)
        statistic = self._sums(np.where(both > 0, (other - both * share) ** 2 / variance, 0.0))
        freedom = np.maximum(self._sums(both > 0) - 1, 0) * rows / np.maximum(rows - 1, 1)
        kept = 1 - some / _REMEMBERED
        self._varied = kept * self._varied + np.where(some, statistic, 0.0)
        self._freedom = kept * self._freedom + np.where(some, freedom, 0.0)

    def _sums(self, flat: npt.NDArray[np.generic]) -> Vector:
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
        bins, columns = len(self._last), len(self._sizes)
        lengths = [len(part) for part in (state.before, state.last, state.varied, state.freedom)]
        if lengths != [bins, bins, columns, columns]:
            raise ValueError("dispersion does not fit the bins")
        if min(*state.before, *state.last, *state.varied, *state.freedom) < 0:
            raise ValueError("dispersion must be at least 0")
        self._before, self._last = np.array(state.before, np.int64), np.array(state.last, np.int64)
        self._varied, self._freedom = np.array(state.varied), np.array(state.freedom)
