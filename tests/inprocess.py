"""The whole service inside the test's process: no sockets, its logs in memory, its errors within reach."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import bentoml
import httpx
import prometheus_client
from bentoml._internal.monitoring.api import _MONITOR_INSTANCES

from tests.served import ROOT

T = TypeVar("T")
Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]

START_SECONDS = 30


class InProcess:
    """A started service.

    Args:
        service: the BentoML service, imported anew with its own settings.
        platform: whether BentoML's own app is called, without the front door.
    """

    def __init__(self, service: Any, platform: bool = False) -> None:
        self._output = io.StringIO()
        with redirect_stdout(self._output):  # the log handler keeps the stream that it is made with
            self.app: App = bentoml.Service.to_asgi(service) if platform else service.to_asgi()
        self._loop = asyncio.Runner()
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the service's own event loop."""
        return self._loop.run(work)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request through the ASGI app; an exception that leaves the app is raised here."""
        return self.run(self.send(method, path, **options))

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same as `request`, inside the event loop."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    def raw(
        self, receive: Callable[[], Awaitable[Message]], method: str, path: str, *headers: tuple[bytes, bytes]
    ) -> Any:
        """One request with a `receive` of the test's own; the messages that were sent."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [*headers],
            "server": ("test", 80),
            "client": ("127.0.0.1", 1),
            "asgi": {"version": "3.0"},
        }

        async def call() -> None:
            await self.app(scope, receive, send)

        self.run(call())
        return sent

    def log(self) -> list[dict[str, Any]]:
        """Every line that was logged since the last call; each must be JSON."""
        text = self._output.getvalue()
        self._output.seek(0)
        self._output.truncate()
        return [json.loads(line) for line in text.splitlines()]

    def start(self) -> None:
        """What a server does before the first request."""

        async def begin() -> Message:
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
            self._task = asyncio.ensure_future(self.app(scope, self._events.get, self._answers.put))
            await self._events.put({"type": "lifespan.startup"})
            answer = asyncio.ensure_future(self._answers.get())
            await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else {"type": "nothing", "task": self._task.result()}

        assert self.run(begin())["type"] == "lifespan.startup.complete"

    def wait_until_ready(self, method: str = "GET", path: str = "/readyz", **options: Any) -> None:
        """Poll until a request, by default for /readyz, is answered with 200."""

        async def poll() -> httpx.Response:
            deadline = time.monotonic() + START_SECONDS
            while True:
                answer = await self.send(method, path, **options)
                if answer.status_code == 200 or time.monotonic() > deadline:
                    return answer
                await asyncio.sleep(0.02)  # between polls; the loading runs in a thread

        answer = self.run(poll())
        assert answer.status_code == 200, answer.text

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the service run until something holds."""

        async def poll() -> None:
            deadline = time.monotonic() + START_SECONDS
            while not condition():
                assert time.monotonic() < deadline, "it never happened"
                await asyncio.sleep(0.02)  # between polls; threads and timers do the work

        self.run(poll())

    def close(self) -> None:
        """What a server does at its end."""

        async def end() -> None:
            await self._events.put({"type": "lifespan.shutdown"})
            await self._answers.get()
            await self._task

        self.run(end())
        self._loop.close()


def said_apart(code: str, argument: Any, home: Path, folder: Path) -> Any:
    """What a program prints as JSON that runs in a process of its own, with a copy of the versions at `home`.

    Args:
        argument: given to it as JSON.
        folder: becomes its BENTOML_HOME.
    """
    shutil.copytree(home / "models", folder / "models")
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(argument)],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def in_process(*, wait: bool = True, platform: bool = False, **settings: str) -> Iterator[InProcess]:
    """Start service.py anew with these settings, in this process, and undo what it changes globally.

    Args:
        wait: whether to wait until a version is live.
        platform: BentoML's own app instead of the one behind the front door; it has no /readyz of ours.
        settings: environment variables.
    """
    collectors = set(prometheus_client.REGISTRY._collector_to_names)
    loggers = [logging.getLogger(name) for name in ("", *logging.Logger.manager.loggerDict)]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    known = sys.modules.pop("service", None)
    monitors = dict(_MONITOR_INSTANCES)
    _MONITOR_INSTANCES.clear()  # BentoML would give this service the prediction log of the one before it
    with patch.dict("os.environ", settings):
        running = InProcess(importlib.import_module("service").HousePrices, platform)
    try:
        running.start()
        for collector in set(prometheus_client.REGISTRY._collector_to_names) - collectors:
            prometheus_client.REGISTRY.unregister(collector)  # the next service in this process has the same names
        try:
            if wait:
                running.wait_until_ready()
            yield running
        finally:
            running.close()
    finally:
        del sys.modules["service"]
        if known is not None:
            sys.modules["service"] = known
        _MONITOR_INSTANCES.clear()
        _MONITOR_INSTANCES.update(monitors)
        for logger, level, propagate, handlers in before:
            logger.propagate, logger.handlers = propagate, handlers
            logger.setLevel(level)
