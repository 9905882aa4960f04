"""Reads a request's body within its limits of size, type and time."""

from __future__ import annotations

import asyncio

from schemas.errors import SlowBody, TooLarge, UnsupportedMediaType
from serving.asgi import Receive, Scope, header


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody waits for an answer."""


async def read_json(scope: Scope, receive: Receive, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body.

    Raises:
        UnsupportedMediaType: a content type other than JSON.
        TooLarge: more than `max_bytes`, announced or sent.
        SlowBody: it did not arrive in time.
        ClientGone: the client left.
    """
    media_type = header(scope, b"content-type").split(b";")[0].strip().lower()
    if media_type not in (b"", b"application/json"):
        raise UnsupportedMediaType("Send the body as application/json.")
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    if _is_complete(receive):
        return await _read(receive, max_bytes)  # a timeout costs more than validating a row
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read(receive, max_bytes)
    except TimeoutError:
        raise SlowBody(
            f"The body did not arrive within {timeout_seconds:g} seconds.", headers={"Connection": "close"}
        ) from None


def _is_complete(receive: Receive) -> bool:
    """Whether the whole body is here already, as far as uvicorn's `receive` tells: a method of the request's cycle."""
    return getattr(getattr(receive, "__self__", None), "more_body", True) is False


async def _read(receive: Receive, max_bytes: int) -> bytes:
    parts, size = list[bytes](), 0  # joined once: adding part after part would copy a large body over and over
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = bytes(message.get("body", b""))
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int) -> TooLarge:
    # the rest of the body is not read, so the connection cannot be used again
    return TooLarge(
        f"The body is larger than {max_bytes} bytes; send fewer rows at a time.",
        headers={"Connection": "close"},
    )
