"""The thread's part of a runner: a batch of requests is computed, and each gets its results or its own error."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from preprocessors.encoding import Matrix
from preprocessors.feature_check import FeatureCheck, Strange
from registry.bundle import Answers, ModelVersion
from schemas.errors import InferenceFailed, PlumblineError, PreprocessingFailed
from serving.guilty_rows import first_guilty, named


class Results(NamedTuple):
    """What a runner gives back for the rows of one request, in their order.

    Plain lists: turned from arrays once a batch, they are cheap to cut for each request and to build answers from,
    and a request keeps nothing of its neighbours alive.

    Args:
        value: predictions in the target's unit, one a row.
        low: lower ends of the intervals, None without intervals.
        high: upper ends of the intervals, None without intervals.
        strange: inputs unlike training; their `row` counts from the request's first row.
    """

    value: list[float]
    low: list[float] | None
    high: list[float] | None
    strange: list[Strange]


class Part(Protocol):
    """Rows of one caller, wherever the caller is."""

    rows: Matrix

    def gone(self) -> bool:
        """Whether nobody waits for them any more."""


P = TypeVar("P", bound=Part)


class Request:
    """Rows of one caller on their way through a runner.

    Args:
        rows: encoded rows, shape (n, n_features).
        future: gets the results; done early when the caller has left or the deadline has passed.
    """

    __slots__ = ("arrived", "future", "rows", "taken")

    def __init__(self, rows: Matrix, future: asyncio.Future[Results]) -> None:
        self.rows, self.future = rows, future
        self.arrived = time.monotonic()
        self.taken = False

    def gone(self) -> bool:
        """Whether the caller has left, or has its answer."""
        return self.future.done()


Outcome = tuple[Request, Results | PlumblineError]


class ComputesBatches(Protocol):
    """The thread's part of a runner: BatchComputer here, serving/remote.py in the runner service."""

    transform_seconds: float
    predict_seconds: float

    def outcomes(self, batch: Sequence[Request]) -> list[Outcome]:
        """Results or its own error for each request that somebody waits for. Raises nothing."""


class BatchComputer:
    """Computes batches of one version. One thread at a time may use it.

    Args:
        model: the version.
        check: finds inputs unlike training.
    """

    def __init__(self, model: ModelVersion, check: FeatureCheck) -> None:
        self._model, self._check = model, check
        self.transform_seconds = 0.0
        self.predict_seconds = 0.0

    def outcomes(self, batch: Sequence[P]) -> list[tuple[P, Results | PlumblineError]]:
        """Compute requests together; when that fails, halve until only the guilty fail, and name their guilty rows.

        Requests that nobody waits for are left out. Nothing is raised.
        """
        present = [request for request in batch if not request.gone()]
        if not present:
            return []
        try:
            return list(zip(present, self._together([request.rows for request in present]), strict=True))
        except PlumblineError as error:
            if len(present) == 1:
                return [(present[0], self._explained(present[0], error))]
        half = len(present) // 2
        return self.outcomes(present[:half]) + self.outcomes(present[half:])

    def _together(self, rows: Sequence[Matrix]) -> list[Results]:
        try:
            whole = self.compute(rows[0] if len(rows) == 1 else np.concatenate(rows))
            return split(whole, [len(part) for part in rows])
        except PlumblineError:
            raise
        except Exception as error:  # rows of another width, answers that are no arrays: never lose the batch
            raise InferenceFailed("The batch could not be computed; the log has the cause.") from error

    def _explained(self, request: Part, error: PlumblineError) -> PlumblineError:
        row = first_guilty(request.rows, error, self._error_of, lambda: not request.gone())
        return error if row is None else named(error, row)

    def _error_of(self, rows: Matrix) -> PlumblineError | None:
        try:
            self._together([rows])
        except PlumblineError as error:
            return error
        return None

    def compute(self, rows: Matrix) -> Results:
        """Predict encoded rows of shape (n, n_features).

        Raises:
            PreprocessingFailed: the pipeline raised; the cause is chained.
            InferenceFailed: the model raised, or its answers have the wrong length or are not finite.
        """
        started = time.perf_counter()
        inputs, strange = self._transform(rows)
        transformed = time.perf_counter()
        answers = self._predict(inputs)
        self.transform_seconds += transformed - started
        self.predict_seconds += time.perf_counter() - transformed
        return Results(*_columns(answers, len(rows)), strange)

    def _transform(self, rows: Matrix) -> tuple[Matrix, list[Strange]]:
        try:
            inputs = self._model.transform(rows)
            return inputs, self._check.find(rows, inputs)
        except BaseException as error:  # even SystemExit: whatever a model raises, its callers must hear of it
            raise PreprocessingFailed("The pipeline failed on a valid row; the log has the cause.") from error

    def _predict(self, inputs: Matrix) -> Answers:
        try:
            return self._model.predict(inputs)
        except BaseException as error:
            raise InferenceFailed("The model failed on a valid row; the log has the cause.") from error


def _columns(answers: Answers, rows: int) -> tuple[list[float], list[float] | None, list[float] | None]:
    columns = (answers.value, answers.low, answers.high)
    for column in columns:
        if column is None:
            continue
        if column.shape != (rows,):
            raise InferenceFailed(f"The model gave answers of shape {column.shape} for {rows} rows.")
        if not np.isfinite(column).all():
            raise InferenceFailed("The model gave an answer that is not a number.")
    value, low, high = (None if column is None else column.tolist() for column in columns)
    assert value is not None
    return value, low, high


def split(whole: Results, sizes: Sequence[int]) -> list[Results]:
    """Cut a batch's results into those of its requests.

    Args:
        whole: results of sum(sizes) rows.
        sizes: rows of each request, each at least 1.
    """
    if len(sizes) == 1:
        return [whole]
    value, low, high, strange = whole
    stops = list(accumulate(sizes))
    starts = [0, *stops[:-1]]
    parts = [
        Results(value[start:stop], low and low[start:stop], high and high[start:stop], [])
        for start, stop in zip(starts, stops, strict=True)
    ]
    for found in strange:
        part = bisect_right(stops, found.row)
        parts[part].strange.append(replace(found, row=found.row - starts[part]))
    return parts


def join(parts: Sequence[Results]) -> Results:
    """One result from those of consecutive rows: the inverse of `split`."""
    value: list[float] = []
    low: list[float] | None = None if parts[0].low is None else []
    high: list[float] | None = None if parts[0].high is None else []
    strange: list[Strange] = []
    for part in parts:
        strange += [replace(found, row=found.row + len(value)) for found in part.strange]
        value += part.value
        if low is not None and part.low is not None:
            low += part.low
        if high is not None and part.high is not None:
            high += part.high
    return Results(value, low, high, strange)
