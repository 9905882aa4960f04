"""Answers that need not be computed: from memory, from Redis, or from another request that is at it already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from schemas.errors import InferenceFailed, TimedOut
from serving.cache import MemoryCache, Value
from serving.cache_url import MEMORY, OFF
from serving.guilty_rows import renumbered, row_of
from serving.settings import Settings

Compute = Callable[[list[int]], Awaitable[Sequence[Value]]]
"""Computes the rows at these indices, in their order."""


class SharedCache(Protocol):
    """A cache outside this process. It never raises for being slow or gone; it finds nothing then.

    `counts` says how often, by kind of problem; it only grows.
    """

    counts: dict[str, int]

    async def get_many(self, keys: Sequence[bytes]) -> list[Value | None]:
        """The values of the keys, in their order."""

    def put_many(self, pairs: Sequence[tuple[bytes, Value]]) -> None:
        """Store values, without waiting for it."""

    async def close(self) -> None:
        """Let go of everything."""


class Answered(NamedTuple):
    """Answers in the order of the keys, and for each whether it was not computed for this request."""

    values: list[Value]
    cached: list[bool]


class _Failed(NamedTuple):
    error: Exception


_Waiter = asyncio.Future[Value | _Failed | None]
"""What a request that waits for another's row is told; None: the other gave up, look again."""


