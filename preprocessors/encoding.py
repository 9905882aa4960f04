"""Validated rows to the float matrix that every pipeline starts from, and the canonical form of a row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.features import Features

Matrix = npt.NDArray[np.float64]


class RowEncoder:
    """Encodes rows of one feature class. Columns are in the order of `Features.columns()`.

    Numbers stay as they are, flags become 0 or 1, dates their proleptic day number, categories their level's
    index or NEVER_SEEN; None becomes NaN.
    """

    def __init__(self, rows: type[Features]) -> None:
        self._columns = [(column.name, column.encode) for column in rows.columns()]

    def values(self, row: Features) -> list[float]:
        """One row as floats, shape (n_features,)."""
        return [encode(getattr(row, name)) for name, encode in self._columns]

    def matrix(self, rows: Sequence[Features]) -> Matrix:
        """Many rows as a float matrix of shape (n_rows, n_features)."""
        encoded = np.array([self.values(row) for row in rows], dtype=np.float64)
        return encoded.reshape(len(rows), len(self._columns))


def canonical(values: Sequence[float]) -> bytes:
    """The bytes by which equal rows are equal: for cache keys and for routing without a key."""
    return array("d", values).tobytes()
