"""The runner: computes batches for one live version, off the event loop. The seam is `submit(rows) -> results`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from preprocessors.encoding import Matrix
from preprocessors.feature_check import FeatureCheck, Strange
from registry.bundle import Answers, ModelVersion
from schemas.errors import InferenceFailed, PreprocessingFailed


@dataclass(frozen=True)
class Results:
    """What a runner gives back for the rows of one request, in their order."""

    answers: Answers
    strange: list[Strange]


class Runner:
    """Runs one version in one thread, so that model work never blocks the event loop."""

    def __init__(self, model: ModelVersion, check: FeatureCheck) -> None:
        self._model, self._check = model, check
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runner")

    async def submit(self, rows: Matrix) -> Results:
        """Predict encoded rows of shape (n, n_features).

        Raises:
            PreprocessingFailed: the pipeline raised.
            InferenceFailed: the model raised, or its answer has the wrong length or is not finite.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, rows)

    def close(self) -> None:
        """Let the thread end after the work that it has."""
        self._thread.shutdown(wait=False)

    def _run(self, rows: Matrix) -> Results:
        try:
            inputs = self._model.transform(rows)
            strange = self._check.find(rows, inputs)
        except Exception as error:
            raise PreprocessingFailed("The pipeline failed on a valid row; the log has the cause.") from error
        try:
            answers = self._model.predict(inputs)
        except Exception as error:
            raise InferenceFailed("The model failed on a valid row; the log has the cause.") from error
        if len(answers) != len(rows):
            raise InferenceFailed(f"The model gave {len(answers)} answers for {len(rows)} rows.")
        if not np.isfinite(answers.value).all():
            raise InferenceFailed("The model gave an answer that is not a number.")
        return Results(answers, strange)
