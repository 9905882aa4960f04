"""Counts rows into the bins of a profile, many at a time: the same bins as ColumnProfile's, for a tenth of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from monitoring.profile import ColumnProfile, Counts, Profile, Values

Bins = npt.NDArray[np.intp]


class BinCounter:
    """Counts rows of one version.

    Args:
        profile: of the version's bundle: its features in the order of the encoded row, then the prediction.
    """

    def __init__(self, profile: Profile) -> None:
        sizes = [len(column.labels) for column in profile.columns]
        self.bins = sum(sizes)
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._finders = [_finder(column) for column in profile.columns]

    def count(self, matrix: Values, predictions: Values) -> Counts:
        """Rows by bin, shape (bins,), column after column.

        Args:
            matrix: encoded rows, shape (n, n_features).
            predictions: shape (n,).
        """
        columns = [*matrix.T, predictions]
        found = [start + find(column) for start, find, column in zip(self._starts, self._finders, columns, strict=True)]
        return np.bincount(np.concatenate(found), minlength=self.bins).astype(np.int64, copy=False)


def labels_of(profile: Profile) -> list[tuple[str, str]]:
    """Feature and label of every bin, in the order of the counts; no pair comes twice."""
    return [(column.name, label) for column in profile.columns for label in distinct(column.labels)]


def distinct(labels: Sequence[str]) -> list[str]:
    """The labels; one that comes again gets a number.

    A level may be called `other` or `missing`, and two bounds can be equal in six digits: as one series their bins
    would hide each other.
    """
    found: dict[str, None] = {}
    for label in labels:
        name, number = label, 1
        while name in found:
            number += 1
            name = f"{label} #{number}"
        found[name] = None
    return list(found)


def _finder(column: ColumnProfile) -> Callable[[Values], Bins]:
    if column.kind == "number":
        return partial(_number_bins, np.asarray(column.edges), len(column.labels) - 1)
    other = len(column.codes)
    table = np.full(int(max(column.codes, default=0)) + 2, other)  # by code; the last place is for all larger ones
    table[np.asarray(column.codes, np.intp)] = np.arange(other)
    return partial(_category_bins, table, other + 1)


def _number_bins(edges: Values, missing: int, values: Values) -> Bins:
    found = edges.searchsorted(values, side="right")
    found[np.isnan(values)] = missing
    return found


def _category_bins(table: Bins, never_seen: int, values: Values) -> Bins:
    absent = np.isnan(values)
    codes = np.where(absent, -1, values).astype(np.intp)
    found: Bins = table[np.minimum(codes, len(table) - 1)]
    found[codes < 0] = never_seen
    found[absent] = never_seen + 1
    return found
