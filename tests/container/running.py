"""A container of the image, run as production should run it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.container.engine import Engine, once
from tests.served import becomes_ready, free_port

MEMORY_MB = 768
CPUS = 1
READY_SECONDS = 60
PLAN_FOLDER = "/etc/plumbline"
HARD = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:rw,size=16m,mode=1777"),
    *("--cap-drop=all", "--security-opt=no-new-privileges", "--pids-limit=128"),
    *(f"--memory={MEMORY_MB}m", f"--memory-swap={MEMORY_MB}m", f"--cpus={CPUS}"),
)
"""Limits: read-only but for /tmp and the image's volume, no capabilities, 768 MB in all and one processor."""


@dataclass
class Container:
    """A running container.

    Args:
        started: seconds from the start to the first 200 of /readyz.
        computed: seconds of processor time that its processes took for that; what else runs here does not count.
    """

    engine: Engine
    name: str
    url: str
    started: float = 0.0
    computed: float = 0.0

    def client(self) -> httpx.Client:
        """A client with keep-alive; close it."""
        return httpx.Client(base_url=self.url, timeout=20)

    def exec(self, *command: str) -> tuple[int, str]:
        """Run a program inside; gives its exit code and output."""
        done = self.engine.ask("exec", self.name, *command)
        return done.returncode, done.stdout + done.stderr

    def log(self) -> str:
        """All that it has written."""
        done = self.engine.ask("logs", self.name)
        return done.stdout + done.stderr

    @property
    def processes(self) -> list[psutil.Process]:
        """Its processes, as the host sees them."""
        first = psutil.Process(self.engine.inspect("container", self.name)["State"]["Pid"])
        return [first, *first.children(recursive=True)]

    def memory(self) -> dict[str, float]:
        """Now and at most, in MB (of 10^6 bytes), as its cgroup counts: processes, /tmp and cached files."""
        pid = self.processes[0].pid
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        by_controller = {line.split(":")[1]: line.split(":")[2] for line in lines}
        if "memory" in by_controller:
            folder, names = (
                Path("/sys/fs/cgroup/memory" + by_controller["memory"]),
                ("usage_in_bytes", "max_usage_in_bytes"),
            )
        else:
            folder, names = Path("/sys/fs/cgroup" + by_controller[""]), ("current", "peak")
        figures = [int((folder / f"memory.{name}").read_text()) for name in names]
        private = sum(process.memory_full_info().uss for process in self.processes)
        return {"now": figures[0] / 1e6, "peak": figures[1] / 1e6, "processes": private / 1e6}


@contextmanager
def run(engine: Engine, image: str, name: str, *options: str, **settings: str) -> Iterator[Container]:
    """Run the image with all limits, wait until it is ready, and remove it afterwards.

    Args:
        options: further ones of `podman run`.
        settings: environment variables.
    """
    port = free_port()
    # the sandbox's own network would need a firewall; on the host's the service keeps to loopback
    given = {"BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port), **settings}
    variables = [f"--env={key}={value}" for key, value in given.items()]
    engine.ask("rm", "--force", name)
    begun = time.monotonic()
    engine.run("run", "--detach", f"--name={name}", "--network=host", *HARD, *once(), *variables, *options, image)
    container = Container(engine, name, f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(container)
        container.started = time.monotonic() - begun
        container.computed = sum(sum(process.cpu_times()[:2]) for process in container.processes)
        yield container
    finally:
        engine.ask("rm", "--force", name)


def wait_until_ready(container: Container, seconds: float = READY_SECONDS) -> None:
    """Poll /readyz until it answers 200.

    Raises:
        AssertionError: it took too long; the message holds the log.
    """
    if not becomes_ready(container.url, seconds):
        raise AssertionError(f"not ready within {seconds} s:\n{container.log()[-4000:]}")


def until_stable(container: Container, version: str, seconds: float = 30) -> dict[str, Any]:
    """Poll /models until this version is the stable one; gives what it says.

    Raises:
        AssertionError: it did not become so.
    """
    deadline = time.monotonic() + seconds
    said: dict[str, Any] = {}
    while time.monotonic() < deadline:
        said = httpx.get(f"{container.url}/models", timeout=20).json()
        if said["versions"][0]["version"] == version:
            return said
        time.sleep(0.1)  # between polls
    raise AssertionError(f"not within {seconds} s: {said}\n{container.log()[-3000:]}")
