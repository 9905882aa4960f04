"""Reads a request's body within its limits of size, type and time, and bounds what all bodies take together."""

from __future__ import annotations

import asyncio

from schemas.errors import Overloaded, SlowBody, TooLarge, UnsupportedMediaType
from serving.asgi import Receive, Scope, header


class ClientGone(Exception):
    """The client closed the connection before its body was complete; nobody waits for an answer."""


class Room:
    """What the bodies of a worker take: those on their way, and those being answered. For one event loop.

    Args:
        most: bytes. Whatever it is, a body finds room while there is no other.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0


class Place:
    """What one body takes of the room; leave it when the request is answered."""

    def __init__(self, room: Room) -> None:
        self._room, self._own = room, 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            Overloaded: others hold too much.
        """
        room = self._room
        if room.held > self._own and room.held + size > room.most:
            raise Overloaded(
                f"Bodies of {room.held} bytes are being read already; try again.",
                headers={"Retry-After": "1", "Connection": "close"},  # the rest of the body is not read
            )
        room.held += size
        self._own += size

    def leave(self) -> None:
        """Hold nothing any more."""
        self._room.held -= self._own
        self._own = 0


async def read_json(scope: Scope, receive: Receive, max_bytes: int, timeout_seconds: float, place: Place) -> bytes:
    """The whole body; `place` holds it.

    Raises:
        UnsupportedMediaType: a content type other than JSON.
        TooLarge: more than `max_bytes`, announced or sent.
        SlowBody: it did not arrive in time.
        Overloaded: other bodies leave no room for it.
        ClientGone: the client left.
    """
    media_type = header(scope, b"content-type").split(b";")[0].strip().lower()
    if media_type not in (b"", b"application/json"):
        raise UnsupportedMediaType("Send the body as application/json.")
    announced = header(scope, b"content-length")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    if _is_complete(receive):
        return await _read(receive, max_bytes, place)  # a timeout costs more than validating a row
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read(receive, max_bytes, place)
    except TimeoutError:
        raise SlowBody(
            f"The body did not arrive within {timeout_seconds:g} seconds.", headers={"Connection": "close"}
        ) from None


def _is_complete(receive: Receive) -> bool:
    """Whether the whole body is here already, as far as uvicorn's `receive` tells: a method of the request's cycle."""
    return getattr(getattr(receive, "__self__", None), "more_body", True) is False


async def _read(receive: Receive, max_bytes: int, place: Place) -> bytes:
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
        place.take(len(part))
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_large(max_bytes: int) -> TooLarge:
    # the rest of the body is not read, so the connection cannot be used again
    return TooLarge(
        f"The body is larger than {max_bytes} bytes; send fewer rows at a time.",
        headers={"Connection": "close"},
    )
