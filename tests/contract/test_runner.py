"""What every runner must do, wherever it computes. Add an implementation to IMPLEMENTATIONS and it is held to this."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from schemas.errors import PlumblineError, PreprocessingFailed, Unavailable
from serving.batch import BatchComputer, Results
from serving.frames import RemoteCause
from serving.held_versions import HeldVersions
from serving.remote import ServiceComputer
from serving.runner import Runner, RunnerLimits, SubmitsRows
from tests.fake_model import (
    ERRORS,
    PREDICT_RAISES,
    STRANGE,
    TRANSFORM_RAISES,
    FakeCheck,
    FakeModel,
    RowFailed,
    expected,
    matrix,
)

LIMITS = RunnerLimits(max_batch_rows=32, max_waiting_rows=100_000, timeout_seconds=60.0)


class Implementation(NamedTuple):
    """A runner under test.

    Args:
        make: a runner of the fake model with this salt, with LIMITS.
        stress_requests: how many requests the property test sends.
    """

    make: Callable[[float], SubmitsRows]
    stress_requests: int


class DirectLink:
    """The runner service called without a wire: every byte of it, but no BentoML in between."""

    def __init__(self) -> None:
        self.held = HeldVersions(lambda salt: BatchComputer(FakeModel(float(salt)), FakeCheck()), LIMITS.max_batch_rows)
        self._one_at_a_time = threading.Lock()

    def compute(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """Have calls answered."""
        assert seconds > 0
        with self._one_at_a_time:
            return self.held.answer(frames)

    def hold(self, version: str) -> list[str]:
        """Have a version held."""
        return self.held.hold("worker", version)


LINK = DirectLink()
"""One for all: the versions of a test share the service."""


IMPLEMENTATIONS = {
    "service": Implementation(
        lambda salt: Runner(ServiceComputer(str(salt), LINK, LIMITS.timeout_seconds), LIMITS), stress_requests=40_000
    ),
    "in_process": Implementation(
        lambda salt: Runner(BatchComputer(FakeModel(salt), FakeCheck()), LIMITS), stress_requests=100_000
    ),
}


@pytest.fixture(params=list(IMPLEMENTATIONS))
def implementation(request: pytest.FixtureRequest) -> Implementation:
    return IMPLEMENTATIONS[request.param]


@contextmanager
def running(implementation: Implementation, salt: float = 0.0) -> Iterator[SubmitsRows]:
    runner = implementation.make(salt)
    try:
        yield runner
    finally:
        runner.close()


async def together(runner: SubmitsRows, requests: list[Matrix]) -> list[Results | BaseException]:
    return await asyncio.gather(*(runner.submit(rows) for rows in requests), return_exceptions=True)


def answer(found: Results | BaseException) -> Results:
    assert isinstance(found, Results), found
    return found


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 64, 1000])
def test_answers_are_those_of_the_rows_in_their_order(implementation: Implementation, size: int) -> None:
    rows = matrix(*range(size))
    with running(implementation) as runner:
        results = asyncio.run(runner.submit(rows))
    right = expected(rows)
    assert results.value == right
    assert results.low == [value - 1 for value in right]
    assert results.high == [value + 1 for value in right]


def test_requests_together_get_their_own_answers(implementation: Implementation) -> None:
    requests = [matrix(*range(100 * i, 100 * i + i % 7 + 1)) for i in range(200)]
    with running(implementation, salt=0.5) as runner:
        found = asyncio.run(together(runner, requests))
    assert [answer(one).value for one in found] == [expected(rows, 0.5) for rows in requests]


@pytest.mark.parametrize("size", [3, 100])
def test_strange_rows_are_numbered_from_the_start_of_their_request(implementation: Implementation, size: int) -> None:
    requests = [matrix(*range(1000 * i, 1000 * i + size)) for i in range(4)]
    for rows in requests:
        rows[[1, -1], 1] = STRANGE
    with running(implementation) as runner:
        found = asyncio.run(together(runner, requests))
    for rows, one in zip(requests, found, strict=True):
        strange = [(s.row, s.message) for s in answer(one).strange]
        assert strange == [(1, f"{rows[1, 0]:g}"), (size - 1, f"{rows[-1, 0]:g}")]


@pytest.mark.parametrize("kind", list(ERRORS))
def test_only_the_request_with_the_bad_row_fails(implementation: Implementation, kind: int) -> None:
    requests = [matrix(i) for i in range(20)]
    requests[13] = np.concatenate([matrix(13), matrix(14, kind=kind), matrix(15)])
    with running(implementation) as runner:
        found = asyncio.run(together(runner, requests))
    assert type(found.pop(13)) is ERRORS[kind]
    requests.pop(13)
    assert [answer(one).value for one in found] == [expected(rows) for rows in requests]


@pytest.mark.parametrize("kind", list(ERRORS))
def test_a_bad_row_in_a_large_request_fails_it_as_a_whole(implementation: Implementation, kind: int) -> None:
    rows = matrix(*range(100))
    rows[70, 1] = kind
    with running(implementation) as runner, pytest.raises(ERRORS[kind]):
        asyncio.run(runner.submit(rows))


def test_rows_of_another_width_harm_nobody(implementation: Implementation) -> None:
    with running(implementation) as runner:
        found = asyncio.run(together(runner, [matrix(1), matrix(1)[:, :1], matrix(2)]))
    assert isinstance(found.pop(1), PlumblineError)
    assert [answer(one).value for one in found] == [[3.0], [6.0]]


def test_after_a_failure_the_runner_goes_on(implementation: Implementation) -> None:
    async def story(runner: SubmitsRows) -> Results:
        with pytest.raises(PreprocessingFailed):
            await runner.submit(matrix(1, kind=TRANSFORM_RAISES))
        return await runner.submit(matrix(2))

    with running(implementation) as runner:
        assert asyncio.run(story(runner)).value == [6.0]


def test_a_client_that_leaves_harms_nobody(implementation: Implementation) -> None:
    async def story(runner: SubmitsRows) -> list[Results | BaseException]:
        tasks = [asyncio.create_task(runner.submit(matrix(i))) for i in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with running(implementation) as runner:
        found = asyncio.run(story(runner))
    for i, one in enumerate(found):
        if i % 3 == 0:
            assert isinstance(one, asyncio.CancelledError)
        else:
            assert answer(one).value == [3.0 * i]


def test_a_closed_runner_finishes_what_it_has_and_refuses_more(implementation: Implementation) -> None:
    async def story(runner: SubmitsRows) -> list[Results]:
        tasks = [asyncio.create_task(runner.submit(matrix(*range(40 * i, 40 * i + 40)))) for i in range(5)]
        await asyncio.sleep(0)
        runner.close()
        with pytest.raises(Unavailable):
            await runner.submit(matrix(1))
        runner.close()  # a second time does no harm
        return await asyncio.gather(*tasks)

    with running(implementation) as runner:
        found = asyncio.run(story(runner))
    assert [one.value for one in found] == [expected(matrix(*range(40 * i, 40 * i + 40))) for i in range(5)]


class Stress:
    """Clients with random rows, errors and impatience; every answer is compared with the right one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._next_row = 0
        self.seen: Counter[str] = Counter()

    async def clients(self, runner: SubmitsRows, salt: float, clients: int, requests: int) -> None:
        await asyncio.gather(*(self._client(runner, salt, requests // clients) for _ in range(clients)))

    async def _client(self, runner: SubmitsRows, salt: float, requests: int) -> None:
        for _ in range(requests):
            rows = self._rows()
            impatient = self._random.random() < 0.05
            task = self._leave_early(runner, rows) if impatient else runner.submit(rows)
            [found] = await asyncio.gather(task, return_exceptions=True)
            self.seen[_checked(found, rows, salt)] += 1

    def _rows(self) -> Matrix:
        size = self._random.choice((1, 1, 1, 1, 1, 2, 3, 7)) if self._random.random() < 0.995 else 80
        rows = matrix(*range(self._next_row, self._next_row + size))
        self._next_row += size
        if self._random.random() < 0.02:
            rows[self._random.randrange(size), 1] = self._random.choice([*ERRORS, STRANGE])
        return rows

    async def _leave_early(self, runner: SubmitsRows, rows: Matrix) -> Results:
        task = asyncio.ensure_future(runner.submit(rows))
        for _ in range(self._random.randrange(6)):
            await asyncio.sleep(0)
        task.cancel()
        return await task


def _checked(found: Results | BaseException, rows: Matrix, salt: float) -> str:
    """Which way a request ended, once it is sure that it ended rightly."""
    if isinstance(found, asyncio.CancelledError):
        return "cancelled"
    kinds = set(rows[:, 1].astype(int).tolist())
    if kinds & ERRORS.keys():
        assert type(found) in {ERRORS[kind] for kind in kinds & ERRORS.keys()}
        if kinds & {TRANSFORM_RAISES, PREDICT_RAISES}:
            cause = found.__cause__ if isinstance(found, PlumblineError) else None
            assert isinstance(cause, RowFailed | RemoteCause)
            assert float(str(cause).rsplit(" ", 1)[1]) in rows[:, 0]
        return "failed"
    results = answer(found)
    assert results.value == expected(rows, salt)
    assert [s.row for s in results.strange] == np.flatnonzero(rows[:, 1] == STRANGE).tolist()
    return "answered"


def test_every_answer_belongs_to_its_request(implementation: Implementation) -> None:
    """Random sizes, errors, cancellations and versions; nothing is lost, mixed up or left hanging."""
    stress, versions, clients = Stress(seed=20), 4, 50
    requests = implementation.stress_requests // versions

    async def story(runners: list[SubmitsRows]) -> None:
        await asyncio.gather(*(stress.clients(r, i / versions, clients, requests) for i, r in enumerate(runners)))

    runners = [implementation.make(i / versions) for i in range(versions)]
    asyncio.run(story(runners))
    for runner in runners:
        runner.close()
    assert stress.seen.total() == implementation.stress_requests
    assert min(stress.seen[outcome] for outcome in ("answered", "failed", "cancelled")) > 0
