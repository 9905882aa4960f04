"""Equal rows that arrive together are computed once, and nobody gets another's answer, error or cancellation."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import InferenceFailed, Overloaded, TimedOut
from serving.cache import MemoryCache, RowKeys, Value
from serving.cached_answers import CachedAnswers
from tests.unit.serving.answers import Computer, Shared, begin, key, make, run, settle, value


def test_what_was_computed_is_cached() -> None:
    async def main() -> None:
        cache, compute = make(), Computer([1, 2])
        compute.gate.set()
        first = await cache.answer([key(1), key(2)], compute)
        again = await cache.answer([key(2), key(1)], compute)
        assert first == ([value(1), value(2)], [False, False])
        assert again == ([value(2), value(1)], [True, True])
        assert compute.calls == [[1, 2]]
        assert cache.counts == {"memory": 2, "shared": 0, "joined": 0, "computed": 2, "unstorable": 0}

    run(main())


def test_only_what_is_missing_is_computed_at_once_and_equal_rows_once() -> None:
    async def main() -> None:
        cache, compute = make(), Computer([1])
        compute.gate.set()
        await cache.answer([key(1)], compute)
        numbers = [2, 1, 3, 2, 1, 4]
        compute.numbers = numbers
        answered = await cache.answer([key(number) for number in numbers], compute)
        assert answered.values == [value(number) for number in numbers]
        assert answered.cached == [False, True, False, True, True, False]
        assert compute.calls == [[1], [2, 3, 4]]
        assert await cache.answer([], compute) == ([], [])

    run(main())


def test_equal_rows_that_arrive_together_are_computed_once() -> None:
    async def main() -> None:
        cache, compute = make(), Computer([7])
        tasks = [await begin(cache, [7], compute) for _ in range(50)]
        compute.gate.set()
        answers = await asyncio.gather(*tasks)
        assert [answer.values for answer in answers] == [[value(7)]] * 50
        assert sum(not answer.cached[0] for answer in answers) == 1
        assert compute.calls == [[7]]

    run(main())


def test_requests_that_share_rows_crosswise_do_not_wait_for_ever() -> None:
    async def main() -> None:
        cache, calls = make(), list[list[int]]()
        one, two = Computer([1, 2, 3], calls), Computer([3, 4, 2, 1], calls)
        first, second = await begin(cache, [1, 2, 3], one), await begin(cache, [3, 4, 2, 1], two)
        two.gate.set()
        await settle()
        assert not second.done()
        one.gate.set()
        assert (await first).values == [value(number) for number in [1, 2, 3]]
        assert (await second).values == [value(number) for number in [3, 4, 2, 1]]
        assert calls == [[1, 2, 3], [4]]

    run(main())


@pytest.mark.parametrize("error", [InferenceFailed("no"), Overloaded("no"), RuntimeError("no")])
def test_an_error_reaches_all_who_wait_and_is_not_cached(error: Exception) -> None:
    async def main() -> None:
        cache, compute = make(), Computer([1])
        compute.error = error
        tasks = [await begin(cache, [1], compute) for _ in range(5)]
        compute.gate.set()
        assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * 5
        compute.error = None
        assert (await cache.answer([key(1)], compute)).values == [value(1)]
        assert compute.calls == [[1], [1]]

    run(main())


def test_an_error_of_many_rows_stays_with_the_request_that_has_them() -> None:
    async def main() -> None:
        cache, calls = make(), list[list[int]]()
        many, one = Computer([1, 2], calls), Computer([2], calls)
        many.error = InferenceFailed("row 1 is bad")
        one.gate.set()
        first, second = await begin(cache, [1, 2], many), await begin(cache, [2], one)
        many.gate.set()
        assert (await second).values == [value(2)]
        with pytest.raises(InferenceFailed):
            await first
        assert calls == [[1, 2], [2]]

    run(main())


@pytest.mark.parametrize("error", [TimedOut("late"), TimeoutError()])
def test_a_deadline_is_the_request_s_own(error: Exception) -> None:
    async def main() -> None:
        cache, calls = make(), list[list[int]]()
        hasty, patient = Computer([1], calls), Computer([1], calls)
        hasty.error = error
        first, second = await begin(cache, [1], hasty), await begin(cache, [1], patient)
        hasty.gate.set()
        patient.gate.set()
        with pytest.raises(type(error)):
            await first
        assert (await second).values == [value(1)]

    run(main())


def test_who_waits_for_another_keeps_its_own_deadline() -> None:
    async def main() -> None:
        cache, compute = CachedAnswers(MemoryCache(1 << 20, 60), None, timeout_seconds=0.01), Computer([1])
        first = await begin(cache, [1], compute)  # its own deadline is in `compute`
        for _ in range(2):
            with pytest.raises(TimedOut):
                await cache.answer([key(1)], compute)
        compute.gate.set()
        assert (await first).values == [value(1)]
        assert compute.calls == [[1]]

    run(main())


def test_who_computes_after_another_gave_up_has_only_the_time_that_is_left() -> None:
    async def main() -> None:
        cache, compute = CachedAnswers(MemoryCache(1 << 20, 60), None, timeout_seconds=0.01), Computer([1])
        first, second = await begin(cache, [1], compute), await begin(cache, [1], compute)
        first.cancel()
        with pytest.raises(TimedOut):
            await second
        assert compute.calls == [[1], [1]]
        assert cache._flights == {}

    run(main())


def test_a_cancelled_first_request_takes_nobody_with_it() -> None:
    async def main() -> None:
        cache, compute = make(), Computer([1])
        tasks = [await begin(cache, [1], compute) for _ in range(10)]
        tasks[0].cancel()
        tasks[3].cancel()
        await settle()
        compute.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        left = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert len(left) == 8
        assert all(answer.values == [value(1)] for answer in left)
        assert compute.calls == [[1], [1]]  # the second for all who were left

    run(main())


def test_a_wrong_number_of_answers_is_an_error_and_nothing_is_cached() -> None:
    async def main() -> None:
        cache = make()

        async def compute(rows: list[int]) -> list[Value]:
            return [value(1)] * (len(rows) + 1)

        for _ in range(2):
            with pytest.raises(InferenceFailed, match="2 answers for 1 rows"):
                await cache.answer([key(1)], compute)
        assert len(cache.memory) == 0

    run(main())


def test_an_answer_that_cannot_be_stored_is_still_an_answer() -> None:
    async def main() -> None:
        cache = make(Shared())
        endless = Value(1.0, 0.0, float("inf"))

        async def compute(rows: list[int]) -> list[Value]:
            return [endless for _ in rows]

        assert await cache.answer([key(1)], compute) == ([endless], [False])
        assert await cache.answer([key(1)], compute) == ([endless], [False])
        assert cache.counts["unstorable"] == 2

    run(main())


def test_memory_is_asked_before_the_shared_cache_and_that_before_the_model() -> None:
    async def main() -> None:
        shared, compute = Shared(), Computer([1, 2])
        compute.gate.set()
        await make(shared).answer([key(1), key(2)], compute)
        other = make(shared)  # another process
        shared.asked.clear()
        compute.numbers = [2, 3, 1]
        answered = await other.answer([key(2), key(3), key(1)], compute)
        assert answered == ([value(2), value(3), value(1)], [True, False, True])
        assert compute.calls == [[1, 2], [3]]
        await other.answer([key(1), key(2), key(3)], compute)
        assert len(shared.asked) == 1
        assert other.counts == {"memory": 3, "shared": 2, "joined": 0, "computed": 1, "unstorable": 0}
        await other.close()
        assert shared.closed

    run(main())


@pytest.mark.parametrize("other", [("m2", "v", "s"), ("m", "v2", "s"), ("m", "v", "s2")])
def test_versions_models_and_schemas_that_share_a_cache_never_see_each_other_s_answers(
    other: tuple[str, str, str],
) -> None:
    async def main() -> None:
        cache = make(Shared())

        async def ask(keys: RowKeys, number: int) -> None:
            async def compute(rows: list[int]) -> list[Value]:
                await asyncio.sleep(0)
                return [value(number) for _ in rows]

            for _ in range(3):
                assert (await cache.answer([keys.of(b"the same row")], compute)).values == [value(number)]

        await asyncio.gather(ask(RowKeys("m", "v", "s"), 1), ask(RowKeys(*other), 2))
        assert cache.counts["computed"] == 2

    run(main())
