"""A burst of connections is accepted in a few turns of the event loop, and only while there are many."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop

from serving import accepting
from serving.connections import MANY, Connection

BURST = 200


class Recording(Connection):
    """Remembers in which turn each connection was accepted."""

    turns: list[int]
    now = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        Recording.turns.append(Recording.now)
        super().connection_made(transport)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `install` changes is changed for one test."""
    monkeypatch.setattr(uvicorn.Server, "startup", uvicorn.Server.startup)
    monkeypatch.setattr(Connection, "when_many", None)
    monkeypatch.setattr(accepting, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(Recording, "turns", [], raising=False)
    accepting.install()


def clients(port: int, count: int, closing: ExitStack) -> list[socket.socket]:
    """So many connections; the kernel makes them, whether anybody accepts them or not."""
    return [closing.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]


def connected(port: int) -> bool:
    """Whether anybody listens."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def until(true: Callable[[], bool]) -> None:
    """The test's time limit ends it."""
    for _ in iter(true, True):
        await asyncio.sleep(0.005)


def count_turns() -> None:
    """From now on."""
    Recording.now += 1
    asyncio.get_running_loop().call_soon(count_turns)


@asynccontextmanager
async def served(sockets: list[socket.socket]) -> AsyncIterator[uvicorn.Server]:
    """A server on these sockets."""
    config = uvicorn.Config(lambda *_: None, http=Recording, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=sockets))
    try:
        await until(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        await running


def run(scenario: Any) -> None:
    """In the event loop that the service runs in."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ExitStack() as closing:
        listening = closing.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2 * BURST))
        runner.run(scenario(listening, listening.getsockname()[1], closing))


def test_a_burst_is_accepted_in_a_few_turns() -> None:
    async def scenario(listening: socket.socket, port: int, closing: ExitStack) -> None:
        clients(port, BURST, closing)
        count_turns()
        async with served([listening]):
            await until(lambda: len(Recording.turns) == BURST)
            turns = Recording.turns
            # one in a turn until there are many, then one for each descriptor
            assert turns[-1] - turns[0] <= 2 * MANY + BURST / (1 + accepting.MORE)

    run(scenario)


def test_only_while_there_are_many_connections_there_are_more_descriptors() -> None:
    async def scenario(listening: socket.socket, port: int, closing: ExitStack) -> None:
        async with served([listening]) as server:
            more: Any = server.servers[-1]
            few = clients(port, MANY - 1, closing)
            await until(lambda: len(Recording.turns) == MANY - 1)
            assert not more._listeners
            few += clients(port, 1, closing)
            await until(lambda: len(more._listeners) == accepting.MORE)
            few.pop().close()
            await until(lambda: not more._listeners)
            clients(port, 1, closing)
            await until(lambda: len(more._listeners) == accepting.MORE)

    run(scenario)


def test_where_no_descriptor_is_to_be_had_there_are_fewer_and_later_all(monkeypatch: pytest.MonkeyPatch) -> None:
    dup, left = socket.socket.dup, iter(range(3))

    def few(listening: socket.socket) -> socket.socket:
        if next(left, None) is None:
            raise OSError(errno.EMFILE, "too many open files")
        return dup(listening)

    async def scenario(listening: socket.socket, port: int, closing: ExitStack) -> None:
        async with served([listening]) as server:
            more: Any = server.servers[-1]
            monkeypatch.setattr(socket.socket, "dup", few)
            many = clients(port, MANY, closing)
            await until(lambda: len(more._listeners) == 3)
            for each in many:
                each.close()
            await until(lambda: not more._listeners)
            monkeypatch.setattr(socket.socket, "dup", dup)
            clients(port, MANY, closing)
            await until(lambda: len(more._listeners) == accepting.MORE)

    run(scenario)


@pytest.mark.parametrize("opening", [False, True])
def test_the_end_of_the_server_ends_all_descriptors(opening: bool) -> None:
    async def scenario(listening: socket.socket, port: int, closing: ExitStack) -> None:
        async with served([listening]) as server:
            more: Any = server.servers[-1]
            if opening:
                more.open()  # and the end comes before it has begun
            else:
                clients(port, MANY, closing)
                await until(lambda: len(more._listeners) == accepting.MORE)
            server.config.timeout_graceful_shutdown = 0
        assert not more._listeners
        listening.close()
        assert not connected(port)

    run(scenario)
