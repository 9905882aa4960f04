"""What large requests need beside the model: one piece of work at a time, in another thread, with its own context."""

from __future__ import annotations

import asyncio
import threading

import pytest

from serving.aside import aside
from serving.logs import request_id


def name_of_thread() -> str:
    return threading.current_thread().name


def test_small_work_is_done_at_once_and_large_work_in_the_thread() -> None:
    async def ask() -> tuple[str, str]:
        return await aside(False, name_of_thread), await aside(True, name_of_thread)

    here, there = asyncio.run(ask())
    assert here == threading.current_thread().name
    assert there.startswith("aside")


def test_there_are_no_two_at_once_and_who_came_first_is_first() -> None:
    working, met, order = 0, list[int](), list[int]()
    begun, gate = threading.Event(), threading.Event()

    def work(number: int) -> int:
        nonlocal working
        working += 1
        met.append(working)
        order.append(number)
        begun.set()
        assert gate.wait(10)  # so that whoever could begin meanwhile would be seen
        working -= 1
        return number

    async def ask() -> list[int]:
        asked = [asyncio.create_task(aside(True, work, number)) for number in range(5)]
        await asyncio.to_thread(begun.wait, 10)
        gate.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == order == [0, 1, 2, 3, 4]
    assert met == [1] * 5


def test_the_log_still_knows_whose_request_it_is() -> None:
    async def ask() -> str:
        request_id.set("abc")
        return await aside(True, request_id.get)

    assert asyncio.run(ask()) == "abc"


def test_what_is_raised_there_is_raised_here() -> None:
    def fail(value: str) -> None:
        raise ValueError(value)

    async def ask() -> None:
        await aside(True, fail, "broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(ask())
