"""The shared cache against a real redis-server: whole, slow, gone, back again, and full of nonsense."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from schemas.predictions import PredictionWarning
from serving.breaker import FAILURES_TO_OPEN
from serving.cache import RowKeys, Value, seal
from serving.redis_cache import MOST_KEYS, MOST_UNWRITTEN, PREFIX, RedisCache
from tests.redis_server import RedisServer, redis_server
from tests.unit.serving.test_cache import Clock

DEADLINE_SECONDS = 30
WARNING = PredictionWarning(code="never_seen_category", feature="area_code", message="never seen")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A fresh redis-server."""
    with redis_server(tmp_path) as running:
        yield running


def key(number: int) -> bytes:
    """A cache key for row `number`."""
    return number.to_bytes(16, "big")


def value(number: int) -> Value:
    """The one right answer for row `number`."""
    return Value(float(number), number - 1.0, number + 1.0, (WARNING,) if number % 3 == 0 else ())


def name(number: int) -> bytes:
    """Where Redis has it."""
    return PREFIX + key(number).hex().encode()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; one that hangs fails."""
    asyncio.run(asyncio.wait_for(main, DEADLINE_SECONDS))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until it holds; `run` has the deadline."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.005)  # between polls


@asynccontextmanager
async def opened(url: str, seconds: float = 5.0, clock: Clock | None = None) -> AsyncIterator[RedisCache]:
    """A cache, closed afterwards. The timeout is long, so that a busy machine does not decide the test."""
    cache = RedisCache(url, 60, seconds, clock or Clock())
    try:
        yield cache
    finally:
        await cache.close()


@asynccontextmanager
async def console(server: RedisServer) -> AsyncIterator[Redis]:
    """A plain client, to look and to meddle."""
    client = Redis.from_url(server.url)
    try:
        yield client
    finally:
        await client.aclose()


async def put(cache: RedisCache, numbers: Sequence[int]) -> None:
    """Put right answers and wait until Redis has them."""
    cache.put_many([(key(number), value(number)) for number in numbers])

    async def written() -> bool:
        return await cache.get_many([key(number) for number in numbers]) == [value(number) for number in numbers]

    await until(written)


def test_what_one_process_puts_another_gets(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(server.url) as one, opened(server.url) as other, console(server) as redis:
            await put(one, range(10))
            found = await other.get_many([key(3), key(99), key(4), key(3)])
            assert found == [value(3), None, value(4), value(3)]
            assert 0 < await redis.pttl(name(3)) <= 60_000
            assert len(await redis.keys(PREFIX + b"*")) == await redis.dbsize() == 10
            assert set(one.counts.values()) | set(other.counts.values()) == {0}

    run(main())


def test_closing_writes_what_is_left_and_finds_nothing_afterwards(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(server.url) as cache, console(server) as redis:
            cache.put_many([(key(number), value(number)) for number in range(1000)])
            await cache.close()
            assert await redis.dbsize() == 1000
            cache.put_many([(key(1), value(1))])
            assert await cache.get_many([key(1)]) == [None]

    run(main())


def test_requests_at_the_same_time_share_commands(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(server.url) as cache, console(server) as redis:
            await put(cache, range(64))
            await redis.config_resetstat()
            found = await asyncio.gather(*(cache.get_many([key(number)]) for number in range(64)))
            assert found == [[value(number)] for number in range(64)]
            assert (await redis.info("commandstats"))["cmdstat_mget"]["calls"] <= 2
            assert (await redis.info("clients"))["connected_clients"] <= 3

    run(main())


def test_too_many_rows_and_too_many_answers_are_left_out(server: RedisServer) -> None:
    async def main() -> None:
        async with opened(server.url) as cache:
            await put(cache, [1])
            assert await cache.get_many([key(1)] * (MOST_KEYS + 1)) == [None] * (MOST_KEYS + 1)
            assert await cache.get_many([key(1)] * MOST_KEYS) == [value(1)] * MOST_KEYS
            cache.put_many([(key(number), value(number)) for number in range(MOST_UNWRITTEN + 7)])
            assert (cache.counts["too_many"], cache.counts["unwritten"]) == (1, 7)

    run(main())


@pytest.mark.parametrize("other", [("m2", "v", "s"), ("m", "v2", "s"), ("m", "v", "s2")])
def test_versions_that_share_a_redis_never_see_each_other_s_answers(
    server: RedisServer, other: tuple[str, str, str]
) -> None:
    async def main() -> None:
        row = b"the same row"
        mine, theirs = RowKeys("m", "v", "s").of(row), RowKeys(*other).of(row)
        async with opened(server.url) as cache, console(server) as redis:
            cache.put_many([(mine, value(1))])
            assert await cache.get_many([theirs]) == [None]
            cache.put_many([(theirs, value(2))])
            await until(lambda: _has(redis, 2))
            assert await cache.get_many([mine, theirs]) == [value(1), value(2)]

    run(main())


async def _has(redis: Redis, keys: int) -> bool:
    return bool(await redis.dbsize() == keys)


def test_nonsense_is_a_miss_and_is_counted(server: RedisServer) -> None:
    async def main() -> None:
        chance = random.Random(1)
        sealed = seal(key(0), value(0))
        nonsense = [b"", b"{}", b"\x80\x04.", sealed[:-1], b"\x02" + sealed[1:], seal(key(1), value(1))]
        nonsense += [chance.randbytes(chance.randrange(300)) for _ in range(100)] + [bytes(1 << 20)]
        async with opened(server.url) as cache, console(server) as redis:
            for data in nonsense:
                await redis.set(name(0), data)
                assert await cache.get_many([key(0)]) == [None]
            assert cache.counts["nonsense"] == len(nonsense)
            await redis.delete(name(0))
            await redis.rpush(name(0), b"a list")
            assert await cache.get_many([key(0)]) == [None]
            await put(cache, [0])  # the right value takes its place
            assert cache.counts["refused"] == 0

    run(main())


def test_a_redis_that_takes_no_more_still_answers(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opened(server.url) as cache, console(server) as redis:
            await put(cache, [1])
            await redis.config_set("maxmemory", 1)
            for number in range(2, 2 + FAILURES_TO_OPEN):

                async def refused(times: int = number - 1) -> bool:
                    return cache.counts["refused"] == times

                cache.put_many([(key(number), value(number))])
                await until(refused)
            cache.put_many([(key(9), value(9))])
            await until(lambda: _counted(cache, "breaker_open"))
            assert await cache.get_many([key(1), key(9)]) == [value(1), None]

    run(main())
    assert [record.message.split(" (")[0] for record in caplog.records] == ["writing cached answers to Redis fails"]


async def _counted(cache: RedisCache, kind: str) -> bool:
    return cache.counts[kind] > 0


def test_the_password_is_used_and_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main(server: RedisServer) -> None:
        async with opened(server.url.replace("//", "//:hunter2@")) as right:
            await put(right, [1])
        for wrong in ("//:hunter3@", "//user:hunter3@", "//"):
            async with opened(server.url.replace("//", wrong)) as cache:
                for _ in range(FAILURES_TO_OPEN):
                    assert await cache.get_many([key(1)]) == [None]
                assert cache.counts["connection"] + cache.counts["refused"] == FAILURES_TO_OPEN

    with redis_server(tmp_path, "--requirepass", "hunter2") as running:
        run(main(running))
    assert len([record for record in caplog.records if "fails" in record.message]) == 3
    assert "hunter" not in caplog.text


def test_cancelled_requests_never_leave_their_answers_to_others(server: RedisServer) -> None:
    async def main() -> None:
        chance = random.Random(2)
        async with opened(server.url) as cache:
            await put(cache, range(100))

            async def request() -> None:
                numbers = [chance.randrange(120) for _ in range(chance.randrange(1, 5))]
                await asyncio.sleep(chance.random() * 0.02)
                found = await cache.get_many([key(number) for number in numbers])
                assert found == [value(number) if number < 100 else None for number in numbers]

            tasks = [asyncio.create_task(request()) for _ in range(1000)]
            for task in tasks:
                if chance.random() < 0.3:
                    await asyncio.sleep(0)
                    task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [each for each in outcomes if each and not isinstance(each, asyncio.CancelledError)] == []
            assert cache.counts["nonsense"] == 0

    run(main())
