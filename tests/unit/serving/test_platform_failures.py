"""When BentoML's own app fails half-way, the client still gets one whole answer in our shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from serving.asgi import Message, Receive, Scope, Send
from serving.drain import Drain
from serving.front_door import FrontDoor
from serving.settings import Settings

SCOPE = {"type": "http", "method": "GET", "path": "/schema.json", "headers": []}


async def _raises_at_once(_: Scope, __: Receive, ___: Send) -> None:
    raise OSError("the-cause")


async def _raises_after_its_status(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 504, "headers": []})
    raise OSError("the-cause")


async def _sends_in_parts(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"o", "more_body": True})
    await send({"type": "http.response.body", "body": b"h"})


@pytest.mark.parametrize(
    ("platform", "code"),
    [(_raises_at_once, "internal"), (_raises_after_its_status, "timeout"), (_sends_in_parts, "unavailable")],
)
def test_a_failing_platform_is_answered_once_and_whole(
    platform: Callable[[Scope, Receive, Send], Awaitable[None]], code: str
) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def call() -> None:
        try:
            await FrontDoor([], platform, Settings(), Drain(0), lambda *_: None)(dict(SCOPE), receive, send)
        except OSError:
            assert sent, "an exception may leave the front door only after an answer"

    asyncio.run(call())
    start, body = sent
    assert json.loads(body["body"])["code"] == code
    assert json.loads(body["body"])["status"] == start["status"]
    assert not body.get("more_body", False)
    assert b"the-cause" not in body["body"]
