"""Ours and the usual ways to see drift, all looking every hundred rows at the same stream.

The usual ways compare a window of the last thousand rows with the reference: the population stability index of ten
quantile bins against .1 or .2, and Kolmogorov-Smirnov and chi-squared tests at 5 % with Bonferroni's correction over
the features, which is what alibi-detect does. Both leave out missing values, as the tools do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from scipy.special import chdtrc, kolmogorov

from benchmarks.drift.streams import CATEGORIES, Columns, Vector, profile
from monitoring.contract import Contract
from monitoring.drift import DriftMonitor

STEP = 100
WINDOW = 1000
LEVEL = 0.05
QUANTILES = 10
SMALLEST_SHARE = 1e-4
"""What PSI takes for the share of an empty bin, as its implementations do."""


class Detector(Protocol):
    """Looks at a stream every STEP rows."""

    def flagged(self, stream: Columns) -> Iterator[tuple[int, set[str]]]:
        """The rows seen so far and the columns that are flagged then, look by look."""


class Ours:
    """`DriftMonitor` under the usual contract."""

    def __init__(self, reference: Columns) -> None:
        self._profile = profile(reference)

    def flagged(self, stream: Columns) -> Iterator[tuple[int, set[str]]]:
        """By the alarm that rings: a look at what came since the last."""
        monitor = DriftMonitor("benchmark", self._profile, Contract(check_rows=STEP))
        columns = self._profile.columns
        bins = [column.bins(stream[column.name]) for column in columns]
        for seen in range(STEP, len(bins[0]) + 1, STEP):
            parts = [
                np.bincount(part[seen - STEP : seen], minlength=len(column.labels))
                for part, column in zip(bins, columns, strict=True)
            ]
            monitor.look(parts, float(seen))
            alarm = monitor.ringing
            yield seen, set() if alarm is None else {feature.name for feature in alarm.features}


class Psi:
    """The population stability index above a threshold."""

    def __init__(self, reference: Columns, threshold: float) -> None:
        self._threshold = threshold
        self._edges = {
            name: np.unique(np.quantile(values, np.arange(1, QUANTILES) / QUANTILES))
            for name, values in reference.items()
            if name not in CATEGORIES
        }
        self._shares = {name: self._share(self._counts(name, values)) for name, values in reference.items()}

    def flagged(self, stream: Columns) -> Iterator[tuple[int, set[str]]]:
        """By the last WINDOW rows."""
        for seen, window in _windows(stream):
            live = {name: self._share(self._counts(name, values)) for name, values in window.items()}
            yield seen, {name for name in window if _psi(live[name], self._shares[name]) > self._threshold}

    def _counts(self, name: str, values: Vector) -> Vector:
        present = values[~np.isnan(values)]
        if name in CATEGORIES:
            return np.bincount(present.astype(np.intp), minlength=CATEGORIES[name]).astype(np.float64)
        places = np.searchsorted(self._edges[name], present, side="right")
        return np.bincount(places, minlength=len(self._edges[name]) + 1).astype(np.float64)

    @staticmethod
    def _share(counts: Vector) -> Vector:
        shares: Vector = np.maximum(counts / max(counts.sum(), 1.0), SMALLEST_SHARE)
        return shares


class Bonferroni:
    """Kolmogorov-Smirnov for numbers and chi-squared for categories, with Bonferroni's correction."""

    def __init__(self, reference: Columns) -> None:
        self._reference = {name: np.sort(values) for name, values in reference.items()}
        self._counts = {
            name: np.bincount(reference[name].astype(np.intp), minlength=levels).astype(np.float64)
            for name, levels in CATEGORIES.items()
        }
        self._level = LEVEL / len(reference)

    def flagged(self, stream: Columns) -> Iterator[tuple[int, set[str]]]:
        """By the last WINDOW rows."""
        for seen, window in _windows(stream):
            yield seen, {name for name, values in window.items() if self._p(name, values) < self._level}

    def _p(self, name: str, values: Vector) -> float:
        if name in CATEGORIES:
            live = np.bincount(values.astype(np.intp), minlength=CATEGORIES[name]).astype(np.float64)
            return _chi_squared(live, self._counts[name])
        return _smirnov(np.sort(values[~np.isnan(values)]), self._reference[name])


def _windows(stream: Columns) -> Iterator[tuple[int, Columns]]:
    rows = len(next(iter(stream.values())))
    for seen in range(WINDOW, rows + 1, STEP):
        yield seen, {name: values[seen - WINDOW : seen] for name, values in stream.items()}


def _psi(live: Vector, reference: Vector) -> float:
    return float(((live - reference) * np.log(live / reference)).sum())


def _smirnov(live: Vector, reference: Vector) -> float:
    """The asymptotic p-value of the two-sample test; both arguments are sorted. Ties make it larger, never smaller."""
    places = np.concatenate([live, np.nextafter(live, -np.inf)])
    distance = np.abs(
        np.searchsorted(live, places, side="right") / len(live)
        - np.searchsorted(reference, places, side="right") / len(reference)
    ).max()
    return float(kolmogorov(np.sqrt(len(live) * len(reference) / (len(live) + len(reference))) * distance))


def _chi_squared(live: Vector, reference: Vector) -> float:
    """Of homogeneity, over the levels that came."""
    came = live + reference > 0
    live, reference = live[came], reference[came]
    both = live + reference
    share = live.sum() / both.sum()
    statistic = ((live - both * share) ** 2 / (both * share * (1 - share))).sum()
    return float(chdtrc(max(len(both) - 1, 1), statistic))
