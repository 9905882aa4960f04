"""New connections of a busy worker: several are accepted in each turn of its event loop.

libuv accepts one in a turn, and a turn lasts as long as all that is ready needs: 20 ms with 256 busy connections. Of
256 that came together, the last waited for two seconds. So a worker with many connections watches its listening socket
through several descriptors, each of which accepts one. With few it does not: of a few that come together it would take
all, and leave none to the other workers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import uvicorn

from serving.connections import MANY, Connection

MORE = 15
"""Descriptors beside the first. Each costs a connection that comes alone a call of the system in vain."""

LOOK_SECONDS = 1.0
"""How often they are looked at while there are more."""

_listen = uvicorn.Server.startup


class MoreListeners:
    """Listens to the sockets of a server once more, and more than once, while it has many connections.

    Args:
        server: listens to them itself.
    """

    def __init__(self, server: uvicorn.Server, sockets: Sequence[socket.socket]) -> None:
        self._server, self._sockets = server, sockets
        self._listeners: list[asyncio.Server] = []
        self._opening: asyncio.Task[None] | None = None
        self._closed = False

    def open(self) -> None:
        """There are many connections: listen."""
        if self._opening is None and not self._closed:
            self._opening = asyncio.create_task(self._open())

    def close(self) -> None:
        """For good, as the server that it belongs to."""
        self._closed = True
        self._close_listeners()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    async def _open(self) -> None:
        config, loop = self._server.config, asyncio.get_running_loop()
        with suppress(OSError):  # no descriptor is to be had: those that are open must do
            for each in [each for each in self._sockets for _ in range(MORE)]:
                listener = await loop.create_server(
                    self._connection, sock=each.dup(), ssl=config.ssl, backlog=config.backlog
                )
                self._listeners.append(listener)
        if self._closed:
            self._close_listeners()
        else:
            loop.call_later(LOOK_SECONDS, self._look)

    def _connection(self) -> Any:
        server = self._server
        return server.config.http_protocol_class(
            config=server.config,  # type: ignore[call-arg]
            server_state=server.server_state,
            app_state=server.lifespan.state,
        )

    def _look(self) -> None:
        if len(self._server.server_state.connections) >= MANY:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        else:
            self._close_listeners()
            self._opening = None

    def _close_listeners(self) -> None:
        for each in self._listeners:
            each.close()
        self._listeners.clear()


async def _startup(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    await _listen(server, sockets)
    more = MoreListeners(server, sockets or ())
    server.servers.append(more)  # type: ignore[arg-type]  # it is closed as they are
    Connection.when_many = more.open


def install() -> None:
    """Let uvicorn, which BentoML starts after the app is made, accept like this in this process."""
    uvicorn.Server.startup = _startup  # type: ignore[assignment,method-assign]
