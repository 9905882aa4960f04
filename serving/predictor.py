"""The way of a request, once its body is validated. Read this first.

encode -> choose the version -> cache -> runner (batch, transform, check, predict, interval) -> answer
                            \\-> shadow versions, which never answer and are dropped first
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from time import perf_counter

from monitoring.prediction_ids import IdWriter
from preprocessors.encoding import Matrix, RowEncoder
from schemas.errors import PlumblineError
from schemas.features import Features
from schemas.predictions import BatchPrediction, Prediction
from serving.aside import aside
from serving.batch import Results
from serving.bulk_answers import BulkAnswer, Origin, Warnings, warnings_of
from serving.cache import Value
from serving.cached_answers import CachedAnswers
from serving.guilty_rows import named, row_of
from serving.live_models import LiveModels, LiveSet
from serving.loading import LiveVersion
from serving.monitors import Monitors
from serving.router import Choice

logger = logging.getLogger(__name__)

MOST_CACHED_ROWS = 256
"""A request with more rows leaves the cache alone: it would hold up the event loop, throw out what single rows come
back for, and pay only when a fifth of the rows were asked before (docs/architecture.md)."""


LARGE_ROWS = 1000
"""Answers of more rows and warnings are put together in a thread: other requests need not wait for it."""


class Predictor:
    """Answers validated requests. For one event loop.

    Args:
        live: the versions that can answer.
        cache: answers that need not be computed; None to compute all.
        monitors: see every answer, sign prediction ids, and know the time.
    """

    def __init__(self, live: LiveModels, cache: CachedAnswers | None, monitors: Monitors) -> None:
        self._live, self._cache, self._monitors = live, cache, monitors
        self._encoder = RowEncoder(live.definition.rows)
        self._mirrored: set[asyncio.Task[None]] = set()

    async def predict(
        self, features: Features, version: str | None = None, routing_key: str | None = None
    ) -> Prediction:
        """Predict one row. Raises what `predict_batch` raises."""
        return (await self.answer([features], version, routing_key)).predictions().predictions[0]

    async def predict_batch(
        self, rows: Sequence[Features], version: str | None = None, routing_key: str | None = None
    ) -> BatchPrediction:
        """Predict many rows by one version, in their order. Raises what `predict_matrix` raises."""
        return (await self.answer(rows, version, routing_key)).predictions()

    async def answer(
        self, rows: Sequence[Features], version: str | None = None, routing_key: str | None = None
    ) -> BulkAnswer:
        """The same, as it is written to the wire. Raises what `predict_matrix` raises."""
        return await self.predict_matrix(self._encoder.matrix(rows), version, routing_key)

    async def predict_matrix(
        self, matrix: Matrix, version: str | None = None, routing_key: str | None = None
    ) -> BulkAnswer:
        """Predict encoded rows (n, n_features), n at least 1, by one version, in their order.

        Raises:
            NotReady: no version is live yet.
            UnknownVersion: `version` is not live.
            PreprocessingFailed, InferenceFailed: a defect of the version; of several rows, the first that fails by
                itself is named.
            Overloaded: too many rows wait already.
            TimedOut: no answer before the deadline.
        """
        try:
            return await self._answered(matrix, version, routing_key)
        except PlumblineError as error:
            if len(matrix) > 1 or row_of(error) is None:
                raise
            raise named(error, None) from error.__cause__  # which row it was goes without saying

    async def _answered(self, matrix: Matrix, version: str | None, routing_key: str | None) -> BulkAnswer:
        started = perf_counter()
        live = self._live.now()  # one look: a swap in between must not mix versions
        choice = live.routes.choose(version, routing_key, matrix.data)
        chosen = live.versions[choice.version]
        self._mirror(live, chosen, matrix)
        origin = chosen.origins.get(choice.variant) or self._origin(chosen, choice)
        clock = self._monitors.clock
        if self._cache is None or len(matrix) > MOST_CACHED_ROWS:
            results = await chosen.runner.submit(matrix)
            large = len(matrix) + len(results.strange) > LARGE_ROWS
            now = clock()
            answer = await aside(large, BulkAnswer.computed, origin, results, now)
        else:
            found = await self._cache.answer(chosen.keys.of_matrix(matrix), partial(_compute, chosen, matrix))
            now = clock()
            answer = BulkAnswer.answered(origin, found, now)
        if answer.warnings:
            _tell_strange(chosen.name, answer.warnings)
        chosen.observed.add(matrix, answer, now, perf_counter() - started)
        return answer

    async def close(self) -> None:
        """Let the cache and what is mirrored go."""
        for task in self._mirrored:
            task.cancel()
        if self._cache is not None:
            await self._cache.close()

    def _origin(self, chosen: LiveVersion, choice: Choice) -> Origin:
        manifest = chosen.bundle.manifest
        coverage = None if manifest.interval is None else manifest.interval.coverage
        ids = IdWriter(self._monitors.signing_key, manifest.model, choice.version)
        origin = Origin(manifest.model, choice.version, choice.variant, coverage, ids, chosen.observed)
        return chosen.origins.setdefault(choice.variant, origin)

    def _mirror(self, live: LiveSet, chosen: LiveVersion, matrix: Matrix) -> None:
        """Hand the rows to the shadow versions, unless there is other work to do."""
        for name in live.routes.shadows:
            shadow = live.versions[name]
            if shadow is chosen:
                continue
            if chosen.runner.counts.waiting_rows or shadow.runner.counts.waiting_rows:
                shadow.observed.mirrored("dropped", matrix)
                continue
            task = asyncio.create_task(self._shadow(shadow, matrix))
            self._mirrored.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._mirrored.discard)

    async def _shadow(self, shadow: LiveVersion, matrix: Matrix) -> None:
        try:
            results = await shadow.runner.submit(matrix)
            shadow.observed.mirrored("predicted", matrix, results.value)
        except PlumblineError as error:
            shadow.observed.mirrored("failed", matrix)
            logger.info("shadow failed", extra={"version": shadow.name, "code": error.code})


async def _compute(chosen: LiveVersion, matrix: Matrix, rows: Sequence[int]) -> list[Value]:
    """The answers to some rows of the matrix."""
    return _values(await chosen.runner.submit(matrix if len(rows) == len(matrix) else matrix[rows]))


def _values(results: Results) -> list[Value]:
    warnings = warnings_of(results)
    nothing: list[float | None] = [None] * len(results.value)
    low, high = results.low or nothing, results.high or nothing
    ends = zip(results.value, low, high, strict=True)
    return [Value(*numbers, tuple(warnings.get(row, ()))) for row, numbers in enumerate(ends)]


def _tell_strange(version: str, warnings: Warnings) -> None:
    """One line a request in the log: the values themselves stay out of it."""
    counts = Counter(warning.feature for found in warnings.values() for warning in found)
    logger.warning("features unlike training", extra={"version": version, "features": dict(counts)})
