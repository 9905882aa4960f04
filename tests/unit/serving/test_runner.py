"""The in-process runner: what it batches, what it refuses, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from preprocessors.encoding import Matrix
from schemas.errors import InferenceFailed, Overloaded, PreprocessingFailed, TimedOut, Unavailable
from serving.batch import BatchComputer, Results
from serving.runner import LEAST_PART_ROWS, Runner, RunnerLimits
from tests.fake_model import (
    NOT_A_NUMBER,
    TRANSFORM_RAISES,
    FakeCheck,
    FakeModel,
    RowFailed,
    expected,
    held,
    matrix,
    send,
    turn,
)


@pytest.fixture
def model() -> Iterator[FakeModel]:
    fake = FakeModel()
    yield fake
    fake.gate.set()  # a failed test must not leave its thread behind


def runner_of(model: FakeModel, batch: int = 100, waiting: int = 1000, timeout: float = 60.0) -> Runner:
    return Runner(BatchComputer(model, FakeCheck()), RunnerLimits(batch, waiting, timeout))


def test_an_idle_runner_answers_at_once_without_a_second_request(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        assert (await runner.submit(matrix(7))).value == [21.0]
        runner.close()

    asyncio.run(story())
    assert model.batches == [[7]]


def test_what_arrives_in_one_turn_of_the_loop_shares_a_batch(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        await asyncio.gather(*(runner.submit(matrix(i)) for i in range(5)))
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0, 1, 2, 3, 4]]


def test_what_waits_while_the_thread_computes_goes_together_in_order_of_arrival(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        async with held(model, runner) as first:
            tasks = [first, send(runner, matrix(1)), send(runner, matrix(2, 3))]
            await turn()
            tasks.append(send(runner, matrix(4)))
            await turn()
            assert runner.counts.waiting_rows == 4
        await asyncio.gather(*tasks)
        assert runner.counts.waiting_rows == 0
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0], [1, 2, 3, 4]]


def test_a_client_that_asks_again_at_once_shares_the_batch_of_those_that_wait(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.runner.RETURN_SECONDS", 60.0)

    async def story() -> None:
        runner = runner_of(model)
        async with held(model, runner) as first:
            waiting = send(runner, matrix(1))
            await turn()
        await first
        await asyncio.sleep(0)  # its answer is written, its next request is read
        await runner.submit(matrix(2))
        await waiting
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0], [1, 2]]


def test_a_batch_does_not_wait_for_clients_for_long(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.runner.RETURN_TURNS", 10**9)

    async def story() -> None:
        runner = runner_of(model)
        async with held(model, runner) as first:
            second = send(runner, matrix(1))
            await turn()
        await asyncio.gather(first, second)
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0], [1]]


def test_a_batch_is_limited_in_rows_and_keeps_the_order(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, batch=4)
        async with held(model, runner) as first:
            tasks = [send(runner, rows) for rows in (matrix(1, 2), matrix(3, 4, 5), matrix(6), matrix(7))]
            await turn()
        await asyncio.gather(first, *tasks)
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0], [1, 2], [3, 4, 5, 6], [7]]  # 6 does not overtake [3, 4, 5]


def test_a_large_request_is_computed_in_parts_and_lets_others_through(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, batch=4)
        async with held(model, runner) as first:
            large = send(runner, matrix(*range(10, 20)))
            await turn()
            small = send(runner, matrix(1))
            await turn()
            assert runner.counts.waiting_rows == 11
        assert (await large).value == expected(matrix(*range(10, 20)))
        assert runner.counts.waiting_rows == 0
        await asyncio.gather(first, small)
        runner.close()

    asyncio.run(story())
    assert model.batches[:3] == [[0], [10, 11, 12, 13], [1]]
    assert [number for batch in model.batches[3:] for number in batch] == [14, 15, 16, 17, 18, 19]


class Paced(BatchComputer):
    """Claims to take so many seconds a row."""

    def __init__(self, model: FakeModel, seconds: float) -> None:
        super().__init__(model, FakeCheck())
        self._seconds = seconds

    def outcomes(self, batch: Any) -> Any:
        """The right ones; only the clock is wrong."""
        before = self.transform_seconds
        found = super().outcomes(batch)
        self.predict_seconds, self.transform_seconds = 0.0, before + self._seconds * sum(len(r.rows) for r in batch)
        return found


@pytest.mark.parametrize(
    ("microseconds", "later"),
    [(1, 4000), (10, 1000), (25, 400), (1000, LEAST_PART_ROWS)],
    ids=["as many as the limit allows", "fewer than the limit", "still fewer", "never too few"],
)
def test_the_parts_of_a_large_request_take_about_as_long_whatever_the_model(
    model: FakeModel, microseconds: float, later: int
) -> None:
    async def story() -> None:
        runner = Runner(Paced(model, microseconds * 1e-6), RunnerLimits(4000, 20_000, 60.0))
        numbers = range(10_000)
        assert (await runner.submit(matrix(*numbers))).value == expected(matrix(*numbers))
        runner.close()

    asyncio.run(story())
    assert len(model.batches[0]) == LEAST_PART_ROWS  # nothing is known yet
    assert all(abs(len(batch) - later) <= 1 for batch in model.batches[1:-1])
    assert [number for batch in model.batches for number in batch] == list(range(10_000))


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, waiting=5)
        async with held(model, runner) as first:
            waiting = [send(runner, matrix(1, 2, 3)), send(runner, matrix(4, 5))]
            await turn()
            with pytest.raises(Overloaded) as refused:
                await runner.submit(matrix(6))
            assert int(refused.value.headers["Retry-After"]) >= 1
            assert (runner.counts.shed, runner.counts.waiting_rows) == (1, 5)
        await asyncio.gather(first, *waiting)
        assert (await runner.submit(matrix(7))).value == [21.0]
        runner.close()

    asyncio.run(story())


def test_an_empty_queue_takes_a_request_of_any_size(model: FakeModel) -> None:
    rows = matrix(*range(50))

    async def story() -> Results:
        runner = runner_of(model, batch=8, waiting=5)
        try:
            return await runner.submit(rows)
        finally:
            runner.close()

    assert asyncio.run(story()).value == expected(rows)


def test_the_deadline_holds_while_the_thread_is_stuck(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, batch=4, timeout=0.05)
        async with held(model, runner) as computed:
            tasks = [computed, send(runner, matrix(1)), send(runner, matrix(*range(10, 20)))]
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(one) for one in found] == [TimedOut] * 3
            assert (runner.counts.timed_out, runner.counts.waiting_rows) == (3, 0)
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0]]  # what was too late was not computed


def test_each_request_has_its_own_deadline(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, timeout=1.0)
        async with held(model, runner) as early:
            await asyncio.sleep(0.01)  # so that one ring of the timer cannot be for both
            later = send(runner, matrix(1))
            for task in (early, later):
                with pytest.raises(TimedOut):
                    await task
            latest = send(runner, matrix(2))
            await turn()
        assert (await latest).value == [6.0]
        runner.close()

    asyncio.run(story())


def test_work_whose_caller_has_left_is_not_computed(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, batch=4)
        async with held(model, runner) as first:
            tasks = [send(runner, rows) for rows in (matrix(1), matrix(2), matrix(*range(10, 20)), matrix(3))]
            await turn()
            for task in (tasks[0], tasks[2]):
                task.cancel()
            await turn()
            assert runner.counts.waiting_rows == 2
        await asyncio.gather(first, *tasks, return_exceptions=True)
        runner.close()

    asyncio.run(story())
    assert model.batches == [[0], [2, 3]]


def test_a_caller_that_leaves_at_once_is_not_counted(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        stays, leaves = send(runner, matrix(1)), send(runner, matrix(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(stays, leaves, return_exceptions=True)
        assert (runner.counts.requests, runner.counts.rows, runner.counts.waiting_rows) == (1, 1, 0)
        runner.close()

    asyncio.run(story())
    assert model.batches == [[1]]


def test_a_failed_batch_is_not_computed_again_for_those_that_left(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        model.gate.clear()
        guilty, gone, good = (send(runner, rows) for rows in (matrix(1, kind=TRANSFORM_RAISES), matrix(2), matrix(3)))
        assert await asyncio.to_thread(model.entered.wait, 30)
        gone.cancel()
        await turn()
        model.gate.set()
        with pytest.raises(PreprocessingFailed) as failed:
            await guilty
        assert isinstance(failed.value.__cause__, RowFailed)
        assert (await good).value == [9.0]
        runner.close()

    asyncio.run(story())
    assert model.batches == [[1, 2, 3], [1], [3]]


def test_one_bad_row_among_many_requests_costs_few_calls_of_the_model(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model, batch=64)
        requests = [matrix(i, kind=NOT_A_NUMBER if i == 50 else 0) for i in range(64)]
        found = await asyncio.gather(*(runner.submit(rows) for rows in requests), return_exceptions=True)
        assert [i for i, one in enumerate(found) if isinstance(one, InferenceFailed)] == [50]
        runner.close()

    asyncio.run(story())
    assert len(model.batches) == 1 + 2 * 6  # halves of halves of 64


def test_counts_tell_what_was_done(model: FakeModel) -> None:
    async def story() -> None:
        runner = runner_of(model)
        async with held(model, runner) as first:
            others = [send(runner, matrix(1, 2)), send(runner, matrix(3))]
            await turn()
        await asyncio.gather(first, *others)
        counts = runner.counts
        assert (counts.requests, counts.batches, counts.rows, counts.shed, counts.timed_out) == (3, 2, 4, 0, 0)
        assert sum(batch.rows for batch in runner.batches) == counts.rows
        assert sum(len(batch.waits) for batch in runner.batches) == counts.requests
        assert all(min(*batch.waits, batch.transform, batch.predict) > 0 for batch in runner.batches)
        runner.close()

    asyncio.run(story())


def test_closing_lets_accepted_work_finish_and_the_thread_go(model: FakeModel) -> None:
    before = threading.active_count()

    async def story() -> None:
        runner = runner_of(model, batch=4)
        async with held(model, runner) as first:
            accepted = [first, send(runner, matrix(1)), send(runner, matrix(*range(10, 20)))]
            await turn()
            runner.close()
            with pytest.raises(Unavailable):
                await runner.submit(matrix(2))
        assert [len((await task).value) for task in accepted] == [1, 1, 10]
        runner._thread.shutdown(wait=True)  # it ends by itself; this only waits for it

    asyncio.run(story())
    assert threading.active_count() == before


@pytest.mark.parametrize("closed", [True, False])
def test_dropping_a_runner_frees_its_model(closed: bool) -> None:
    async def story() -> weakref.ref[FakeModel]:
        model = FakeModel()
        runner = runner_of(model)
        await asyncio.gather(*(runner.submit(matrix(i)) for i in range(10)))
        if closed:
            runner.close()
        thread = next(iter(runner._thread._threads))
        freed = weakref.ref(model)
        del model, runner
        await asyncio.to_thread(thread.join, 30)
        gc.collect()
        assert not thread.is_alive()
        return freed

    assert asyncio.run(story())() is None


def test_a_model_that_returns_no_answers_at_all_is_heard_of() -> None:
    class Broken(FakeModel):
        def predict(self, inputs: Matrix) -> None:  # type: ignore[override]
            return

    async def story() -> None:
        runner = runner_of(Broken())
        with pytest.raises(InferenceFailed):
            await runner.submit(matrix(1))
        runner.close()

    asyncio.run(story())
