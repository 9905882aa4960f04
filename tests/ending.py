"""Load on a service that ends meanwhile: what its clients get."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx

from benchmarks.client import Connection

CONNECTIONS = 32
STEADY = 20 * CONNECTIONS
MORE = 10
"""Requests of each client after it could know that the service ends."""


class Load:
    """Clients that ask without a pause until they have heard that the service ends, and a little longer."""

    def __init__(self, url: str, body: bytes) -> None:
        self._url, self._body = url, body
        self.outcomes: Counter[str] = Counter()
        self.steady, self.not_ready = asyncio.Event(), asyncio.Event()
        self.told_to_close = 0

    async def client(self) -> None:
        """One keep-alive client, which opens a new connection whenever it is told to."""
        connection, left = Connection(self._url), MORE
        while left:
            left -= self.not_ready.is_set()
            try:
                answer = await connection.post("/predict", self._body)
                self.outcomes[str(answer.status)] += 1
                if self.outcomes["200"] > STEADY:
                    self.steady.set()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.outcomes[type(error).__name__] += 1
                connection.close()
        connection.close()

    async def balancer(self, asks: int) -> None:
        """Asks /readyz as a load balancer does."""
        async with httpx.AsyncClient(base_url=self._url, timeout=20) as client:
            while (answer := await client.get("/readyz")).status_code == 200:
                pass
            self.told_to_close += answer.headers["connection"] == "close"
            self.not_ready.set()
            for _ in range(asks):
                assert (await client.get("/readyz")).status_code == 503  # on new connections, to either worker


async def ask_until_it_ends(url: str, body: bytes, end: Callable[[], Awaitable[None]], asks: int = 10) -> Load:
    """Load the service from many connections, end it, and go on until every client could know.

    Args:
        body: of a request to /predict.
        end: tells the service to end.
        asks: how often /readyz is asked after it has said 503.
    """
    load = Load(url, body)
    tasks = [asyncio.create_task(load.client()) for _ in range(CONNECTIONS)]
    await load.steady.wait()
    await end()
    await load.balancer(asks)
    await asyncio.gather(*tasks)
    return load
