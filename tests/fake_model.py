"""A model whose answers, errors and oddities are decided by the content of each row, and which a test can hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt

from preprocessors.encoding import Matrix
from preprocessors.feature_check import FeatureCheck, Strange
from registry.bundle import Answers, ModelVersion
from schemas.errors import InferenceFailed, PlumblineError, PreprocessingFailed
from serving.batch import Results
from serving.runner import SubmitsRows

FINE, TRANSFORM_RAISES, PREDICT_RAISES, TOO_SHORT, NOT_A_NUMBER, STRANGE = range(6)
"""What column 1 of a row asks for; column 0 is the row's number."""

ERRORS: dict[int, type[PlumblineError]] = {
    TRANSFORM_RAISES: PreprocessingFailed,
    PREDICT_RAISES: InferenceFailed,
    TOO_SHORT: InferenceFailed,
    NOT_A_NUMBER: InferenceFailed,
}
"""How a row of these kinds fails."""


def matrix(*numbers: float, kind: int = FINE) -> Matrix:
    """Rows with these numbers, shape (n, 2)."""
    return np.array([[number, kind] for number in numbers], dtype=np.float64)


def expected(rows: Matrix, salt: float = 0.0) -> list[float]:
    """The right answers of the fake model with that salt."""
    return [3.0 * number + salt for number in rows[:, 0].tolist()]


class RowFailed(Exception):
    """What the fake model raises; `number` is the row's."""

    def __init__(self, number: float) -> None:
        super().__init__(f"row {number:g}")
        self.number = number


class FakeModel(ModelVersion):
    """Predicts 3 * number + salt, with an interval of one on either side.

    Clear `gate` to hold the thread at the start of its next batch; `entered` tells that it is there.
    """

    def __init__(self, salt: float = 0.0, interval: bool = True) -> None:
        self._salt, self._with_interval = salt, interval
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.batches: list[list[float]] = []

    def transform(self, raw: Matrix) -> Matrix:
        """The rows themselves."""
        self.entered.set()
        assert self.gate.wait(60)
        self.batches.append(raw[:, 0].tolist())
        _raise_for(raw, TRANSFORM_RAISES)
        return raw

    def predict(self, inputs: Matrix) -> Answers:
        """What the rows ask for."""
        _raise_for(inputs, PREDICT_RAISES)
        value = 3.0 * inputs[:, 0] + self._salt
        value[inputs[:, 1] == NOT_A_NUMBER] = np.nan
        if (inputs[:, 1] == TOO_SHORT).any():
            value = value[:-1]
        return Answers(value, value - 1, value + 1) if self._with_interval else Answers(value, None, None)


def _raise_for(rows: Matrix, kind: int) -> None:
    guilty: npt.NDArray[np.intp] = np.flatnonzero(rows[:, 1] == kind)
    if len(guilty):
        raise RowFailed(float(rows[guilty[0], 0]))


class FakeCheck(FeatureCheck):
    """Finds the rows that ask to be strange; the message is the row's number."""

    def __init__(self) -> None:
        pass

    def find(self, raw: Matrix, inputs: Matrix) -> list[Strange]:
        """One finding for each strange row."""
        rows = np.flatnonzero(inputs[:, 1] == STRANGE).tolist()
        return [Strange(row, "outside_training_range", "number", f"{raw[row, 0]:g}") for row in rows]


def send(runner: SubmitsRows, rows: Matrix) -> asyncio.Task[Results]:
    """A client that waits for these rows."""
    return asyncio.create_task(runner.submit(rows))


@asynccontextmanager
async def held(model: FakeModel, runner: SubmitsRows, number: float = 0) -> AsyncIterator[asyncio.Task[Results]]:
    """The thread computes a first request until the end of the block."""
    model.gate.clear()
    model.entered.clear()
    first = send(runner, matrix(number))
    assert await asyncio.to_thread(model.entered.wait, 30)
    try:
        yield first
    finally:
        model.gate.set()


async def turn() -> None:
    """Let every task that can run reach its next wait."""
    for _ in range(3):
        await asyncio.sleep(0)