class CachedAnswers:
    """Computes a row only when its answer is neither cached nor being computed. For one event loop.

    Args:
        memory: the cache in front; its time to live holds for Redis's answers anew.
        shared: the cache behind it, if there is one.
        timeout_seconds: deadline of a request that waits for what another computes.
    """

    def __init__(self, memory: MemoryCache, shared: SharedCache | None = None, timeout_seconds: float = 10.0) -> None:
        self.memory, self.shared, self._timeout = memory, shared, timeout_seconds
        self._flights: dict[bytes, list[_Waiter]] = {}
        self.counts = dict.fromkeys(("memory", "shared", "joined", "computed", "unstorable"), 0)

    async def answer(self, keys: Sequence[bytes], compute: Compute) -> Answered:
        """The answers to rows with these keys.

        `compute` is called for the rows that are neither cached nor being computed for another request, once, unless
        such a request gives up: its rows are then computed here.

        Raises:
            TimedOut: what another request computes did not come in time. `compute` has its own deadline.
            InferenceFailed: `compute` gave another number of answers than it was asked for.
            Whatever else `compute` raised, for this request or for the same row of one that this one waited for.
        """
        begun = asyncio.get_running_loop().time()
        values = [self.memory.get(key) for key in keys]
        cached = [True] * len(keys)
        missing = [row for row, value in enumerate(values) if value is None]
        self.counts["memory"] += len(keys) - len(missing)
        waiters = await self._get(keys, missing, compute, values, cached) if missing else []
        if waiters:
            try:
                async with asyncio.timeout_at(begun + self._timeout):
                    await self._get_from_others(keys, waiters, compute, values, cached)
            except TimeoutError:
                raise TimedOut(f"No answer within {self._timeout:g} seconds; try again.") from None
        return Answered([value for value in values if value is not None], cached)

    async def close(self) -> None:
        """Let the shared cache go."""
        if self.shared is not None:
            await self.shared.close()

    async def _get(
        self, keys: Sequence[bytes], rows: list[int], compute: Compute, values: list[Value | None], cached: list[bool]
    ) -> list[tuple[int, _Waiter]]:
        """Get those of the rows that nobody is getting yet; gives back the others, with where to wait for them."""
        mine, waiters = self._claim(keys, rows)
        if mine:  # before waiting for anyone, so that no two requests ever wait for each other
            for row, value, known in await self._fly(keys, mine, compute):
                values[row], cached[row] = value, known
        return waiters

    async def _get_from_others(
        self,
        keys: Sequence[bytes],
        waiters: list[tuple[int, _Waiter]],
        compute: Compute,
        values: list[Value | None],
        cached: list[bool],
    ) -> None:
        while waiters:
            for row, waiter in waiters:
                values[row] = await self._joined(row, waiter) or self.memory.get(keys[row])
            given_up = [row for row, _ in waiters if values[row] is None]
            waiters = await self._get(keys, given_up, compute, values, cached)

    def _claim(self, keys: Sequence[bytes], rows: Sequence[int]) -> tuple[list[int], list[tuple[int, _Waiter]]]:
        """The rows that this request has to get, and those that another (or itself, for equal rows) is getting."""
        mine: list[int] = []
        waiters: list[tuple[int, _Waiter]] = []
        for row in rows:
            flight = self._flights.get(keys[row])
            if flight is None:
                self._flights[keys[row]] = []
                mine.append(row)
            else:
                waiter: _Waiter = asyncio.get_running_loop().create_future()
                flight.append(waiter)
                waiters.append((row, waiter))
        return mine, waiters

    async def _fly(self, keys: Sequence[bytes], mine: list[int], compute: Compute) -> list[tuple[int, Value, bool]]:
        """Get claimed rows and tell those who wait for them. Gives row, value, and whether it was known."""
        rows, landed = mine, []
        try:
            if self.shared is not None:
                landed = await self._from_shared(self.shared, keys, rows)
                known = {row for row, _, _ in landed}
                rows = [row for row in rows if row not in known]
            if rows:
                computed = await compute(rows)
                if len(computed) != len(rows):
                    raise InferenceFailed(f"The model gave {len(computed)} answers for {len(rows)} rows.")
                self._store(keys, rows, computed)
                landed += [(row, value, False) for row, value in zip(rows, computed, strict=True)]
        except BaseException as error:
            told = _Failed(error) if isinstance(error, Exception) and _is_theirs_too(error, rows) else None
            for row in rows:
                self._land(keys[row], told)
            if row_of(error) is None:
                raise
            raise renumbered(error, rows) from error.__cause__
        return landed

    async def _from_shared(
        self, shared: SharedCache, keys: Sequence[bytes], rows: list[int]
    ) -> list[tuple[int, Value, bool]]:
        found = await shared.get_many([keys[row] for row in rows])
        known = [(row, value, True) for row, value in zip(rows, found, strict=True) if value is not None]
        for row, value, _ in known:
            self.memory.put(keys[row], value)
            self._land(keys[row], value)
        self.counts["shared"] += len(known)
        return known

    def _store(self, keys: Sequence[bytes], rows: Sequence[int], computed: Sequence[Value]) -> None:
        self.counts["computed"] += len(rows)
        stored = []
        for row, value in zip(rows, computed, strict=True):
            try:
                self.memory.put(keys[row], value)
                stored.append((keys[row], value))
            except ValueError:  # such as an infinite interval: it is an answer, but none to repeat
                self.counts["unstorable"] += 1
            self._land(keys[row], value)
        if self.shared is not None:
            self.shared.put_many(stored)

    def _land(self, key: bytes, told: Value | _Failed | None) -> None:
        for waiter in self._flights.pop(key, ()):
            if not waiter.done():  # its request has left
                waiter.set_result(told)

    async def _joined(self, row: int, waiter: _Waiter) -> Value | None:
        told = await waiter
        if isinstance(told, _Failed):
            raise renumbered(told.error, [row]) from told.error.__cause__  # it was one row there
        self.counts["joined"] += told is not None
        return told


def _is_theirs_too(error: Exception, rows: Sequence[int]) -> bool:
    """Whether an error belongs to the row, so that everyone who waits for the row should have it.

    A deadline is the request's own. Of several rows that failed together, nobody knows which one it was.
    """
    return len(rows) == 1 and not isinstance(error, TimedOut | TimeoutError)


def open_cache(settings: Settings) -> CachedAnswers | None:
    """The cache that the settings ask for; None if it is off. Does no I/O."""
    url = settings.cache_url.get_secret_value()
    if url == OFF:
        return None
    memory = MemoryCache(settings.cache_bytes, settings.cache_ttl_seconds)
    shared = None
    if url != MEMORY:
        from serving.redis_cache import RedisCache  # its client costs each worker 8 MB and 0.1 s of its start

        shared = RedisCache(url, settings.cache_ttl_seconds, settings.cache_timeout_seconds)
    return CachedAnswers(memory, shared, settings.request_timeout_seconds)
