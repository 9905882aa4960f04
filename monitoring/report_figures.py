"""The figures of a report, gathered from a log in one pass and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monitoring.log_reader import Numbers, Outcomes, number
from monitoring.sketches import Cell, Sketch, Timeline

MOST_POINTS = 800
"""Pairs of prediction and outcome that the report draws, chosen by chance."""

MOST_NAMES = 200
"""Versions and features that are counted by name; the rest, such as of a foreign file, are counted together."""

LARGEST_ERROR = 1e280
"""Absurd ones are cut to this, so that sums stay finite."""

OTHERS = "others"
LATENCY = "latency"
PREDICTION = "prediction"
ERROR = "error"

Rows = Sequence[dict[str, Any]]


class OutcomeFigures:
    """Predictions beside what happened, over all or of one version. Sums are weighted as the log is sampled."""

    def __init__(self) -> None:
        self.count = 0
        self.weight = self.inside = self.with_interval = self.promised = self.absolute = 0.0
        self.errors, self.sizes = Sketch(), Sketch()

    def add(self, errors: Numbers, weights: Numbers, inside: Numbers, promised: Numbers) -> None:
        """Count outcomes, shape (n,) each; `inside` is 0, 1 or NaN without an interval."""
        self.count += len(errors)
        self.weight += float(weights.sum())
        self.absolute += float((np.abs(errors) * weights).sum())
        self.errors.add(errors, weights)
        self.sizes.add(np.abs(errors), weights)
        known = ~np.isnan(inside)
        self.inside += float((inside * weights)[known].sum())
        self.promised += float((promised * weights)[known].sum())
        self.with_interval += float(weights[known].sum())


class Figures:
    """What a report says of a log, without its features' distributions.

    Args:
        outcomes: what happened; None if nobody knows.
        seed: chooses the pairs that are drawn.
    """

    def __init__(self, outcomes: Outcomes | None = None, seed: int = 0) -> None:
        self.outcomes = outcomes
        self.relative = outcomes is not None and outcomes.are_positive
        self.timeline, self.outcome_timeline = Timeline(), Timeline()
        self.lines, self.rows, self.first, self.last = 0, 0.0, np.inf, -np.inf
        self.versions: dict[tuple[str, str], float] = {}
        self.cached = 0.0
        self.strange: Counter[str] = Counter()
        self.strange_rows = 0
        self.latency = Sketch()
        self.all_outcomes, self.by_version = OutcomeFigures(), dict[str, OutcomeFigures]()
        self.points: list[tuple[float, float]] = []
        self._random, self._drawn = np.random.default_rng(seed), 0

    def add(self, rows: Rows) -> None:
        """Count some rows."""
        times = np.array([row["time"] for row in rows])
        weights = np.array([row["weight"] for row in rows], np.float64)
        self.lines += len(rows)
        self.rows += float(weights.sum())
        self.first, self.last = min(self.first, times.min()), max(self.last, times.max())
        versions = [self._name(row) for row in rows]
        predictions = _numbers(rows, "prediction")
        latency = _numbers(rows, "latency_ms")
        self._count(rows, versions, weights)
        _sketch(self.latency, latency, weights)
        for cell, places in self.timeline.split(times):
            _into(cell, places, predictions, latency, weights)
            for place in places.tolist():
                cell.sums[versions[place][0]] += weights[place]
        if self.outcomes is not None:
            self._judge(rows, times, versions, predictions, weights, self.outcomes)

    def _name(self, row: dict[str, Any]) -> tuple[str, str]:
        name = (row["version"] or "unknown", str(row.get("variant") or "unknown")[:40])
        return name if name in self.versions or len(self.versions) < MOST_NAMES else (OTHERS, OTHERS)

    def _count(self, rows: Rows, versions: Sequence[tuple[str, str]], weights: Numbers) -> None:
        for row, version, weight in zip(rows, versions, weights.tolist(), strict=True):
            self.versions[version] = self.versions.get(version, 0.0) + weight
            self.cached += weight * (row.get("cached") is True)
            if row["out_of_range"]:
                self.strange_rows += 1
                for name in {str(found) for found in row["out_of_range"]}:
                    self.strange[name if name in self.strange or len(self.strange) < MOST_NAMES else OTHERS] += 1

    def _judge(
        self,
        rows: Rows,
        times: Numbers,
        versions: Sequence[tuple[str, str]],
        predictions: Numbers,
        weights: Numbers,
        outcomes: Outcomes,
    ) -> None:
        actual = outcomes.take([row["prediction_id"] for row in rows])
        known = np.flatnonzero(~np.isnan(actual) & ~np.isnan(predictions))
        if not len(known):
            return
        actual, predictions, weights = actual[known], predictions[known], weights[known]
        with np.errstate(over="ignore"):
            errors = predictions / actual - 1 if self.relative else predictions - actual
        errors = errors.clip(-LARGEST_ERROR, LARGEST_ERROR)
        low, high, promised = (_ends(rows, known, name) for name in ("low", "high", "coverage"))
        whole = ~(np.isnan(low) | np.isnan(high) | np.isnan(promised))
        inside = np.where(whole, (low <= actual) & (actual <= high), np.nan)
        self._draw(predictions, actual)
        self.all_outcomes.add(errors, weights, inside, promised)
        names = np.array([versions[place][0] for place in known.tolist()])
        for name in np.unique(names).tolist():
            mine = names == name
            version = self.by_version.setdefault(name, OutcomeFigures())
            version.add(errors[mine], weights[mine], inside[mine], promised[mine])
        for cell, places in self.outcome_timeline.split(times[known]):
            cell.sketches[ERROR].add(errors[places], weights[places])
            judged = places[whole[places]]
            cell.sums["inside"] += float((inside * weights)[judged].sum())
            cell.sums["with_interval"] += float(weights[judged].sum())

    def _draw(self, predictions: Numbers, actual: Numbers) -> None:
        """Keep a fair choice of pairs (reservoir sampling)."""
        for pair in zip(predictions.tolist(), actual.tolist(), strict=True):
            self._drawn += 1
            if len(self.points) < MOST_POINTS:
                self.points.append(pair)
            elif (place := int(self._random.integers(self._drawn))) < MOST_POINTS:
                self.points[place] = pair


def _numbers(rows: Rows, name: str) -> Numbers:
    """A number of each row; NaN without."""
    return np.array([value if number(value := row.get(name)) else np.nan for row in rows], np.float64)


def _ends(rows: Rows, places: npt.NDArray[np.intp], name: str) -> Numbers:
    return _numbers([rows[place]["interval"] for place in places.tolist()], name)


def _sketch(sketch: Sketch, values: Numbers, weights: Numbers) -> None:
    present = ~np.isnan(values)
    if present.any():
        sketch.add(values[present], weights[present])


def _into(cell: Cell, places: npt.NDArray[np.intp], predictions: Numbers, latency: Numbers, weights: Numbers) -> None:
    for name, values in ((PREDICTION, predictions), (LATENCY, latency)):
        _sketch(cell.sketches[name], values[places], weights[places])
