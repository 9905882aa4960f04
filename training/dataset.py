"""Raw records to validated, sorted rows; and the split by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from preprocessors.encoding import Matrix, RowEncoder
from schemas.features import Features, Vector


class UnusableData(Exception):
    """The data cannot be trained on; the message says why."""


@dataclass(frozen=True)
class Record:
    """One labelled example as the source gives it, in the words of the schema."""

    features: Mapping[str, Any]
    target: float
    day: date


@dataclass(frozen=True)
class Dataset:
    """Validated rows in order of time. All parts have the same length n."""

    rows: Sequence[Features]
    raw: Matrix
    target: Vector
    days: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.target)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Dataset:
        """The rows of a mask of shape (n,)."""
        rows = [row for row, wanted in zip(self.rows, chosen.tolist(), strict=True) if wanted]
        return Dataset(rows, self.raw[chosen], self.target[chosen], self.days[chosen])

    def before(self, day: date) -> Dataset:
        """The rows before a day."""
        return self.where(self.days < day.toordinal())

    def column(self, name: str) -> Vector:
        """One encoded feature of shape (n,)."""
        index = type(self.rows[0]).names().index(name)
        values: Vector = self.raw[:, index]
        return values

    @property
    def first(self) -> date:
        """The earliest day."""
        return date.fromordinal(int(self.days[0]))

    @property
    def last(self) -> date:
        """The latest day."""
        return date.fromordinal(int(self.days[-1]))


@dataclass(frozen=True)
class Split:
    """Fit, then calibration (early stopping and intervals), then the newest quarter as the untouched test."""

    fit: Dataset
    calibration: Dataset
    test: Dataset


def validate(schema: type[Features], records: Iterable[Record]) -> tuple[Dataset, Counter[str]]:
    """Validate, sort by day and encode.

    Returns:
        The rows that the schema takes, and how often each "field: rule" refused one.

    Raises:
        UnusableData: the schema refused every row.
    """
    kept: list[tuple[date, Features, float]] = []
    refused: Counter[str] = Counter()
    for record in records:
        try:
            kept.append((record.day, schema.from_row(record.features), record.target))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            refused[f"{'.'.join(map(str, first['loc'])) or 'row'}: {first['type']}"] += 1
    if not kept:
        raise UnusableData(f"the schema {schema.__name__} refused every row: {dict(refused)}")
    kept.sort(key=lambda item: item[0])  # stable: days with several rows keep the source's order
    rows = [features for _, features, _ in kept]
    days = np.array([day.toordinal() for day, _, _ in kept], dtype=np.int64)
    return Dataset(rows, RowEncoder(schema).matrix(rows), np.array([target for *_, target in kept]), days), refused


def split_by_time(data: Dataset, calibration_days: int, minimum: int = 200) -> Split:
    """Split at the start of the newest quarter, and `calibration_days` before it.

    The newest quarter is the last one in the data, whole or not, with at least `minimum` rows.

    Raises:
        UnusableData: a part would have fewer than `minimum` rows.
    """
    if not len(data):
        raise UnusableData("there are no rows to split: give more data")
    test_from = quarter_start(data.last)
    if _count(data.days >= test_from.toordinal()) < minimum:
        test_from = quarter_start(test_from - timedelta(days=1))
    calibrate_from = test_from - timedelta(days=calibration_days)
    after = data.days >= test_from.toordinal()
    before = data.days < calibrate_from.toordinal()
    split = Split(data.where(before), data.where(~before & ~after), data.where(after))
    for name in ("fit", "calibration", "test"):
        if len(getattr(split, name)) < minimum:
            raise UnusableData(
                f"the {name} part has {len(getattr(split, name))} rows, fewer than {minimum}: give more data"
            )
    return split


def quarter_start(day: date) -> date:
    """The first day of the quarter that holds a day."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _count(mask: npt.NDArray[np.bool_]) -> int:
    return int(mask.sum())
