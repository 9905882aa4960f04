"""A service that is busy at first: passes requests on to a real one, but answers the first POST with 503."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Lock

import httpx

from tests.loopback import listening

BUSY = {
    "type": "urn:plumbline:problem:overloaded",
    "title": "The service is overloaded",
    "status": 503,
    "detail": "Too many rows wait already; try again later.",
    "code": "overloaded",
    "request_id": "busy",
}
LATER = {"Content-Type": "application/problem+json", "Retry-After": "1"}
KEPT = ("content-type", "x-request-id", "retry-after")


@dataclass
class Busy:
    """A running proxy.

    Args:
        url: its own address.
        refused, passed: how many POSTs it refused, and passed on.
    """

    url: str
    refused: int = 0
    passed: int = 0
    lock: Lock = field(default_factory=Lock)

    def refuses(self) -> bool:
        """Whether to refuse this POST: only the first."""
        with self.lock:
            refuses = not self.refused
            self.refused += refuses
            self.passed += not refuses
            return refuses


@contextmanager
def busy_at_first(service: str) -> Iterator[Busy]:
    """Run one on a free port of loopback.

    Args:
        service: address of the real service.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if state.refuses():
                self._answer(503, LATER, json.dumps(BUSY).encode())
            else:
                self._pass_on(body)

        def _pass_on(self, body: bytes) -> None:
            headers = {"Content-Type": "application/json"} if body else {}
            answer = httpx.request(self.command, f"{service}{self.path}", content=body, headers=headers, timeout=20)
            self._answer(answer.status_code, {k: v for k, v in answer.headers.items() if k in KEPT}, answer.content)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: tests look at the counts."""

    with listening(Handler) as address:
        state = Busy(f"http://{address}")
        yield state
