"""Quantiles and courses in time of numbers that come one after the other, in bounded memory.

A sketch counts in bins whose width grows with the size of the numbers, so that a quantile is right to one per cent.
Source: Masson, Rim, Lee, DDSketch (2019), without its collapsing of bins: numbers are between 1e-9 and 1e300.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

GAMMA = 1.02
SMALLEST = 1e-9
_LOG, _START = math.log(GAMMA), math.log(SMALLEST)

WIDTHS = tuple(
    float(seconds)
    for seconds in (1, 10, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400)
)
"""Steps of time, each a multiple of an earlier one; beyond the last they double."""

Numbers = npt.NDArray[np.float64]


class Sketch:
    """Weighted counts by size."""

    def __init__(self) -> None:
        self.bins: Counter[int] = Counter()
        self.total = 0.0

    def add(self, values: Numbers, weights: Numbers) -> None:
        """Count values of shape (n,), none of them NaN, with a weight each."""
        size = np.abs(values).clip(max=1e300)
        place = np.where(size > SMALLEST, np.ceil((np.log(np.maximum(size, SMALLEST)) - _START) / _LOG), 0)
        bins, inverse = np.unique(np.copysign(place, values).astype(np.int64), return_inverse=True)
        for bin_, weight in zip(bins.tolist(), np.bincount(inverse, weights).tolist(), strict=True):
            self.bins[bin_] += weight
        self.total += float(weights.sum())

    def merge(self, other: Sketch) -> None:
        """Count what another has counted."""
        self.bins.update(other.bins)
        self.total += other.total

    def quantile(self, share: float) -> float:
        """The value below which this share lies, to one per cent of itself; NaN of nothing."""
        left = share * self.total
        for bin_ in sorted(self.bins):
            left -= self.bins[bin_]
            if left <= 1e-9 * self.total:
                return _middle(bin_)
        return math.nan


def _middle(bin_: int) -> float:
    if not bin_:
        return 0.0
    return math.copysign(math.exp(_START + abs(bin_) * _LOG) * 2 / (1 + GAMMA), bin_)


class Cell:
    """What happened in one step of time: sums by name, and sketches by name."""

    def __init__(self) -> None:
        self.sums: defaultdict[Any, float] = defaultdict(float)
        self.sketches: defaultdict[str, Sketch] = defaultdict(Sketch)

    def merge(self, other: Cell) -> None:
        """Add what another step has."""
        for name, value in other.sums.items():
            self.sums[name] += value
        for name, sketch in other.sketches.items():
            self.sketches[name].merge(sketch)


class Timeline:
    """Steps of time that grow wider as the time that they cover grows. Rows may come in any order.

    Args:
        most: most steps that are kept.
    """

    def __init__(self, most: int = 400) -> None:
        self.width, self._most = WIDTHS[0], most
        self._cells: dict[int, Cell] = {}

    def split(self, times: Numbers) -> Iterator[tuple[Cell, npt.NDArray[np.intp]]]:
        """The cells of these Unix times, shape (n,), each with the places of its rows."""
        while len(set((times // self.width).tolist()) | self._cells.keys()) > self._most:
            self.widen()
        steps, inverse = np.unique((times // self.width).astype(np.int64), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        ends = np.cumsum(np.bincount(inverse))[:-1]
        for step, rows in zip(steps.tolist(), np.split(order, ends), strict=True):
            yield self._cells.setdefault(step, Cell()), rows

    def widen(self) -> None:
        """Take the next wider step."""
        before = self.width
        self.width = next((width for width in WIDTHS if width > before), 2 * before)
        cells, self._cells = self._cells, {}
        for step, cell in cells.items():
            self._cells.setdefault(int(step * before // self.width), Cell()).merge(cell)

    def cells(self, most: int) -> list[tuple[float, Cell]]:
        """Start of each step and what is in it, in order of time; first widened to at most so many."""
        while len(self._cells) > most:
            self.widen()
        return [(step * self.width, self._cells[step]) for step in sorted(self._cells)]
