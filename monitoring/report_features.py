"""The distribution of each feature in a log beside its reference, in the reference's own bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from monitoring.log_lines import HASH_BYTES, UNSEEN
from monitoring.log_reader import Numbers
from monitoring.profile import ColumnProfile, Profile, profile_category, profile_number

LEAST_SHARE = 0.02
STANDARD_ERRORS = 4.0
"""A bin has moved when its share differs by more than both: neither noise nor trifles."""

MOST_LEVELS = 200

PREDICTION = "prediction"


class Bin(NamedTuple):
    """A bin of a feature: its shares of the rows, and whether they differ by more than chance and trifles."""

    label: str
    reference: float
    live: float
    moved: bool


class FeatureCounts:
    """Counts one feature of the log. Rows are weighted as the log is sampled."""

    def __init__(self, column: ColumnProfile) -> None:
        self.column = column
        self.counts = np.zeros(len(column.labels))
        self.squares = self.rows = 0.0
        self.unreadable = 0  # rows with a value that is none, such as a hash
        self._are_dates = False
        self._places = {label: place for place, label in enumerate(column.labels[:-3])} | {
            UNSEEN: len(column.labels) - 2
        }

    def add(self, values: Sequence[Any], weights: Numbers) -> None:
        """Count values as they are in the log, n of them, with a weight each."""
        present = [place for place, value in enumerate(values) if value is not ...]
        bins = self._bins([values[place] for place in present])
        readable = bins >= 0
        self.unreadable += int((~readable).sum())
        mine = weights[present][readable]
        self.counts += np.bincount(bins[readable], mine, len(self.counts))
        self.rows += float(mine.sum())
        self.squares += float((mine**2).sum())

    def bins(self) -> list[Bin]:
        """The bins with their shares; none without rows on either side."""
        reference = np.asarray(self.column.counts, np.float64)
        total = reference.sum()
        if not self.rows or not total:
            return []
        live, expected = self.counts / self.rows, reference / total
        independent = self.rows**2 / self.squares  # rows of equal weight that would be as sure (Kish)
        pooled = (reference + independent * live) / (total + independent)
        noise = STANDARD_ERRORS * np.sqrt(pooled * (1 - pooled) * (1 / total + 1 / independent))
        moved = np.abs(live - expected) > np.maximum(noise, LEAST_SHARE)
        shown = zip(self._labels(), expected.tolist(), live.tolist(), moved.tolist(), strict=True)
        return [Bin(*bin_) for bin_ in shown if bin_[1] or bin_[2]]

    def _bins(self, values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The bin of each value; -1 for what is no value."""
        if self.column.kind == "category":
            return np.fromiter(map(self._level, values), np.int64, len(values))
        numbers = self._as_numbers(values)
        return np.where(np.isinf(numbers), -1, self.column.bins(numbers)).astype(np.int64)

    def _level(self, value: Any) -> int:
        if value is None:
            return len(self.column.labels) - 1
        if not isinstance(value, str) or _is_hash(value):
            return -1
        return self._places.get(value, len(self.column.labels) - 3)

    def _as_numbers(self, values: Sequence[Any]) -> Numbers:
        """Missing is NaN; what is no value is infinite, as no JSON number is."""
        if not any(isinstance(value, str | list | dict) for value in values):
            try:
                return np.array(values, np.float64)
            except (OverflowError, TypeError, ValueError):
                pass
        return np.array([self._as_number(value) for value in values], np.float64)

    def _as_number(self, value: Any) -> float:
        if value is None:
            return math.nan
        try:
            if not isinstance(value, str):
                return float(value)
            day = float(date.fromisoformat(value).toordinal())
            self._are_dates = True
            return day
        except (TypeError, ValueError, OverflowError):
            return math.inf

    def _labels(self) -> list[str]:
        if self.column.kind == "category":
            return [*self.column.labels[:-3], "other levels", "never seen in training", "missing"]
        edges = self.column.edges
        if not edges:
            return ["all values", "missing"]
        text = [_edge(edge, self._are_dates) for edge in edges]
        inner = [
            text[place] if _is_one(low, high) else f"{text[place]} to {text[place + 1]}"
            for place, (low, high) in enumerate(pairwise(edges))
        ]
        last = f"above {text[-2]}" if len(edges) > 1 and _is_one(edges[-2], edges[-1]) else f"from {text[-1]}"
        return [f"below {text[0]}", *inner, last, "missing"]


class LogFeatures:
    """All features of a log and the prediction, counted beside a profile.

    Args:
        profile: the reference.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.columns = [FeatureCounts(column) for column in profile.columns]

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count some rows of the log."""
        weights = np.array([row["weight"] for row in rows], np.float64)
        for counts in self.columns:
            counts.add(values_of(rows, counts.column.name), weights)


def values_of(rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """A column of the log: a feature, or the prediction; `...` where a row does not have it."""
    if name == PREDICTION:
        return [row.get(PREDICTION) for row in rows]
    return [row["features"].get(name, ...) for row in rows]


def profile_of(rows: Sequence[dict[str, Any]]) -> Profile:
    """A profile of rows of a log, for a log whose own beginning is the reference."""
    names = list(dict.fromkeys(name for row in rows for name in row["features"]))
    columns = [_profiled(name, [None if value is ... else value for value in values_of(rows, name)]) for name in names]
    return Profile(rows=len(rows), columns=[*columns, _profiled(PREDICTION, values_of(rows, PREDICTION))])


def _profiled(name: str, values: list[Any]) -> ColumnProfile:
    counts = FeatureCounts(ColumnProfile(name=name, kind="number", labels=["", "missing"], counts=[0, 0]))
    numbers = counts._as_numbers(values)
    texts = [value if isinstance(value, str) else None for value in values]
    if not np.isinf(numbers).any() or not any(texts):
        return profile_number(name, np.where(np.isinf(numbers), np.nan, numbers))
    levels = sorted({text for text in texts if text is not None and text != UNSEEN})[:MOST_LEVELS]
    codes: dict[str | None, float] = {level: float(code) for code, level in enumerate(levels)}
    codes |= {None: math.nan, UNSEEN: -1.0}
    return profile_category(name, np.array([codes.get(text, -1.0) for text in texts]), levels)


def _is_hash(text: str) -> bool:
    return len(text) == 2 * HASH_BYTES and not set(text) - set("0123456789abcdef")


def _is_one(low: float, high: float) -> bool:
    """Whether a bin holds a single number, one that many rows share."""
    return high <= math.nextafter(low, math.inf)


def _edge(edge: float, is_date: bool) -> str:
    if is_date and 1 <= edge <= date.max.toordinal():
        return date.fromordinal(math.floor(edge)).isoformat()
    if abs(edge) < 1e-300:  # the number after 0
        return "0"
    return f"{edge:,.0f}" if abs(edge) >= 10_000 else f"{edge:,.6g}"
