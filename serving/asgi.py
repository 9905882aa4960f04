"""The few ASGI words that the front door needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")


class Request(NamedTuple):
    """A request with its whole body, empty where none is expected."""

    scope: Scope
    body: bytes


class Reply(NamedTuple):
    """An answer in one piece."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def header(scope: Scope, name: bytes) -> bytes:
    """A request header's value, empty when absent; `name` in lower case."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return bytes(value)
    return b""


def headers_of(reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
    """All headers of an answer: its own, its length and the request's id."""
    return [
        *reply.headers,
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request_id.encode()),
    ]


async def send_reply(send: Send, reply: Reply, request_id: str, with_body: bool = True) -> None:
    """Send an answer with its length and the request's id."""
    await send({"type": "http.response.start", "status": reply.status, "headers": headers_of(reply, request_id)})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
