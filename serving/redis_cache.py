"""Cached answers in Redis, for a fleet. Whatever Redis does, a request loses at most the timeout and never fails.

Calls are gathered: while one command is on its way, keys that come in wait for the next, which asks for all of them.
So 64 requests at once cost a few commands, two connections do, and no request's cancellation ever leaves a
connection with another's answer in it. Writing happens after the answer was given.

A single Redis, a sentinel-led one behind one address, and a proxy will do; Redis Cluster will not, since one command
asks for many keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving.breaker import Breaker
from serving.cache import Nonsense, Value, seal, unseal

PREFIX = b"plumbline:"
"""Start of every key of ours; the rest is the cache key in hexadecimal."""

CONNECT_SECONDS = 1.0
"""Longest wait for a new connection. It may be longer than the timeout: the requests do not wait for it."""

MOST_KEYS = 512
"""Most keys in one command. A request with more rows is not looked up: computing it is as quick."""

MOST_UNWRITTEN = 4096
"""Most answers that wait to be written; further ones are not written."""

COUNTS = ("timeouts", "connection", "refused", "nonsense", "late", "breaker_open", "too_many", "unwritten")
"""What is counted: commands that timed out, found no connection, or were refused; values that are none of ours;
requests that went on before the answer came; lookups and writes that an open breaker kept away; requests with more
than MOST_KEYS rows; answers over MOST_UNWRITTEN."""

_Asked = tuple[Sequence[bytes], asyncio.Future[list[Any] | None]]
"""The keys of one request, and where it waits for what Redis has under them."""


class RedisCache:
    """Answers shared through Redis. Make it without an event loop, use it in one.

    Args:
        url: redis:// or rediss://; it may hold a password, so it is kept nowhere but in the client.
        ttl_seconds: age at which Redis forgets an answer.
        timeout_seconds: longest that a request waits, and longest that a command may take.
        clock: seconds that only go up, for the breakers.
    """

    def __init__(
        self, url: str, ttl_seconds: float, timeout_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client: Redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # saves the round trip that asks for a newer one
            max_connections=4,
        )
        self._ttl_ms, self._timeout = max(1, round(ttl_seconds * 1000)), timeout_seconds
        self._may_read = Breaker("reading cached answers from Redis", clock)
        self._may_write = Breaker("writing cached answers to Redis", clock)
        self._waiting: list[_Asked] = []
        self._unwritten: dict[bytes, bytes] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        self.counts = dict.fromkeys(COUNTS, 0)

    async def get_many(self, keys: Sequence[bytes]) -> list[Value | None]:
        """The values of the keys, in their order; None where Redis has none or cannot say in time."""
        nothing: list[Value | None] = [None] * len(keys)
        if self._closed or not self._allowed(len(keys)):
            return nothing
        waiter: asyncio.Future[list[Any] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, waiter))
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="read-cache")
        try:
            async with asyncio.timeout(self._timeout):
                found = await waiter
        except TimeoutError:
            self.counts["late"] += 1
            return nothing
        return nothing if found is None else [self._unsealed(*pair) for pair in zip(keys, found, strict=True)]

    def put_many(self, pairs: Sequence[tuple[bytes, Value]]) -> None:
        """Write values when there is time for it; returns at once.

        Raises:
            ValueError: a value cannot be stored, see `cache.pack`.
        """
        if self._closed:
            return
        for key, value in pairs:
            if len(self._unwritten) >= MOST_UNWRITTEN:
                self.counts["unwritten"] += 1
            else:
                self._unwritten[key] = seal(key, value)
        if self._writer is None and self._unwritten:
            self._writer = asyncio.create_task(self._write(), name="write-cache")

    async def close(self) -> None:
        """Write what is waiting, within the timeout, and let the connections go. Later calls find nothing."""
        self._closed = True
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._hand_out(self._waiting, None)
        with contextlib.suppress(Exception):  # a Redis that is gone cannot be said goodbye
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._client.aclose()

    def _allowed(self, keys: int) -> bool:
        if keys > MOST_KEYS:
            self.counts["too_many"] += 1
            return False
        if not self._may_read.allows():
            self.counts["breaker_open"] += 1
            return False
        return True

    async def _read(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                names = [_name(key) for keys, _ in batch for key in keys]
                self._hand_out(batch, await self._ask(self._may_read, self._client.mget(names), len(names)))
                if not self._may_read.closed:  # those who were let in before it opened must not wait their turn
                    self._hand_out(self._waiting, None)
                    self._waiting = []
        finally:
            self._reader = None

    def _next_batch(self) -> list[_Asked]:
        size, end = 0, 0
        for keys, _ in self._waiting:
            size += len(keys)
            if size > MOST_KEYS:
                break
            end += 1
        batch, self._waiting = self._waiting[:end], self._waiting[end:]
        return batch

    @staticmethod
    def _hand_out(batch: Sequence[_Asked], found: list[Any] | None) -> None:
        at = 0
        for keys, waiter in batch:
            if not waiter.done():  # its request went on without it, or left
                waiter.set_result(None if found is None else found[at : at + len(keys)])
            at += len(keys)

    async def _write(self) -> None:
        try:
            while self._unwritten:
                taken = [self._unwritten.popitem() for _ in range(min(len(self._unwritten), MOST_KEYS))]
                if not self._may_write.allows():
                    self.counts["breaker_open"] += len(taken)
                    continue
                commands = self._client.pipeline(transaction=False)
                for key, sealed in taken:
                    commands.set(_name(key), sealed, px=self._ttl_ms)
                await self._ask(self._may_write, commands.execute(), len(taken))
        finally:
            self._writer = None

    async def _ask(self, breaker: Breaker, command: Awaitable[Any], answers: int) -> list[Any] | None:
        """So many answers of Redis; None if it does not give them, which is counted and told to the breaker."""
        try:
            # the client has both timeouts already; this one is for all that they do not cover, such as name lookups
            async with asyncio.timeout(CONNECT_SECONDS + self._timeout):
                found = await command
            if not isinstance(found, list) or len(found) != answers:
                raise Nonsense("not as many answers as questions")
        except Exception as error:  # besides those of the client, whatever bytes make its parser raise
            self.counts[_kind(error)] += 1
            breaker.failed(type(error).__name__)  # its message may repeat what Redis was sent
            return None
        breaker.succeeded()
        return found

    def _unsealed(self, key: bytes, data: object) -> Value | None:
        if data is None:
            return None
        try:
            return unseal(key, data)
        except Nonsense:
            self.counts["nonsense"] += 1
            return None


def _name(key: bytes) -> bytes:
    return PREFIX + key.hex().encode()


def _kind(error: Exception) -> str:
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return "timeouts"
    if isinstance(error, RedisConnectionError | OSError):
        return "connection"
    return "refused"
