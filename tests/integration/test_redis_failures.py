"""Redis slow, gone, back, or something else altogether: requests go on, and the cost of it ends soon."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from serving.breaker import FAILURES_TO_OPEN, OPEN_SECONDS
from serving.cache import MemoryCache, Value
from serving.cached_answers import CachedAnswers
from serving.redis_cache import RedisCache
from tests.conftest import EXAMPLE
from tests.inprocess import in_process
from tests.integration.test_redis_cache import key, opened, put, run, until, value
from tests.redis_server import RedisServer, redis_server
from tests.unit.serving.test_cache import Clock

SHORT = 0.02
"""A timeout that a test can wait for."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A fresh redis-server."""
    with redis_server(tmp_path) as running:
        yield running


class Load:
    """Requests without a pause from eight clients, checked one by one.

    Memory has no room, so that every request asks Redis.
    """

    def __init__(self, shared: RedisCache) -> None:
        self.answers = CachedAnswers(MemoryCache(0, 60), shared)
        self.shared, self.answered, self._stopping = shared, 0, False

    async def client(self, first: int) -> None:
        """One client, asking for a few rows of its own, over and over."""
        number = first
        while not self._stopping:
            number = first + (number + 1) % 10
            answered = await self.answers.answer([key(number)], self._compute(number))
            assert answered.values == [value(number)]
            self.answered += 1

    async def answers_more(self, requests: int = 200) -> None:
        """Wait until so many more were answered."""
        goal = self.answered + requests

        async def reached() -> bool:
            return self.answered >= goal

        await until(reached)

    async def hits_more(self) -> None:
        """Wait until Redis is of use (again)."""
        goal = self.answers.counts["shared"] + 50

        async def reached() -> bool:
            return self.answers.counts["shared"] >= goal

        await until(reached)

    async def fails(self, kind: str, times: int) -> None:
        """Wait until so many commands have failed, for reading and writing together."""

        async def reached() -> bool:
            return self.shared.counts[kind] >= times

        await until(reached)

    async def is_left_alone(self) -> None:
        """Check that requests go on and, while the clock stands, none of them tries Redis."""
        before = {**self.shared.counts, "breaker_open": 0}
        await self.answers_more()
        assert {**self.shared.counts, "breaker_open": 0} == before

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts; an answer that was wrong fails it."""
        async with asyncio.TaskGroup() as clients:
            for number in range(8):
                clients.create_task(self.client(100 * number))
            try:
                yield
            finally:
                self._stopping = True

    @staticmethod
    def _compute(number: int) -> Callable[[list[int]], Awaitable[list[Value]]]:
        async def compute(rows: list[int]) -> list[Value]:
            await asyncio.sleep(0)
            return [value(number) for _ in rows]

        return compute


def test_redis_dies_under_load_and_comes_back(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="serving")

    async def main() -> None:
        clock = Clock()
        async with opened(server.url, clock=clock) as cache:
            load = Load(cache)
            async with load.running():
                await load.hits_more()
                await asyncio.to_thread(server.kill)
                await load.fails("connection", 2 * FAILURES_TO_OPEN)
                hits = load.answers.counts["shared"]
                await load.is_left_alone()
                clock.now += OPEN_SECONDS
                await load.fails("connection", 2 * FAILURES_TO_OPEN + 2)  # one tries to read, and one to write
                await load.is_left_alone()
                assert load.answers.counts["shared"] == hits
                await asyncio.to_thread(server.start)
                clock.now += OPEN_SECONDS
                await load.hits_more()

    run(main())
    assert sorted(record.message.split(" (")[0] for record in caplog.records) == [
        "reading cached answers from Redis fails",
        "reading cached answers from Redis works again",
        "writing cached answers to Redis fails",
        "writing cached answers to Redis works again",
    ]


def test_a_metric_says_that_redis_is_gone(server: RedisServer, home: Path) -> None:
    with in_process(PLUMBLINE_CACHE_URL=server.url) as house:
        server.kill()

        sizes = itertools.count(1_000)  # each row is new, so that Redis is asked

        def problems() -> float:
            row = {**EXAMPLE, "living_area_sqft": next(sizes)}
            assert house.request("POST", "/predict", json={"features": row}).status_code == 200
            lines = house.request("GET", "/metrics").text.splitlines()
            found = (line for line in lines if line.startswith("plumbline_shared_cache_problems_total{"))
            return sum(float(line.split()[-1]) for line in found if 'problem="connection"' in line)

        deadline = time.monotonic() + 20
        while not problems():
            assert time.monotonic() < deadline


def test_redis_freezes_under_load_and_thaws(server: RedisServer) -> None:
    async def main() -> None:
        clock = Clock()
        async with opened(server.url, SHORT, clock) as cache:
            load = Load(cache)
            async with load.running():
                await load.hits_more()
                server.freeze()
                await load.fails("timeouts", 2 * FAILURES_TO_OPEN)
                await load.is_left_alone()
                server.thaw()

                async def useful() -> bool:
                    clock.now += OPEN_SECONDS
                    return load.answers.counts["shared"] > hits + 50

                hits = load.answers.counts["shared"]
                await until(useful)

    run(main())


def test_a_frozen_redis_costs_each_request_one_timeout_until_it_is_left_alone(server: RedisServer) -> None:
    async def main() -> None:
        clock = Clock()
        async with opened(server.url, SHORT, clock) as cache:
            server.freeze()
            for asked in range(1, FAILURES_TO_OPEN + 1):
                found = await asyncio.gather(*(cache.get_many([key(number)]) for number in range(20)))
                assert found == [[None]] * 20
                await until(lambda asked=asked: _timeouts(cache, asked))  # type: ignore[misc]
            assert cache.counts["breaker_open"] == 0
            for _ in range(100):
                assert await cache.get_many([key(1)]) == [None]
            assert (cache.counts["timeouts"], cache.counts["breaker_open"]) == (FAILURES_TO_OPEN, 100)
            server.thaw()
            clock.now += OPEN_SECONDS

            async def useful() -> bool:
                clock.now += OPEN_SECONDS
                cache.put_many([(key(1), value(1))])
                return await cache.get_many([key(1)]) == [value(1)]

            await until(useful)

    run(main())


async def _asking(cache: RedisCache) -> bool:
    return not cache._waiting


async def _idle(cache: RedisCache) -> bool:
    return cache._reader is None


async def _timeouts(cache: RedisCache, at_least: int) -> bool:
    return cache.counts["timeouts"] >= at_least


def test_requests_that_were_waiting_when_it_is_given_up_go_on_at_once(server: RedisServer) -> None:
    """They were let in before the breaker opened; with a timeout this long, one that waited its turn would hang."""

    async def main() -> None:
        async with opened(server.url, seconds=1000.0) as cache:
            await put(cache, [1])
            server.freeze()
            tasks = [asyncio.create_task(cache.get_many([key(1)])) for _ in range(5)]
            await asyncio.sleep(0)
            server.kill()
            assert await asyncio.gather(*tasks) == [[None]] * 5

    run(main())


def test_nobody_tries_for_requests_that_were_waiting_when_it_was_given_up(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(server.url, SHORT) as cache:
            server.freeze()
            for failed in range(1, FAILURES_TO_OPEN):
                assert await cache.get_many([key(1)]) == [None]
                await until(lambda failed=failed: _timeouts(cache, failed))  # type: ignore[misc]
            first = asyncio.create_task(cache.get_many([key(1)]))
            await asyncio.sleep(0)
            await until(lambda: _asking(cache))
            assert await cache.get_many([key(2)]) == [None]
            assert await first == [None]
            await until(lambda: _idle(cache))
            assert cache.counts["timeouts"] == FAILURES_TO_OPEN

    run(main())


def test_no_request_waits_for_a_connection_longer_than_its_timeout() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as callers:
            for _ in range(4):  # take all places in its queue, so that whoever connects now gets no answer at all
                caller = callers.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(full.getsockname())
            async with opened(f"redis://127.0.0.1:{full.getsockname()[1]}", SHORT) as cache:
                assert await cache.get_many([key(1)]) == [None]
                assert (cache.counts["late"], cache.counts["timeouts"]) == (1, 0)

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*1\r\n$3\r\nabc\r\n*5\r\n",
        b"+OK\r\n",
        b":12\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"$99999999999\r\nabc",
        b"*x\r\n",
        b"$x\r\n",
        b"\xff\xfe\r\n",
        b"-ERR \xff\r\n",
        b"",
    ],
)
def test_what_is_no_redis_is_left_alone(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        stranger = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = stranger.sockets[0].getsockname()[1]
        try:
            async with opened(f"redis://127.0.0.1:{port}", SHORT) as cache:
                while not cache.counts["breaker_open"]:
                    assert await cache.get_many([key(1)]) == [None]
                    cache.put_many([(key(1), value(1))])
        finally:
            stranger.close()
            await stranger.wait_closed()

    run(main())


def test_a_host_that_does_not_exist_is_left_alone() -> None:
    async def main() -> None:
        async with opened("redis://no-such-host.invalid") as cache:
            while not cache.counts["breaker_open"]:
                assert await cache.get_many([key(1)]) == [None]

    run(main())
