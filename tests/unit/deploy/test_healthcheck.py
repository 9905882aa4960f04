"""The image's health check, run as the image runs it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.image import CONTEXT
from tests.served import free_port


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on loopback whose /readyz has this status; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(port: int, variable: str = "BENTOML_PORT") -> tuple[int, str]:
    command = [sys.executable, "-I", "-S", str(CONTEXT / "healthcheck.py")]
    done = subprocess.run(command, env={variable: str(port)}, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout


@pytest.mark.parametrize("variable", ["BENTOML_PORT", "PORT"])
def test_a_ready_service_is_healthy(variable: str) -> None:
    with answering(200) as port:
        assert check(port, variable) == (0, "/readyz: 200\n")


def test_a_service_that_is_not_ready_is_unhealthy() -> None:
    with answering(503) as port:
        assert check(port) == (1, "/readyz: 503\n")


def test_nobody_there_is_unhealthy_in_one_line() -> None:
    code, line = check(free_port())
    assert code == 1
    assert line.count("\n") == 1
    assert "refused" in line
