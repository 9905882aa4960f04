"""The row that makes a request fail is named, whichever way it went; what no row is guilty of names none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from registry.bundle import Answers
from schemas.errors import InferenceFailed, PlumblineError, PreprocessingFailed
from serving.batch import BatchComputer, Request, Results
from serving.cache import MemoryCache, Value
from serving.cached_answers import CachedAnswers
from serving.frames import read_answer, write_answer
from serving.guilty_rows import named, row_of
from serving.runner import Runner, RunnerLimits
from tests.fake_model import (
    ERRORS,
    PREDICT_RAISES,
    TOO_SHORT,
    TRANSFORM_RAISES,
    FakeCheck,
    FakeModel,
    RowFailed,
    expected,
    matrix,
    send,
    turn,
)


class Together(FakeModel):
    """Fails with what `failure` gives for that many rows."""

    def __init__(self, failure: Callable[[int], BaseException | None]) -> None:
        super().__init__()
        self._failure = failure

    def predict(self, inputs: Matrix) -> Answers:
        failure = self._failure(len(inputs))
        if failure is not None:
            raise failure
        return super().predict(inputs)


def outcomes(model: FakeModel, *requests: Matrix) -> list[Results | PlumblineError]:
    """What each of these requests of one batch gets."""
    loop = asyncio.new_event_loop()
    try:
        batch = [Request(rows, loop.create_future()) for rows in requests]
        return [found for _, found in BatchComputer(model, FakeCheck()).outcomes(batch)]
    finally:
        loop.close()


def failed(model: FakeModel, rows: Matrix) -> PlumblineError:
    """The error of the only request."""
    (found,) = outcomes(model, rows)
    assert isinstance(found, PlumblineError)
    return found


def with_guilty(size: int, *guilty: int, kind: int) -> Matrix:
    """Rows of which these make the model fail."""
    rows = matrix(*range(size))
    rows[list(guilty), 1] = kind
    return rows


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("size", [1, 2, 3, 17, 64])
def test_the_guilty_row_is_named_after_few_attempts(kind: int, size: int) -> None:
    for guilty in range(size):
        model = FakeModel()
        error = failed(model, with_guilty(size, guilty, kind=kind))
        assert (type(error), row_of(error)) == (ERRORS[kind], guilty)
        _, *attempts = model.batches
        assert len(attempts) <= np.ceil(np.log2(size)) + 1
        assert sum(map(len, attempts)) <= size


def test_the_error_says_what_it_said_and_names_the_row_as_broken_fields_are_named() -> None:
    error = failed(FakeModel(), with_guilty(20, 17, kind=PREDICT_RAISES))
    assert error.detail == "The model failed on a valid row; the log has the cause."
    assert isinstance(error.__cause__, RowFailed)
    (listed,) = error.extension["errors"]
    assert listed | {"message": ""} == {"row": 17, "field": "", "rule": "inference", "message": "", "limit": None}


@pytest.mark.parametrize("kind", ERRORS)
def test_of_several_guilty_rows_the_first_is_named(kind: int) -> None:
    assert row_of(failed(FakeModel(), with_guilty(50, 49, 9, 31, kind=kind))) == 9


def test_a_row_that_fails_otherwise_is_not_what_the_request_failed_of() -> None:
    rows = with_guilty(50, 31, kind=TRANSFORM_RAISES)  # the pipeline comes first
    rows[9, 1] = PREDICT_RAISES
    error = failed(FakeModel(), rows)
    assert (type(error), row_of(error)) == (PreprocessingFailed, 31)


@pytest.mark.parametrize("most", [1, 2, 30, 63])
def test_what_fails_only_together_names_no_row(most: int) -> None:
    error = failed(Together(lambda count: ValueError("too many") if count > most else None), matrix(*range(64)))
    assert (type(error), row_of(error), error.extension) == (InferenceFailed, None, {})
    assert isinstance(error.__cause__, ValueError)


def test_what_does_not_fail_again_names_no_row() -> None:
    failures = iter([ValueError("once")])
    assert row_of(failed(Together(lambda _: next(failures, None)), matrix(*range(64)))) is None


def test_where_memory_ran_out_no_row_is_looked_for() -> None:
    model = Together(lambda _: MemoryError())
    assert row_of(failed(model, matrix(*range(64)))) is None
    assert len(model.batches) == 1


def test_a_model_that_loses_rows_of_every_batch_is_found_in_the_first() -> None:
    class Short(FakeModel):
        def predict(self, inputs: Matrix) -> Answers:
            return Answers(np.zeros(len(inputs) - 1), None, None)

    assert row_of(failed(Short(), matrix(*range(64)))) == 0


def test_the_other_requests_of_the_batch_are_answered() -> None:
    requests = [matrix(1, 2), with_guilty(30, 12, kind=PREDICT_RAISES), matrix(3), with_guilty(5, 4, kind=TOO_SHORT)]
    found = outcomes(FakeModel(), *requests)
    for rows, one in zip(requests, found, strict=True):
        guilty = np.flatnonzero(rows[:, 1]).tolist()
        if guilty:
            assert isinstance(one, PlumblineError)
            assert row_of(one) == guilty[0]
        else:
            assert isinstance(one, Results)
            assert one.value == expected(rows)


def test_for_a_client_that_has_left_no_row_is_looked_for() -> None:
    async def story() -> list[list[float]]:
        model = FakeModel()
        runner = Runner(BatchComputer(model, FakeCheck()))
        model.gate.clear()
        leaves = send(runner, with_guilty(64, 5, kind=PREDICT_RAISES))
        assert await asyncio.to_thread(model.entered.wait, 30)
        leaves.cancel()
        await turn()
        model.gate.set()
        await runner.submit(matrix(100))
        runner.close()
        return [batch for batch in model.batches if batch != [100]]

    assert len(asyncio.run(story())) == 1


@pytest.mark.parametrize("guilty", [0, 31, 32, 70, 95, 96])
def test_a_large_request_counts_its_rows_from_its_own_start(guilty: int) -> None:
    async def story() -> int | None:
        runner = Runner(BatchComputer(FakeModel(), FakeCheck()), RunnerLimits(max_batch_rows=32))
        everything = np.concatenate([matrix(7, 8, 9), with_guilty(97, guilty, kind=PREDICT_RAISES)])
        with pytest.raises(InferenceFailed) as error:
            await runner.submit(everything[3:])  # a slice itself
        assert isinstance(error.value.__cause__, RowFailed)
        runner.close()
        return row_of(error.value)

    assert asyncio.run(story()) == guilty


def test_rows_beside_cached_ones_keep_their_numbers() -> None:
    """Of the rows that a request asks for some are known, so that fewer are computed."""

    def value(number: int) -> Value:
        return Value(float(number), None, None, ())

    async def compute(rows: list[int]) -> list[Value]:
        if 3 in rows:
            raise named(InferenceFailed("no"), rows.index(3))
        return [value(row) for row in rows]

    async def story() -> None:
        cache = CachedAnswers(MemoryCache(1 << 20, 3600))
        keys = [bytes([number]) * 16 for number in range(6)]
        await cache.answer([keys[0], keys[2]], lambda _: compute([0, 2]))
        with pytest.raises(InferenceFailed) as error:
            await cache.answer(keys, compute)
        assert row_of(error.value) == 3

    asyncio.run(story())


def test_a_request_that_waits_for_anothers_guilty_row_names_it_by_its_own_number() -> None:
    async def story() -> None:
        cache, begun, go_on = CachedAnswers(MemoryCache(1 << 20, 3600)), asyncio.Event(), asyncio.Event()

        async def fails(_: list[int]) -> list[Value]:
            begun.set()
            await go_on.wait()
            raise named(InferenceFailed("no"), 0)

        async def computes(rows: list[int]) -> list[Value]:
            return [Value(1.0, None, None, ()) for _ in rows]

        first = asyncio.create_task(cache.answer([b"guilty"], fails))
        await begun.wait()
        second = asyncio.create_task(cache.answer([b"a", b"b", b"guilty"], computes))
        await turn()
        go_on.set()
        found = await asyncio.gather(first, second, return_exceptions=True)
        assert [row_of(error) for error in found if isinstance(error, InferenceFailed)] == [0, 2]

    asyncio.run(story())


def test_the_row_comes_through_the_wire() -> None:
    for error in (named(PreprocessingFailed("no"), 17), PreprocessingFailed("no")):
        _, found = read_answer(write_answer("1", error))
        assert isinstance(found, PreprocessingFailed)
        assert found.extension == error.extension
