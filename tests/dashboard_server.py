"""The dashboard on loopback with a sample snapshot, without the service behind it.

`python -m tests.dashboard_server [well|ringing|no_traffic|...]` serves one until Ctrl-C, to look at it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit

from monitoring.dashboard import Answer, Dashboard, figures
from monitoring.snapshot import Snapshot
from schemas.errors import NotFound
from tests import sample_snapshot


class DashboardServer:
    """What a test changes while the page looks.

    Args:
        snapshot: what /dashboard.json answers.

    Attributes:
        failing: /dashboard.json answers 503.
        held: cleared, /dashboard.json waits until it is set.
        without_charts: Plotly's script is not found, as if the package were missing.
        asked: every path that was asked for, with its query.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot, self.failing, self.without_charts = snapshot, False, False
        self.held = Event()
        self.held.set()
        self.asked: list[str] = []
        self._files = Dashboard()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, target: str, accept_encoding: bytes, if_none_match: bytes) -> Answer:
        """The answer to GET."""
        self.asked.append(target)
        path = urlsplit(target).path
        if path == "/dashboard.json":
            self.held.wait(timeout=30)
            if self.failing:
                return Answer(503, [(b"content-type", b"application/problem+json")], b'{"status":503}')
            return figures(self.snapshot, accept_encoding)
        if path == "/dashboard/plotly.js" and self.without_charts:
            return Answer(404, [], b"")
        try:
            return self._files.answer(path, accept_encoding, if_none_match)
        except NotFound:
            return Answer(404, [], b"")

    def run(self) -> None:
        """Serve until `stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Let go of what waits, and end."""
        self.held.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                given = [(self.headers.get(name) or "").encode() for name in ("Accept-Encoding", "If-None-Match")]
                status, headers, body = server.answer(self.path, *given)
                self.send_response(status)
                for name, value in [*headers, (b"Content-Length", b"%d" % len(body))]:
                    self.send_header(name.decode(), value.decode())
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def dashboard(snapshot: Snapshot) -> Iterator[DashboardServer]:
    """A running server."""
    server = DashboardServer(snapshot)
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(timeout=10)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "ringing"
    development = DashboardServer(getattr(sample_snapshot, wanted)())
    print(f"{development.url}/dashboard")  # noqa: T201 - for a person
    development.run()
