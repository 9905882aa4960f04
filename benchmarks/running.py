"""A server under test: started on its core, found correct, measured, ended."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.contestants import Contestant, base_environment
from benchmarks.material import Material
from tests.served import ROOT, free_port, stop

SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 120
EQUAL_TO = 1e-6


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Args:
        url: its address, without a path.
        ready_seconds: from its start to its first good answer.
    """

    url: str
    process: subprocess.Popen[bytes]
    ready_seconds: float

    def processes(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The process that was started, and all below it."""
        root = psutil.Process(self.process.pid)
        return root, root.children(recursive=True)

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        times = [process.cpu_times() for process in self._all()]
        return sum(spent.user + spent.system for spent in times)

    def memory_mib(self) -> dict[str, int]:
        """Resident memory; a server without children is its own worker."""
        root, below = self.processes()
        arbiter = root.memory_info().rss >> 20
        workers = sum(process.memory_info().rss for process in below) >> 20
        return {"arbiter": arbiter, "workers": workers} if below else {"arbiter": 0, "workers": arbiter}

    def pause(self) -> None:
        """Let it do nothing at all, not even what it does when nobody asks."""
        for process in self._all():
            process.suspend()

    def go_on(self) -> None:
        """End the pause."""
        for process in self._all():
            process.resume()

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let a paused server run for this long."""
        self.go_on()
        try:
            yield
        finally:
            self.pause()

    def _all(self) -> list[psutil.Process]:
        root, below = self.processes()
        return [root, *below]


def core_seconds() -> float:
    """Busy time of the server's core so far, whoever used it."""
    spent = psutil.cpu_times(percpu=True)[SERVER_CORE]
    return float(sum(spent) - spent.idle - spent.iowait - spent.guest - spent.guest_nice)


@contextmanager
def serve(contestant: Contestant, material: Material) -> Iterator[Running]:
    """Start a server on its core with its own port and BENTOML_HOME, check its answers, and end it afterwards.

    Raises:
        AssertionError: it did not become ready, or answers wrongly.
    """
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", material.folder / f"{contestant.name}.log"
        shutil.copytree(material.home, home)
        ports = {"{port}": free_port(), "{port1}": free_port(), "{port2}": free_port()}
        environment = {**base_environment(), **contestant.environment, "BENTOML_HOME": str(home)}
        environment = {key: str(ports.get(value, value)) for key, value in environment.items()}
        command = ["taskset", "-c", str(SERVER_CORE)]
        command += [str(ports["{port}"]) if part == "{port}" else part for part in contestant.command]
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                env={**environment, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{ports['{port}']}"
            _wait(contestant, material, url, process, log)
            running = Running(url, process, time.monotonic() - started)
            _check(contestant, material, url)
            try:
                yield running
            finally:
                running.go_on()  # what is paused does not end
        finally:
            stop(process)


def _wait(contestant: Contestant, material: Material, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    body = contestant.body(material.rows[0])
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.post(url + contestant.path, json=body, timeout=10).status_code == 200:
                return
        time.sleep(0.02)  # between polls; nothing else tells when a port is bound
    raise AssertionError(f"{contestant.name} did not become ready:\n{log.read_text()[-3000:]}")


def _check(contestant: Contestant, material: Material, url: str) -> None:
    """Nobody is measured who answers something else."""
    if not contestant.exact:
        return
    with httpx.Client(base_url=url, timeout=20) as client:
        for row, expected in list(zip(material.rows, material.expected, strict=True))[:20]:
            answer: Any = client.post(contestant.path, json=contestant.body(row)).json()
            got = contestant.prices(answer)
            assert len(got) == 1, f"{contestant.name} answers {answer}"
            assert abs(got[0] / expected - 1) <= EQUAL_TO, f"{contestant.name} gives {got[0]}, not {expected}"
