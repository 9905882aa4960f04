"""HTTP by hand, byte for byte: for requests that no client library would send."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

DEADLINE_SECONDS = 30
"""For any one read: a server that does not answer within it hangs."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return orjson.loads(self.body)


class Wire:
    """One connection to the service.

    Args:
        url: the service's address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((str(parts.hostname), int(parts.port or 80)), DEADLINE_SECONDS)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are; a server that has closed already is no error here."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def ask(self, data: bytes) -> Answer:
        """Send bytes and read one answer."""
        self.send(data)
        return self.answer()

    def answer(self) -> Answer:
        """Read one answer with its body; an interim 100 has none.

        Raises:
            EOFError: the server closed instead.
        """
        line = self._file.readline()
        if not line:
            raise EOFError
        headers: dict[str, str] = {}
        while (each := self._file.readline().strip()) != b"":
            name, _, value = each.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(line.split()[1]), headers, self._file.read(int(headers.get("content-length", 0))))

    def ends_unread(self) -> None:
        """Wait, without reading a byte, until the server resets the connection.

        Raises:
            TimeoutError: it does not.
        """
        watch = select.poll()
        watch.register(self._socket, 0)  # errors and hang-ups are always told
        if not watch.poll(1000 * DEADLINE_SECONDS):
            raise TimeoutError

    def ends(self) -> bool:
        """Whether the server closes without another byte; waits for it."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def post(path: str, body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """A whole POST of JSON."""
    return head(path, len(body), *headers, version=version) + body


def head(path: str, length: int, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """The head of a POST that announces `length` bytes."""
    lines = [b"POST %s HTTP/%s" % (path.encode(), version), b"Host: test", b"Content-Type: application/json"]
    return b"\r\n".join([*lines, b"Content-Length: %d" % length, *headers, b"", b""])
