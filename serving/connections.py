"""One HTTP connection, below the front door: what uvicorn's own class leaves unbounded gets its bounds here.

uvicorn with httptools waits for ever for the rest of a request's head, takes a head of any length, keeps an answer for
ever that its client does not read, waits for ever for the rest of a body that was answered early, takes trailers for
headers, and says in plain text what it cannot parse. Offers to switch the protocol are declined as RFC 9110 has it, by
going on without: httptools drops the body of such a request, and Java's HTTP client makes the offer with each one.
Ordinary requests take serving/short_way.py's way around ASGI.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import httptools
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from schemas.errors import BadRequest, HeadTooLarge, PlumblineError
from serving import problems
from serving.settings import Settings

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""Longest request line and headers together; common proxies send at most 32 KiB."""

MANY = 16
"""Connections at a time."""

_HEAD_END = b"\r\n\r\n"


class Connection(HttpToolsProtocol):
    """uvicorn's connection with limits; `install` sets them for the whole process."""

    timeout_seconds: ClassVar[float] = 10.0
    """Longest wait for a request's whole head, and for a client to read what it was sent."""
    grace_seconds: ClassVar[float] = 30.0
    """Longest that the end of the process waits for connections, unless the command line says otherwise."""

    when_many: ClassVar[Callable[[], None] | None] = None
    """Called for each connection while there are `MANY`, itself among them."""

    _data = b""
    _head_is_open = True
    _body_is_open = False  # a head is complete, its body is not
    _got_on = False  # what was parsed last ended a head or had a part of a body
    _running: RequestResponseCycle | None = None
    _head_bytes = 0
    _framing_bytes = 0  # since a body's last part: what stands between chunks, and trailers
    _head_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came: it must send a head in time."""
        super().connection_made(transport)
        if self.config.timeout_graceful_shutdown is None:
            self.config.timeout_graceful_shutdown = int(self.grace_seconds)
        if len(self.connections) >= MANY and Connection.when_many is not None:
            Connection.when_many()
        self._head_timer = self.loop.call_later(self.timeout_seconds, self._close_at_once)

    def data_received(self, data: bytes) -> None:
        """Bytes came: parse them, and watch over a head that is not complete yet."""
        if len(data) > MAX_HEAD_BYTES and self._begins_with_large_head(data):
            self._refuse_head()
            return
        self._data = data
        super().data_received(data)
        if self._head_is_open:
            self._head_goes_on(len(data))
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._body_is_open:
            self._body_goes_on(len(data))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_is_open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete.

        Raises:
            ValueError: it is ambiguous; the parser gives up then.
        """
        self._head_is_open = False
        _refuse_ambiguous(self.parser.get_http_version(), [name for name, _ in self.headers])
        self.scope["headers"] = list(self.headers)  # trailers, which come after the body, are not to be among them
        super().on_headers_complete()
        self._body_is_open = self._got_on = True

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Its body is complete."""
        self._body_is_open = False
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered."""
        super().on_response_complete()
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, its timers too."""
        for timer in (self._head_timer, self._rest_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        if self._running is not None:  # uvicorn tells the last of pipelined requests only, and this one would write
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """A request starts."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self._reader_timer = self.loop.call_later(self.timeout_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client caught up."""
        super().resume_writing()
        if self._reader_timer is not None:
            self._reader_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls, after a line in the log, when the parser gives up."""
        if len(getattr(self, "url", b"")) >= MAX_HEAD_BYTES:  # it cannot parse one, if the pieces came so that it tries
            self._refuse_head()
            return
        self._refuse(BadRequest("This is not a valid HTTP/1.1 request; the connection is closed."))

    def _should_upgrade(self) -> bool:
        """Whether `handle_websocket_upgrade` shall see to an offer to switch: each."""
        return True

    def handle_websocket_upgrade(self) -> None:
        """Go on without the switch: parse the same request anew, without its offer."""
        paused = sys.exception()
        method = self.parser.get_method()
        if not isinstance(paused, httptools.HttpParserUpgrade) or method == b"CONNECT":
            self._refuse(BadRequest("This service is no proxy."))
            return
        self.parser = httptools.HttpRequestParser(self)
        kept = b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        rest = self._data[paused.args[0] :]
        super().data_received(b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, self.url, kept, rest))

    def _begins_with_large_head(self, data: bytes) -> bool:
        return not self._body_is_open and data.find(_HEAD_END, 0, MAX_HEAD_BYTES) < 0

    def _head_goes_on(self, size: int) -> None:
        if self._head_timer is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(self.timeout_seconds, self._close_at_once)
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def _body_goes_on(self, size: int) -> None:
        """Bound what a body's length does not: the parser keeps trailers, however long."""
        self._framing_bytes = 0 if self._got_on else self._framing_bytes + size
        self._got_on = False
        if self._framing_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def _await_rest(self) -> None:
        """A request was answered before its body was complete: the rest must come in time, to be passed over."""
        if self._body_is_open and self.cycle.response_complete and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(self.timeout_seconds, self._close_at_once)

    def _refuse_head(self) -> None:
        logger.info("refused", extra={"status": HeadTooLarge.status, "code": HeadTooLarge.code})
        self._refuse(HeadTooLarge(f"Request line and headers are longer than {MAX_HEAD_BYTES} bytes."))

    def _refuse(self, error: PlumblineError) -> None:
        """Answer below ASGI, and close."""
        cycle = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if cycle is None and self._body_is_open and self.cycle is not None:
            self.transport.close()  # the request has its answer: a proxy would take a second one for another request's
            return
        if cycle is not None and not cycle.more_body:
            cycle.keep_alive = False  # a whole request came before what is wrong: it is answered, then the end comes
            return
        if cycle is None or not (cycle.response_started or self.pipeline):
            self.transport.write(_raw(error))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _close_at_once(self) -> None:
        """A client that is this slow is not answered: it could not be in the middle of anything."""
        if not self.transport.is_closing():
            self.transport.close()


def _refuse_ambiguous(version: str, names: list[bytes]) -> None:
    """What the parser lets through, and a proxy before us may read otherwise (RFC 9112, sections 2.3, 3.2 and 6.1).

    Raises:
        ValueError: such a head.
    """
    if version == "1.1":
        if names.count(b"host") != 1:
            raise ValueError("not one Host")
    elif version != "1.0" or b"transfer-encoding" in names:
        raise ValueError("chunks in HTTP/1.0, or another version")


def _raw(error: PlumblineError) -> bytes:
    request_id = uuid4().hex
    status, headers, body = problems.answer(error, request_id)
    lines = [*headers, (b"content-length", str(len(body)).encode()), (b"x-request-id", request_id.encode())]
    head = b"".join(b"%s: %s\r\n" % line for line in [*lines, (b"connection", b"close")])
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, error.title.encode(), head, body)


def install(settings: Settings, kind: type[Connection] = Connection) -> None:
    """Let uvicorn, which BentoML starts after the app is made, use this class for its connections."""
    Connection.timeout_seconds = settings.body_timeout_seconds
    Connection.grace_seconds = settings.body_timeout_seconds + settings.request_timeout_seconds + 1
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{kind.__module__}:{kind.__name__}"
