"""A small keep-alive HTTP client: fast enough to load the service and still look into every answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class Answer:
    """One answer and how long it took."""

    status: int
    body: Any
    seconds: float


class Connection:
    """One connection to the service; opens anew when the server closed it between two requests.

    Args:
        url: the service's address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> Answer:
        """Read the whole answer. Raises as `post`."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    async def post(self, path: str, body: bytes) -> Answer:
        """Send JSON and read the whole answer.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke in the middle: a lost request.
        """
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode() + body)

    async def _ask(self, request: bytes) -> Answer:
        started = time.perf_counter()
        reader, writer = await self._open()
        writer.write(request)
        status, length, keep = _head(await reader.readuntil(b"\r\n\r\n"))
        content = await reader.readexactly(length)
        if not keep:
            self.close()
        return Answer(status, orjson.loads(content), time.perf_counter() - started)

    def close(self) -> None:
        """Let the connection go."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self._reader, self._writer


def _head(raw: bytes) -> tuple[int, int, bool]:
    """Status, content length, and whether the connection stays open."""
    lines = raw.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), int(headers.get("content-length", 0)), headers.get("connection") != "close"


def percentile(seconds: list[float], share: float) -> float:
    """The value below which a share of the measurements lies, in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
