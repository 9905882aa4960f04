"""The way of a request, once its body is validated. Read this first.

encode -> choose the version -> cache -> runner (batch, transform, check, predict, interval) -> answer
                            \\-> shadow versions, which never answer and are dropped first
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from preprocessors.encoding import Matrix, RowEncoder
from schemas.errors import PlumblineError
from schemas.features import Features
from schemas.predictions import BatchPrediction, Interval, Prediction, PredictionWarning
from serving.batch import Results
from serving.cache import Value
from serving.cached_answers import Answered, CachedAnswers
from serving.live_models import LiveModels, LiveSet
from serving.loading import LiveVersion
from serving.router import Choice

logger = logging.getLogger(__name__)


class Predictor:
    """Answers validated requests. For one event loop.

    Args:
        live: the versions that can answer.
        cache: answers that need not be computed; None to compute all.
    """

    def __init__(self, live: LiveModels, cache: CachedAnswers | None = None) -> None:
        self._live, self._cache = live, cache
        self._encoder = RowEncoder(live.definition.rows)
        self._mirrored: set[asyncio.Task[None]] = set()
        self.shadow_rows = self.shadow_dropped = self.shadow_failed = 0

    async def predict(
        self, features: Features, version: str | None = None, routing_key: str | None = None
    ) -> Prediction:
        """Predict one row. Raises what `predict_batch` raises."""
        return (await self._answer([features], version, routing_key))[0]

    async def predict_batch(
        self, rows: Sequence[Features], version: str | None = None, routing_key: str | None = None
    ) -> BatchPrediction:
        """Predict many rows by one version, in their order.

        Raises:
            NotReady: no version is live yet.
            UnknownVersion: `version` is not live.
            PreprocessingFailed, InferenceFailed: a defect of the version.
            Overloaded: too many rows wait already.
            TimedOut: no answer before the deadline.
        """
        return BatchPrediction(predictions=await self._answer(rows, version, routing_key))

    async def close(self) -> None:
        """Let the cache and what is mirrored go."""
        for task in self._mirrored:
            task.cancel()
        if self._cache is not None:
            await self._cache.close()

    async def _answer(self, rows: Sequence[Features], version: str | None, routing_key: str | None) -> list[Prediction]:
        live = self._live.now()  # one look: a swap in between must not mix versions
        matrix = self._encoder.matrix(rows)
        choice = live.routes.choose(version, routing_key, matrix.data)
        chosen = live.versions[choice.version]
        self._mirror(live, chosen, matrix)
        if self._cache is None:
            values = await _compute(chosen, matrix, range(len(rows)))
            answered = Answered(values, [False] * len(values))
        else:
            answered = await self._cache.answer(chosen.keys.of_matrix(matrix), partial(_compute, chosen, matrix))
        _log_strange(chosen, answered.values)
        return _predictions(chosen, choice, answered)

    def _mirror(self, live: LiveSet, chosen: LiveVersion, matrix: Matrix) -> None:
        """Hand the rows to the shadow versions, unless there is other work to do."""
        for name in live.routes.shadows:
            shadow = live.versions[name]
            if shadow is chosen:
                continue
            if chosen.runner.counts.waiting_rows or shadow.runner.counts.waiting_rows:
                self.shadow_dropped += len(matrix)
                continue
            task = asyncio.create_task(self._shadow(shadow, matrix))
            self._mirrored.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._mirrored.discard)

    async def _shadow(self, shadow: LiveVersion, matrix: Matrix) -> None:
        try:
            await shadow.runner.submit(matrix)
            self.shadow_rows += len(matrix)
        except PlumblineError as error:
            self.shadow_failed += len(matrix)
            logger.info("shadow failed", extra={"version": shadow.name, "code": error.code})


async def _compute(chosen: LiveVersion, matrix: Matrix, rows: Sequence[int]) -> list[Value]:
    """The answers to some rows of the matrix."""
    return _values(await chosen.runner.submit(matrix if len(rows) == len(matrix) else matrix[rows]))


def _values(results: Results) -> list[Value]:
    warnings: dict[int, list[PredictionWarning]] = {}
    for found in results.strange:
        warning = PredictionWarning(code=found.code, feature=found.feature, message=found.message)
        warnings.setdefault(found.row, []).append(warning)
    nothing: list[float | None] = [None] * len(results.value)
    low, high = results.low or nothing, results.high or nothing
    ends = zip(results.value, low, high, strict=True)
    return [Value(*numbers, tuple(warnings.get(row, ()))) for row, numbers in enumerate(ends)]


def _predictions(chosen: LiveVersion, choice: Choice, answered: Answered) -> list[Prediction]:
    model, part = chosen.bundle.manifest.model, chosen.bundle.manifest.interval
    return [
        Prediction(
            prediction=value.prediction,
            interval=None
            if part is None or value.low is None or value.high is None
            else Interval(low=value.low, high=value.high, coverage=part.coverage),
            model=model,
            version=choice.version,
            variant=choice.variant,
            warnings=list(value.warnings),
            prediction_id=uuid4().hex,
            cached=cached,
        )
        for value, cached in zip(answered.values, answered.cached, strict=True)
    ]


def _log_strange(chosen: LiveVersion, values: Sequence[Value]) -> None:
    """One line a request, with counts by feature: the values themselves stay out of the log."""
    counts: dict[str, int] = {}
    for value in values:
        for warning in value.warnings:
            counts[warning.feature] = counts.get(warning.feature, 0) + 1
    if counts:
        logger.warning("features unlike training", extra={"version": chosen.name, "features": counts})
