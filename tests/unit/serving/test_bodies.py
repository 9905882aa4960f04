"""What the bodies of a worker take together is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.errors import Overloaded
from serving.bodies import Place, Room, read_json


def body_of(*parts: bytes) -> Any:
    """A `receive` that gives these parts."""
    messages = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return messages.pop(0)

    return receive


def read(place: Place, *parts: bytes) -> bytes:
    """Read a body of these parts."""
    return asyncio.run(read_json({"headers": []}, body_of(*parts), 10_000, 5, place))


def test_a_body_is_held_until_its_place_is_left() -> None:
    room = Room(1_000)
    place = Place(room)
    assert read(place, b"a" * 300, b"b" * 300) == b"a" * 300 + b"b" * 300
    assert room.held == 600
    place.leave()
    place.leave()
    assert room.held == 0


def test_what_finds_no_room_is_refused_and_leaves_nothing_behind() -> None:
    room = Room(1_000)
    first, second = Place(room), Place(room)
    read(first, b"a" * 600)
    with pytest.raises(Overloaded) as refused:
        read(second, b"b" * 300, b"b" * 300)
    assert refused.value.headers == {"Retry-After": "1", "Connection": "close"}
    second.leave()
    assert room.held == 600
    assert read(Place(room), b"c" * 400)


def test_a_body_larger_than_the_room_is_read_when_it_is_alone() -> None:
    place = Place(Room(10))
    assert read(place, b"a" * 600, b"a" * 600) == b"a" * 1_200
