"""Validated rows to the float matrix that every pipeline starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        columns = rows.columns()
        self._names = [column.name for column in columns]
        # numpy turns numbers, flags and None into floats by itself, and faster
        self._coded = [(i, column.encode) for i, column in enumerate(columns) if column.kind in ("category", "date")]

    def matrix(self, rows: Sequence[Features]) -> Matrix:
        """A float matrix of shape (n_rows, n_features). Equal rows have equal bytes: the canonical form of a row."""
        encoded = np.array([self._raw(row) for row in rows], dtype=np.float64)
        # + 0.0 turns -0.0 into 0.0, so that equal rows have equal bytes
        return encoded.reshape(len(rows), len(self._names)) + 0.0

    def _raw(self, row: Features) -> list[Any]:
        fields = row.__dict__
        values = [fields[name] for name in self._names]
        for i, encode in self._coded:
            values[i] = encode(values[i])
        return values
