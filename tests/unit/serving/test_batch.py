"""One batch: how results are cut and joined, and which step gets the blame."""

from __future__ import annotations

import random

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from preprocessors.feature_check import Strange
from registry.bundle import Answers
from schemas.errors import InferenceFailed, PreprocessingFailed
from serving.batch import BatchComputer, Results, join, split
from tests.fake_model import FakeCheck, FakeModel, expected, matrix

SEVERAL = matrix(1, 2, 3)


class Returns(FakeModel):
    """Answers with whatever it is given, or raises it."""

    def __init__(self, answers: object) -> None:
        super().__init__()
        self._answers = answers

    def predict(self, inputs: Matrix) -> Answers:
        if isinstance(self._answers, BaseException):
            raise self._answers
        return self._answers  # type: ignore[return-value]


def whole_batch(size: int, strange_rows: list[int], interval: bool) -> Results:
    value = [float(i) for i in range(size)]
    low, high = ([v - 1 for v in value], [v + 1 for v in value]) if interval else (None, None)
    return Results(value, low, high, [Strange(row, "never_seen_category", "x", str(row)) for row in strange_rows])


@pytest.mark.parametrize("interval", [True, False])
def test_split_gives_each_request_its_rows_and_join_is_the_inverse(interval: bool) -> None:
    chance = random.Random(4)
    for _ in range(200):
        sizes = [chance.randint(1, 6) for _ in range(chance.randint(1, 9))]
        strange = sorted(chance.choices(range(sum(sizes)), k=chance.randint(0, 5)))
        whole = whole_batch(sum(sizes), strange, interval)
        parts = split(whole, sizes)
        assert [len(part.value) for part in parts] == sizes
        for part in parts:
            assert all(part.value[found.row] == float(found.message) for found in part.strange)
        assert join(parts) == whole


@pytest.mark.parametrize("interval", [True, False])
def test_results_are_the_model_s_answers(interval: bool) -> None:
    results = BatchComputer(FakeModel(interval=interval), FakeCheck()).compute(SEVERAL)
    right = expected(SEVERAL)
    ends = ([v - 1 for v in right], [v + 1 for v in right]) if interval else (None, None)
    assert results == (right, *ends, [])


ZEROS = np.zeros(3)


@pytest.mark.parametrize(
    "answers",
    [
        Answers(np.zeros(2), None, None),
        Answers(np.zeros(4), None, None),
        Answers(np.zeros((3, 1)), None, None),
        Answers(ZEROS, np.zeros(2), ZEROS),
        Answers(ZEROS, ZEROS, np.zeros(0)),
        Answers(np.array([0, np.nan, 0]), None, None),
        Answers(ZEROS, np.array([0, -np.inf, 0]), ZEROS),
        Answers(ZEROS, ZEROS, np.array([0, np.inf, 0])),
        ValueError("a row"),
        SystemExit(),
    ],
    ids=repr,
)
def test_wrong_answers_are_errors(answers: object) -> None:
    with pytest.raises(InferenceFailed):
        BatchComputer(Returns(answers), FakeCheck()).compute(SEVERAL)


def test_a_check_that_raises_is_a_failure_of_preprocessing() -> None:
    class Raises(FakeCheck):
        def find(self, raw: Matrix, inputs: Matrix) -> list[Strange]:
            raise ValueError("a row")

    with pytest.raises(PreprocessingFailed) as failed:
        BatchComputer(FakeModel(), Raises()).compute(SEVERAL)
    assert isinstance(failed.value.__cause__, ValueError)
