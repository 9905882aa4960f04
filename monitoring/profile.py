"""The reference profile: counts in fixed bins, made in training and carried by the bundle.

A numeric column has up to ten quantile bins, with a bin of its own for a value that many rows share, and one for
missing. A category has its levels, `other` for the rare ones, `never_seen` and `missing`. Counts add up across
workers, replicas and time, so live traffic is compared by counting into the same bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from monitoring.movement import movement_by_choice, movement_over_time

QUANTILE_BINS = 10
TOP_LEVELS = 20
HEAVY_SHARE = 1 / QUANTILE_BINS
"""A single value with at least this share of the rows is a bin of its own."""

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class ColumnProfile(BaseModel):
    """The reference counts of one column.

    Numbers: bin i holds edges[i-1] <= x < edges[i]; the last bin holds missing values.
    Categories: one bin for each code in `codes`, then other, never seen, missing.
    `movement` is the share of rows by which parts of the reference, cut by time, moved from the whole, or by which
    listed levels are rarer where they were not chosen, if that is more; `absent_movement` is movement over time where
    only missing and never seen are told from the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["number", "category"]
    edges: list[float] = []
    codes: list[float] = []
    labels: list[str]
    counts: list[int]
    movement: float = Field(default=0.0, ge=0, le=1)  # bundles from before it was measured have none
    absent_movement: float = Field(default=0.0, ge=0, le=1)

    @property
    def absent(self) -> int:
        """How many of the last bins hold no value that training knew: missing, and a category's never seen."""
        return 1 if self.kind == "number" else 2

    def count(self, values: Values) -> Counts:
        """Count values, shape (n,), into the bins."""
        return np.bincount(self.bins(values), minlength=len(self.labels))

    def bins(self, values: Values) -> npt.NDArray[np.intp]:
        """The bin of each value, shape (n,)."""
        if self.kind == "number":
            found = np.searchsorted(self.edges, values, side="right")
            return np.where(np.isnan(values), len(self.labels) - 1, found)
        codes = np.asarray(self.codes)
        order = np.argsort(codes)
        place = np.searchsorted(codes, values, sorter=order).clip(max=len(codes) - 1)
        known = codes[order[place]] == values
        other, never_seen, missing = len(codes), len(codes) + 1, len(codes) + 2
        unlisted = np.where(values < 0, never_seen, other)
        return np.where(np.isnan(values), missing, np.where(known, order[place], unlisted))


class Profile(BaseModel):
    """The reference profile of a version: every feature and the prediction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    columns: list[ColumnProfile]


def profile_number(name: str, values: Values) -> ColumnProfile:
    """Profile a numeric column of shape (n,), in order of time; NaN is missing."""
    present = values[~np.isnan(values)]
    distinct, counts = np.unique(present, return_counts=True)
    heavy = distinct[counts >= HEAVY_SHARE * max(len(present), 1)]
    shares = np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]
    quantiles = np.quantile(present, shares) if len(present) else present
    edges = np.unique(np.concatenate([quantiles, heavy, np.nextafter(heavy, np.inf)]))
    bounds = ["-inf", *(f"{edge:.6g}" for edge in edges), "inf"]
    labels = [f"{low} to {high}" for low, high in pairwise(bounds)]
    empty = ColumnProfile(
        name=name,
        kind="number",
        edges=edges.tolist(),
        labels=[*labels, "missing"],
        counts=[0] * (len(labels) + 1),
    )
    return _filled(empty, values)


def profile_category(name: str, values: Values, levels: Sequence[str]) -> ColumnProfile:
    """Profile a category of shape (n,), in order of time, given as codes into `levels`.

    Negative is never seen, NaN is missing.
    """
    counts = np.bincount(values[values >= 0].astype(np.int64), minlength=len(levels))
    top = [int(code) for code in np.argsort(-counts, kind="stable")[:TOP_LEVELS]]
    labels = [*(levels[code] for code in top), "other", "never_seen", "missing"]
    empty = ColumnProfile(
        name=name,
        kind="category",
        codes=[float(code) for code in top],
        labels=labels,
        counts=[0] * len(labels),
    )
    filled = _filled(empty, values)
    chosen = movement_by_choice(values[values >= 0].astype(np.int64), len(levels), TOP_LEVELS)
    return filled.model_copy(update={"movement": max(filled.movement, chosen * _known_share(values))})


def _known_share(values: Values) -> float:
    """Share of the rows that hold a level."""
    return float((values >= 0).mean()) if len(values) else 0.0


def _filled(column: ColumnProfile, values: Values) -> ColumnProfile:
    bins, size = column.bins(values), len(column.labels)
    counts = np.bincount(bins, minlength=size)
    absent = np.maximum(bins - (size - column.absent) + 1, 0)
    movements = {
        "movement": movement_over_time(bins, size),
        "absent_movement": movement_over_time(absent, column.absent + 1),
    }
    return column.model_copy(update={"counts": counts.tolist(), **movements})
