"""A graceful end: first not ready, then, when nobody sends new work any more, the end itself."""

from __future__ import annotations

import asyncio
import logging
import signal
from types import FrameType

from serving.asgi import Message, Send

logger = logging.getLogger(__name__)


class Drain:
    """Delays SIGTERM: readiness turns 503 at once, and the server's own handler runs after a pause.

    A load balancer needs the pause to notice; requests that arrive in it are answered as ever, but with
    `Connection: close`: the server's own handler closes idle connections without a word, and a client that sends at
    that very moment would lose its request. That handler then stops to listen, lets the requests in flight finish,
    and ends the process.

    BentoML's arbiter sends SIGTERM to every worker when it gets SIGTERM or SIGINT, and waits a day for their end.

    Args:
        seconds: the pause; 0 ends at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.draining = False

    def install(self) -> None:
        """Stand before the present handler. Call it in the main thread, inside the running event loop."""
        before = signal.getsignal(signal.SIGTERM)
        loop = asyncio.get_running_loop()

        def end(number: int, frame: FrameType | None) -> None:
            if callable(before):
                before(number, frame)

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self.draining or not self._seconds:
                end(number, frame)
                return
            self.draining = True
            logger.warning("draining", extra={"seconds": self._seconds})
            loop.call_soon_threadsafe(loop.call_later, self._seconds, end, number, None)

        signal.signal(signal.SIGTERM, on_signal)


def with_close(send: Send) -> Send:
    """The same `send`, which also tells the client to come back on another connection."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing
