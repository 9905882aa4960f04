"""Any interleaving of requests, errors, cancellations and deadlines gives everyone their own answer."""

from __future__ import annotations

import asyncio
import random

import pytest

from schemas.errors import InferenceFailed, Overloaded, PlumblineError, TimedOut
from serving.cache import MemoryCache, Value
from serving.cached_answers import CachedAnswers
from tests.unit.serving.answers import Shared, key, run, value

REQUESTS = 150
ERRORS: list[type[PlumblineError]] = [InferenceFailed, Overloaded, TimedOut]


class Traffic:
    """Requests for random rows of a few, some of which fail, leave or run out of time.

    Args:
        seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        # a small memory, so that it forgets
        self.cache = CachedAnswers(MemoryCache(1500, 60), Shared() if seed % 2 else None)
        self.computing: set[int] = set()

    async def wait(self, most: int) -> None:
        """Let others go first, up to so many times."""
        for _ in range(self.chance.randrange(most)):
            await asyncio.sleep(0)

    async def compute(self, numbers: list[int], doomed: bool) -> list[Value]:
        """What a model would answer for different rows; an error names the rows."""
        mine = set(numbers)
        assert len(mine) == len(numbers), "an equal row was computed twice for one request"
        assert not mine & self.computing, "a row was computed while another request was at it"
        self.computing |= mine
        try:
            await self.wait(6)
            if doomed:
                raise self.chance.choice(ERRORS)(",".join(map(str, numbers)))
            return [value(number) for number in numbers]
        finally:
            self.computing -= mine

    async def request(self) -> str:
        """One request, checked."""
        numbers = [self.chance.randrange(12) for _ in range(self.chance.choice([1, 1, 1, 2, 5]))]
        doomed = self.chance.random() < 0.2
        await self.wait(8)
        try:
            answered = await self.cache.answer(
                [key(number) for number in numbers],
                lambda rows: self.compute([numbers[row] for row in rows], doomed),
            )
        except PlumblineError as error:
            self.check_error(error, numbers, doomed)
            return "failed"
        assert answered.values == [value(number) for number in numbers]
        return "answered"

    @staticmethod
    def check_error(error: PlumblineError, numbers: list[int], doomed: bool) -> None:
        """An error may come from another request only if it is about one row that both have."""
        failed = set(map(int, error.detail.split(",")))
        assert failed <= set(numbers), "another row's error"
        assert doomed or (len(failed) == 1 and not isinstance(error, TimedOut)), "another request's error"

    async def all_at_once(self) -> None:
        """Every request, a fifth of them cancelled at some time."""
        tasks = [asyncio.create_task(self.request()) for _ in range(REQUESTS)]
        for task in tasks:
            if self.chance.random() < 0.2:
                await self.wait(4)
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in outcomes if not isinstance(each, str | asyncio.CancelledError)] == []
        assert outcomes.count("answered") > REQUESTS // 6
        assert self.cache._flights == {}
        assert self.computing == set()


@pytest.mark.parametrize("seed", range(60))
def test_any_interleaving_gives_everyone_their_own(seed: int) -> None:
    run(Traffic(seed).all_at_once())
