"""Which requests are ordinary enough for the short way."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from serving.asgi import Reply, Request
from serving.drain import Drain
from serving.endpoints import Endpoint
from serving.front_door import FrontDoor
from serving.settings import Settings
from serving.short_way import MOST_BYTES, ShortWay

TYPE = (b"content-type", b"application/json")
LENGTH = (b"content-length", b"120")
HOST = (b"host", b"test")
ORDINARY = [HOST, TYPE, LENGTH]


class Body(BaseModel):
    """Any."""


async def _nothing(*_: Any) -> Any:
    return Reply(200, [], b"")


async def _echo(request: Request) -> Reply:
    return Reply(200, [], request.body)


def door_of(settings: Settings) -> FrontDoor:
    """A door with an endpoint of each kind."""
    endpoints = [
        Endpoint("POST", "/predict", "", "", _echo, Body, audience="clients"),
        Endpoint("PUT", "/rollout", "", "", _nothing, Body, bearer=True),
        Endpoint("GET", "/livez", "", "", _nothing),
    ]
    return FrontDoor(endpoints, _nothing, settings, Drain(0), lambda *_: None)


@pytest.fixture
def door() -> FrontDoor:
    """One with large bodies."""
    return door_of(Settings(max_body_bytes=1_000_000))


def test_an_ordinary_request_is_taken(door: FrontDoor) -> None:
    asked = ShortWay(door).asked(b"POST", b"/predict", [*ORDINARY, (b"x-request-id", b"mine")])
    assert asked is not None
    assert (asked.endpoint.path, asked.request_id) == ("/predict", "mine")


@pytest.mark.parametrize(
    ("method", "url"),
    [
        (b"GET", b"/predict"),
        (b"POST", b"/predict?x"),
        (b"POST", b"/predict/"),
        (b"POST", b"/%70redict"),
        (b"GET", b"/livez"),
        (b"PUT", b"/rollout"),
    ],
)
def test_another_target_is_not(door: FrontDoor, method: bytes, url: bytes) -> None:
    assert ShortWay(door).asked(method, url, ORDINARY) is None


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, TYPE],
        [HOST, LENGTH],
        [TYPE, LENGTH],
        [HOST, (b"content-type", b"application/json; charset=utf-8"), LENGTH],
        [HOST, (b"content-type", b"text/plain"), LENGTH],
        *(
            [HOST, TYPE, (b"content-length", length)]
            for length in (b"", b"-1", b"+1", b"1_0", b"0x1", "\u0661".encode())
        ),
        [HOST, TYPE, (b"content-length", b"%d" % (MOST_BYTES + 1))],
        [HOST, TYPE, (b"content-length", b"1" * 5_000)],
        [HOST, TYPE, LENGTH, LENGTH],
        [HOST, TYPE, LENGTH, (b"transfer-encoding", b"chunked")],
        [HOST, TYPE, LENGTH, (b"content-encoding", b"identity")],
        [HOST, TYPE, LENGTH, (b"expect", b"100-continue")],
        [HOST, TYPE, LENGTH, (b"upgrade", b"h2c")],
    ],
)
def test_unusual_headers_are_not(door: FrontDoor, headers: list[tuple[bytes, bytes]]) -> None:
    assert ShortWay(door).asked(b"POST", b"/predict", headers) is None


def test_the_body_limit_holds_here_too(door: FrontDoor) -> None:
    door.settings = Settings(max_body_bytes=1024)
    way = ShortWay(door)
    assert way.asked(b"POST", b"/predict", [HOST, TYPE, (b"content-length", b"1024")]) is not None
    assert way.asked(b"POST", b"/predict", [HOST, TYPE, (b"content-length", b"1025")]) is None


def test_nothing_takes_it_once_the_process_ends(door: FrontDoor) -> None:
    way = ShortWay(door)
    door.drain.draining = True
    assert way.asked(b"POST", b"/predict", ORDINARY) is None
