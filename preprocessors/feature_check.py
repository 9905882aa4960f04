"""Checks the model's inputs, computed features included, against the ranges that training saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from pydantic import BaseModel, ConfigDict

from preprocessors.encoding import Matrix
from schemas.features import NEVER_SEEN, Features

_FIRST_DAY, _LAST_DAY = date(1000, 1, 1).toordinal(), date.max.toordinal()


class TrainingRanges(BaseModel):
    """Lowest and highest value of each model input over the training rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    names: list[str]
    low: list[float]
    high: list[float]

    @classmethod
    def of(cls, names: list[str], inputs: Matrix) -> TrainingRanges:
        """Measure the ranges of a matrix of shape (n_rows, len(names)); NaN is left out.

        A column without any value has the range inf to -inf: whatever comes is outside.
        """
        low, high = np.nanmin(inputs, axis=0, initial=np.inf), np.nanmax(inputs, axis=0, initial=-np.inf)
        return cls(names=names, low=low.tolist(), high=high.tolist())


@dataclass(frozen=True)
class Strange:
    """One model input of one row that training has not seen like this."""

    row: int
    code: str
    feature: str
    message: str


class FeatureCheck:
    """Finds inputs outside their training range and categories that were never seen.

    Args:
        rows: the model's feature class, for the names of its categories.
        ranges: the ranges that the bundle carries.
    """

    def __init__(self, rows: type[Features], ranges: TrainingRanges) -> None:
        self._ranges = ranges
        # float32 is what the trees see: a bound must not be crossed by rounding alone
        self._low = np.asarray(ranges.low, dtype=np.float32)
        self._high = np.asarray(ranges.high, dtype=np.float32)
        self._categories = [(i, c.name) for i, c in enumerate(rows.columns()) if c.kind == "category"]
        dates = {column.name for column in rows.columns() if column.kind == "date"}
        self._messages = [  # what is strange about a column is the same for every row
            f"{name} is outside its training range, {_told(low, name in dates)} to {_told(high, name in dates)}"
            for name, low, high in zip(ranges.names, ranges.low, ranges.high, strict=True)
        ]
        names = {name for _, name in self._categories}
        self._low[[name in names for name in ranges.names]] = NEVER_SEEN  # a level never seen has its own finding

    def find(self, raw: Matrix, inputs: Matrix) -> list[Strange]:
        """Every strange input of the rows, empty for most batches.

        Args:
            raw: encoded rows, shape (n_rows, n_features).
            inputs: the pipeline's output for them, shape (n_rows, n_inputs).
        """
        seen = inputs.astype(np.float32, copy=False)
        found, below, above = list[Strange](), seen < self._low, seen > self._high
        if below.any() or above.any():
            found = [self._outside(int(row), int(column)) for row, column in np.argwhere(below | above)]
        for column, name in self._categories:
            for row in np.flatnonzero(raw[:, column] == NEVER_SEEN):
                message = f"{name} has a value that training has never seen"
                found.append(Strange(int(row), "never_seen_category", name, message))
        return found

    def _outside(self, row: int, column: int) -> Strange:
        return Strange(row, "outside_training_range", self._ranges.names[column], self._messages[column])


def _told(bound: float, is_date: bool) -> str:
    """A bound as clients write such values; of a date a pipeline may have made another number."""
    if is_date and _FIRST_DAY <= bound <= _LAST_DAY:
        return date.fromordinal(int(bound)).isoformat()
    return f"{bound:.6g}"
