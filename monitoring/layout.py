"""How the counts of all columns lie in one flat array: column after column."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitoring.profile import ColumnProfile

Counts = npt.NDArray[np.int64]


class BadIncrements(ValueError):
    """What is said to have been counted cannot be; the message names the column. Nothing of it was taken."""


class Layout:
    """The places of the columns.

    Args:
        columns: of the profile, in order.
    """

    def __init__(self, columns: Sequence[ColumnProfile]) -> None:
        self._columns = columns
        self._ends = np.cumsum([len(column.labels) for column in columns])
        self.bins = int(self._ends[-1])

    def of_column(self, counts: Counts, column: int) -> Counts:
        """The part of flat counts that is of one column."""
        end = int(self._ends[column])
        return counts[end - len(self._columns[column].labels) : end]

    def rows(self, counts: Counts) -> int:
        """Rows of flat counts. Workers count columns one after the other, so some may be a few rows ahead."""
        return int(np.add.reduceat(counts, np.append(0, self._ends[:-1])).max())

    def checked(self, increments: Counts | Sequence[Counts]) -> Counts:
        """New rows by bin as one flat array, from that or from an array for each column.

        Raises:
            BadIncrements: an array has another shape or type, or a negative number.
        """
        if isinstance(increments, np.ndarray):
            parts = np.split(increments, self._ends[:-1]) if increments.ndim == 1 else [increments]
        else:
            parts = [np.asarray(part) for part in increments]
        if len(parts) != len(self._columns):
            raise BadIncrements(f"increments must be of {len(self._columns)} columns, not of {len(parts)}")
        for column, part in zip(self._columns, parts, strict=True):
            _check(column, part)
        return np.concatenate(parts).astype(np.int64)

    def fingerprint(self) -> str:
        """SHA-256 over names, bins and counts of the columns; their movement may be measured anew."""
        parts = [(column.name, column.edges, column.labels, column.counts) for column in self._columns]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _check(column: ColumnProfile, part: Counts) -> None:
    if part.shape != (len(column.labels),) or not np.issubdtype(part.dtype, np.integer):
        raise BadIncrements(
            f"increments of {column.name!r} must be {len(column.labels)} integers, "
            f"not {part.dtype} of shape {part.shape}"
        )
    if (part < 0).any():
        raise BadIncrements(
            f"increments of {column.name!r} must be at least 0, not {int(part.min())}: counts never shrink"
        )
