"""Really served processes for tests, each with its own port and its own BENTOML_HOME."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without certificates: a client that reads all those of the system takes 30 ms to make."""
STATE = shutil.ignore_patterns("monitoring", "predictions", "*.key")
"""What another service has counted and logged: a service under test begins with nothing."""


@dataclass(frozen=True)
class Served:
    """A running service.

    Args:
        url: its address, without a path.
        home: its own BENTOML_HOME, a copy of the test's store.
        log: file with its standard output and error.
        process: the arbiter; it leads a process group of its own.
    """

    url: str
    home: Path
    log: Path
    process: subprocess.Popen[bytes]

    def client(self) -> httpx.Client:
        """A client with keep-alive; close it."""
        return httpx.Client(base_url=self.url, timeout=20, verify=_NO_TLS)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, whether they are ready or not."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it ended meanwhile
                found += [child] if "_bentoml_impl.worker.service" in " ".join(child.cmdline()) else []
        return found


def free_port() -> int:
    """A port on loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    home: Path,
    folder: Path,
    workers: int = 1,
    wait: bool = True,
    target: str = "service:HousePrices",
    tree: Path = ROOT,
    **settings: str,
) -> Iterator[Served]:
    """Run `bentoml serve` on a copy of the store at `home`, and end it afterwards.

    Args:
        folder: where its BENTOML_HOME and log go.
        wait: whether to wait until it is ready.
        target: what is served: a service of the code, or a Bento's folder.
        tree: the folder of the code.
        settings: environment variables.
    """
    own_home = folder / "home"
    for part in ("models", "plumbline"):
        if (home / part).exists():
            shutil.copytree(home / part, own_home / part, ignore=STATE)
    port = free_port()
    environment = {**os.environ, "BENTOML_HOME": str(own_home), "PLUMBLINE_WORKERS": str(workers), **settings}
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", target]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        running = Served(f"http://127.0.0.1:{port}", own_home, log, process)
        try:
            if wait:
                wait_until_ready(running)
            yield running
        finally:
            stop(process)


def wait_until_ready(running: Served) -> None:
    """Poll /readyz until it answers 200.

    Raises:
        AssertionError: the process ended or took too long; the message holds its log.
    """
    if not becomes_ready(running.url, START_SECONDS, lambda: running.process.poll() is None):
        raise AssertionError(f"the service did not become ready:\n{running.log.read_text()[-4000:]}")


def becomes_ready(url: str, seconds: float, runs: Callable[[], bool] = lambda: True) -> bool:
    """Whether /readyz answers 200 within so many seconds, while what serves it runs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and runs():
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)  # between polls; nothing else tells when a port is bound
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the arbiter gently, then whatever is left of its process group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=5)
