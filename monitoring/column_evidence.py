"""The evidence of a column: from all of its bins, and from what is absent by itself.

A column whose values moved within the reference may move again as far unnoticed. Values that go missing, or were never
seen, are another thing: if they did not move within the reference, that they do now is news. So each column has two
e-values, and their weighted mean is its own: an e-value wherever both the values and the absent ones have moved no
farther than each may.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitoring.dispersion import normal_scores
from monitoring.evidence import Evidence, Reference
from monitoring.profile import ColumnProfile

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_ABSENCE_WEIGHT = 0.2


class ColumnEvidence:
    """Computes the e-values of the columns of a profile. Part i is column i, part columns + i is its absence.

    Args:
        columns: of the profile.
        ignore_below: share of a column's rows that may move unnoticed.
    """

    def __init__(self, columns: Sequence[ColumnProfile], ignore_below: float) -> None:
        self._size = len(columns)
        whole = [Reference.of(column, ignore_below) for column in columns]
        absence = [Reference.of_absence(column, ignore_below) for column in columns]
        self.references = [*whole, *absence]
        self._absent = [column.absent for column in columns]
        self._whole, self._absence = Evidence(whole), Evidence(absence)
        self._sums = _sums(columns)
        nothing = [np.full(column.absent + 1, np.nan) for column in columns]
        self.scores = [*(normal_scores(column) for column in columns), *nothing]
        self._sizes = np.array([len(part) for part in self.scores])

    def of(self, counts: Counts, factors: Vector) -> Vector:
        """Natural logarithm of the e-values, shape (columns, runs).

        Args:
            counts: flat, shape (runs, bins).
            factors: how many rows of each part count as one (dispersion.py), shape (2 * columns,).
        """
        few = self.parts(counts) / np.repeat(factors, self._sizes)
        whole, absence = self._whole.of(few[:, : counts.shape[1]]), self._absence.of(few[:, counts.shape[1] :])
        mean: Vector = np.logaddexp(whole + np.log(1 - _ABSENCE_WEIGHT), absence + np.log(_ABSENCE_WEIGHT))
        return mean

    def clearest_part(self, column: int, counts: Counts, factors: Vector) -> int:
        """Which of the two parts of a column speaks more clearly, by its counts of shape (k,) and all factors."""
        parts = (column, self._size + column)
        alone = [self.alone(part, self.of_part(part, counts) / factors[part]) for part in parts]
        return parts[int(alone[1] > alone[0])]

    def alone(self, part: int, counts: Counts | Vector) -> float:
        """Natural logarithm of the e-value of one part, by its counts of shape (k,)."""
        return float(Evidence([self.references[part]]).of(counts[None])[0, 0])

    def parts(self, counts: Counts) -> Counts:
        """Counts of all parts, flat, part after part, from flat counts of shape (..., bins)."""
        return np.concatenate([counts, counts @ self._sums], axis=-1)

    def of_part(self, part: int, counts: Counts) -> Counts:
        """The counts of a part, from those of its column, shape (k,)."""
        if part < self._size:
            return counts
        absent = self._absent[part - self._size]
        return np.append(counts[:-absent].sum(), counts[-absent:])

    def drifted(self, part: int, counts: Counts) -> Vector:
        """The shares that drifted rows have by the counts of a part; see `Evidence.drifted`."""
        if part < self._size:
            return self._whole.drifted(part, counts)
        return self._absence.drifted(part - self._size, counts)


def _sums(columns: Sequence[ColumnProfile]) -> Counts:
    """From flat counts to those of all absences: how many are there, and each absent bin. Shape (bins, absences)."""
    bins, start, place = sum(len(column.labels) for column in columns), 0, 0
    sums = np.zeros((bins, sum(column.absent + 1 for column in columns)), np.int64)
    for column in columns:
        present = len(column.labels) - column.absent
        sums[start : start + present, place] = 1
        for i in range(column.absent):
            sums[start + present + i, place + 1 + i] = 1
        start, place = start + len(column.labels), place + 1 + column.absent
    return sums
