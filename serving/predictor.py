"""The way of a request, once its body is validated. Read this first.

choose the version -> encode -> runner (transform, check, predict, interval) -> answer
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import uuid4

from preprocessors.encoding import RowEncoder
from preprocessors.feature_check import Strange
from schemas.features import Features
from schemas.predictions import BatchPrediction, Interval, Prediction, PredictionWarning
from serving.batch import Results
from serving.live_models import LiveModels, LiveVersion

logger = logging.getLogger(__name__)


class Predictor:
    """Answers validated requests.

    Args:
        live: the versions that can answer.
    """

    def __init__(self, live: LiveModels) -> None:
        self._live = live
        self._encoder = RowEncoder(live.definition.rows)

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

    async def _answer(
        self, rows: Sequence[Features], version: str | None, _routing_key: str | None
    ) -> list[Prediction]:
        chosen = self._live.named(version) if version else self._live.stable()
        results = await chosen.runner.submit(self._encoder.matrix(rows))
        if results.strange:
            _log_strange(chosen, results.strange)
        return _predictions(chosen, results)


def _predictions(chosen: LiveVersion, results: Results) -> list[Prediction]:
    warnings: dict[int, list[PredictionWarning]] = {}
    for found in results.strange:
        warning = PredictionWarning(code=found.code, feature=found.feature, message=found.message)
        warnings.setdefault(found.row, []).append(warning)
    return [
        Prediction(
            prediction=value,
            interval=interval,
            model=chosen.bundle.manifest.model,
            version=chosen.name,
            variant=chosen.variant,
            warnings=warnings.get(row, []),
            prediction_id=uuid4().hex,
            cached=False,
        )
        for row, (value, interval) in enumerate(zip(results.value, _intervals(chosen, results), strict=True))
    ]


def _intervals(chosen: LiveVersion, results: Results) -> list[Interval | None]:
    part = chosen.bundle.manifest.interval
    if part is None or results.low is None or results.high is None:
        return [None] * len(results.value)
    ends = zip(results.low, results.high, strict=True)
    return [Interval(low=low, high=high, coverage=part.coverage) for low, high in ends]


def _log_strange(chosen: LiveVersion, strange: Sequence[Strange]) -> None:
    """One line a request, with counts by feature: the values themselves stay out of the log."""
    counts: dict[str, int] = {}
    for found in strange:
        counts[found.feature] = counts.get(found.feature, 0) + 1
    logger.warning("features unlike training", extra={"version": chosen.name, "features": counts})
