"""For tests of cached answers: rows that are numbers, a model that waits to be let go, a shared cache in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from serving.cache import MemoryCache, Value
from serving.cached_answers import Answered, CachedAnswers, Compute


def key(number: int) -> bytes:
    """A cache key for row `number`."""
    return number.to_bytes(16, "big")


def value(number: int) -> Value:
    """The one right answer for row `number`."""
    return Value(float(number), number - 1.0, number + 1.0)


class Computer:
    """Computes rows and remembers which; each call waits for the gate and may end in an error.

    Args:
        numbers: which row each key stands for.
        calls: where to note what was computed, for several to share.
    """

    def __init__(self, numbers: Sequence[int], calls: list[list[int]] | None = None) -> None:
        self.numbers, self.calls = numbers, [] if calls is None else calls
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, rows: list[int]) -> list[Value]:
        self.calls.append([self.numbers[row] for row in rows])
        self.begun.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [value(self.numbers[row]) for row in rows]


class Shared:
    """A shared cache in a dict."""

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}
        self.counts: dict[str, int] = {}
        self.asked, self.closed = list[list[bytes]](), False

    async def get_many(self, keys: Sequence[bytes]) -> list[Value | None]:
        """What the dict has."""
        self.asked.append(list(keys))
        await asyncio.sleep(0)
        return [self.values.get(each) for each in keys]

    def put_many(self, pairs: Sequence[tuple[bytes, Value]]) -> None:
        """Into the dict."""
        self.values.update(pairs)

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


def make(shared: Shared | None = None) -> CachedAnswers:
    """An empty cache."""
    return CachedAnswers(MemoryCache(1 << 20, 60), shared)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; one that hangs fails."""
    asyncio.run(asyncio.wait_for(main, 30))


async def begin(cache: CachedAnswers, numbers: Sequence[int], compute: Compute) -> asyncio.Task[Answered]:
    """A request that has got as far as it can on its own."""
    task = asyncio.create_task(cache.answer([key(number) for number in numbers], compute))
    await settle()
    return task


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)
