"""Clients that ask without a pause, look into every answer and remember how long each took; and a disk to fill."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.client import Connection, percentile
from tests.load.material import house_rows


def bodies(count: int = 500) -> list[bytes]:
    """Requests for one real row each."""
    return [orjson.dumps({"features": row.model_dump(mode="json")}) for row in house_rows(count)]


class Clients:
    """Keep-alive clients of `/predict`.

    Args:
        url: the service.
        count: how many at once.
    """

    def __init__(self, url: str, count: int = 64) -> None:
        self._url, self._count, self._bodies = url, count, bodies()
        self._stop = asyncio.Event()
        self.answered = 0
        self.failures: Counter[str] = Counter()
        self.seconds: list[float] = []

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Clients]:
        """They ask as long as the block runs."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._one(number))
            try:
                yield self
            finally:
                self._stop.set()

    async def measure(self, seconds: float) -> dict[str, float]:
        """Let them ask for so long: the percentiles in milliseconds, and answers a second."""
        self.seconds = []
        await asyncio.sleep(seconds)
        found = self.seconds or [0.0]
        return {
            "p50_ms": round(percentile(found, 0.5), 1),
            "p99_ms": round(percentile(found, 0.99), 1),
            "longest_ms": round(1000 * max(found), 1),
            "per_second": round(len(self.seconds) / seconds),
        }

    async def _one(self, number: int) -> None:
        connection = Connection(self._url)
        while not self._stop.is_set():
            number = (number + self._count + 1) % len(self._bodies)
            try:
                answer = await connection.post("/predict", self._bodies[number])
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures[f"lost: {type(error).__name__}"] += 1
                connection.close()
                continue
            self.answered += 1
            self.seconds.append(answer.seconds)
            if answer.status != 200:
                self.failures[f"{answer.status} {answer.body.get('code')}"] += 1
        connection.close()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of its own, or None where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    path, block = folder / "fill", b"\0" * 65_536
    with path.open("wb", buffering=0) as file:
        for size in (len(block), 4096, 512, 1):
            try:
                while file.write(block[:size]) == size:
                    pass
            except OSError:
                continue
    return path


def remount(folder: Path, how: str) -> bool:
    """Make it `ro` or `rw`; whether that was possible."""
    command = ["mount", "-o", f"remount,{how}", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def metric(url: str, name: str, label: str = "") -> float:
    """The sum of a metric's samples that have this label."""
    lines = httpx.get(f"{url}/metrics", timeout=20).text.splitlines()
    found = [line for line in lines if line.startswith(f"plumbline_{name}{{") and label in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def series(url: str) -> int:
    """How many time series there are."""
    return sum(not line.startswith("#") for line in httpx.get(f"{url}/metrics", timeout=20).text.splitlines())


def wait_until(condition: Any, seconds: float) -> float:
    """Poll until it holds; how long it took.

    Raises:
        AssertionError: it did not.
    """
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it never happened"
        time.sleep(0.05)  # between polls of another process
    return time.monotonic() - started
