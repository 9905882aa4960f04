"""The short way of a small and ordinary request: from the parser to its endpoint, and back, without ASGI's messages.

ASGI costs a scope, a cycle, an event and four messages for each request: more than validating a row. Here a request
whose body came with its head is one task that calls the endpoint and writes one piece. What is not ordinary in any
way takes the long way through serving/front_door.py; both call the same endpoints and refuse with the same words,
which tests/e2e/test_short_way.py compares byte for byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from schemas.errors import PlumblineError
from serving import connections, logs
from serving.asgi import Reply, Request, headers_of
from serving.connections import Connection
from serving.endpoints import Endpoint
from serving.front_door import FrontDoor, request_id_of
from serving.settings import Settings

MOST_BYTES = 64 * 1024
"""A larger body takes the long way: it would not come in one piece."""

_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})

Headers = Sequence[tuple[bytes, bytes]]


class Asked(NamedTuple):
    """A request of which the head is known."""

    endpoint: Endpoint
    request_id: str


class ShortWay:
    """Decides which requests are ordinary, and answers them.

    Args:
        front_door: whose endpoints, refusals and end it shares.
    """

    def __init__(self, front_door: FrontDoor) -> None:
        self._front_door = front_door
        self._endpoints = {
            (endpoint.method.encode(), endpoint.path.encode()): endpoint
            for endpoint in front_door.endpoints
            if endpoint.takes_body and endpoint.audience == "clients"  # who else needs a token says so in the scope
        }
        self._access = front_door.access
        self._unusual = _UNUSUAL | {b"origin"} if front_door.cors.is_on else _UNUSUAL

    def asked(self, method: bytes, url: bytes, headers: Headers) -> Asked | None:
        """What is asked for; None if the request must take the long way.

        Args:
            headers: names in lower case.
        """
        endpoint = self._endpoints.get((method, url))
        if endpoint is None or self._front_door.drain.draining:
            return None
        found = dict(headers)
        length = found.get(b"content-length", b"")
        ordinary = (
            found.get(b"content-type") == b"application/json"
            and len(length) < 6  # so that it is a small number, if it is one
            and length.isdigit()
            and int(length) <= min(MOST_BYTES, self._front_door.settings.max_body_bytes)
            and len(found) == len(headers)
            and b"host" in found
            and self._unusual.isdisjoint(found)
            and self._access.admits_client(found.get(b"authorization", b""))
        )
        return Asked(endpoint, request_id_of(found.get(b"x-request-id", b""))) if ordinary else None

    async def answer(self, asked: Asked, body: bytes) -> Reply:
        """The answer, whatever happens."""
        logs.request_id.set(asked.request_id)
        return await self._front_door.answer(asked.endpoint, Request({}, body), asked.request_id)


class ShortConnection(Connection):
    """A connection on which ordinary requests take the short way; `install` says through which door.

    One request is answered at a time. What a client sends before it has its answer takes the long way, and waits.
    """

    short_way: ClassVar[ShortWay]
    _default_headers: ClassVar[tuple[Any, bytes]] = (None, b"")

    _asked: Asked | None = None  # its head is complete, its body is not
    _body = b""
    _task: asyncio.Task[None] | None = None  # answers a request
    _keep_alive = True  # whether the connection outlives that answer
    _idle_since: float | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes came; a body that did not come with its head takes the long way."""
        super().data_received(data)
        if self._asked is not None:
            self._asked = None
            self._take_long_way()
            super().on_body(self._body)
        if self._idle_since is None and self._is_idle():
            self._await_request()  # it was an empty line, or the rest of a body that was answered early

    def on_message_begin(self) -> None:
        """A request begins. What ASGI wants to know of it can wait until it is needed."""
        self._head_is_open = True
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """The head is complete: choose the way."""
        self._head_is_open = False
        free = self._task is None and (self.cycle is None or self.cycle.response_complete)
        if free and not self.flow.write_paused and self.parser.get_http_version() == "1.1":
            self._asked = self.short_way.asked(self.parser.get_method(), self.url, self.headers)
        if self._asked is None:
            self._take_long_way()
        else:
            self._body_is_open, self._got_on, self._body = True, True, b""

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._asked is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._asked is None:
            super().on_message_complete()
            return
        asked, self._asked, self._body_is_open = self._asked, None, False
        self._keep_alive = self.parser.should_keep_alive()
        self._task = self.loop.create_task(self._answer(asked, self._body))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left: nobody waits for the answer."""
        super().connection_lost(exc)
        for each in (self._task, self.timeout_keep_alive_task):
            if each is not None:
                each.cancel()

    def shutdown(self) -> None:
        """The server ends: close when what was asked is answered."""
        if self._task is None:
            super().shutdown()
        elif self.pipeline:
            self.cycle.keep_alive = False
        else:
            self._keep_alive = False

    async def _answer(self, asked: Asked, body: bytes) -> None:
        reply = await self.short_way.answer(asked, body)
        self._task = None
        if self.transport.is_closing():
            return
        closing = b"" if self._keep_alive else b"connection: close\r\n"
        lines = [b"%b: %b\r\n" % line for line in headers_of(reply, asked.request_id)]
        self.transport.write(
            b"".join([STATUS_LINE[reply.status], self._defaults(), *lines, closing, b"\r\n", reply.body])
        )
        if not self._keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _defaults(self) -> bytes:
        """The headers of every answer (date and server), joined once for each time that uvicorn makes them."""
        made, joined = ShortConnection._default_headers
        present = self.server_state.default_headers
        if made is not present:
            joined = b"".join(b"%b: %b\r\n" % line for line in present)
            ShortConnection._default_headers = (present, joined)
        return joined

    def _take_long_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        Connection.on_message_begin(self)
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._task is None:
            super()._start_asgi_task(cycle, app)
            return
        self.flow.pause_reading()  # it came before the answer to the one before it
        self.pipeline.appendleft((cycle, app))

    def _refuse(self, error: PlumblineError) -> None:
        if self._task is not None and not self.pipeline:
            self._keep_alive = False  # a whole request came before what is wrong: it is answered, then the end comes
            return
        super()._refuse(error)

    # one timer for a connection's whole life, which looks when it rings: one for each answer would cost as much as
    # parsing a request

    def on_response_complete(self) -> None:
        """An answer is written: start the next request, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._await_request()
        self._await_rest()

    def timeout_keep_alive_handler(self) -> None:
        """Time to look whether the client has been silent for too long."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # a request is under way; its answer sets the timer anew
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _is_idle(self) -> bool:
        """Whether nothing of a request has come that has no answer yet."""
        if self._task is not None or self._head_is_open or self._body_is_open:
            return False
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)

    def _await_request(self) -> None:
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None


def install(settings: Settings, front_door: FrontDoor) -> None:
    """Let uvicorn use these connections, with this door, in this process."""
    ShortConnection.short_way = ShortWay(front_door)
    connections.install(settings, ShortConnection)
