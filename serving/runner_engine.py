"""Everything that runs in the runner service: the held versions, one thread for the model, and a late end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from registry.bundle import ModelDefinition
from serving import logs, memory
from serving.batch import BatchComputer
from serving.held_versions import HeldVersions
from serving.loading import computer_of, demands_of, prove
from serving.settings import Settings

LOAD_SECONDS = 600
"""Longest time that loading a version may take; calls that compute have their own deadlines."""

END_POLL_SECONDS = 0.05

LEAN: dict[str, Any] = {
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
    "envs": [{"name": "OMP_NUM_THREADS", "value": "1"}],
}
"""Options of the BentoML decorator for any service of ours: its own access log and tracing are off."""


class RunnerEngine:
    """What the runner service does. Making it does no I/O.

    Args:
        definition: which model.
        settings: the settings of this process.
    """

    def __init__(self, definition: ModelDefinition, settings: Settings) -> None:
        demands = demands_of(settings)

        def open_version(version: str) -> BatchComputer:
            return computer_of(definition, prove(definition, version, demands))

        self.held = HeldVersions(open_version, settings.max_batch_rows)
        self._settings = settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runner")

    def start(self) -> None:
        """Get ready to answer. Call it inside the running event loop of a served process."""
        settings = self._settings
        logs.configure(settings.log_level)
        longest = settings.drain_seconds + settings.body_timeout_seconds + settings.request_timeout_seconds
        end_after(lambda: bool(self.held.wanted), longest)
        memory.settle()

    async def compute(self, frames: list[bytes]) -> list[bytes]:
        """Answer a batch of calls. BentoML has one batch under way at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.held.answer, frames)

    async def hold(self, worker: str, version: str) -> list[str]:
        """Hold a version for a worker; the refusal, if any."""
        return await asyncio.to_thread(self.held.hold, worker, version)

    def release(self, worker: str) -> None:
        """Hold nothing more for a worker."""
        self.held.release(worker)

    def stop(self) -> None:
        """Let the thread go once its work is done."""
        self._thread.shutdown(wait=False)


def end_after(busy: Callable[[], bool], longest: float) -> None:
    """Delay SIGTERM while workers still need this process: BentoML sends it to all processes at once.

    Args:
        busy: whether some worker still holds a version here.
        longest: most seconds of delay, for workers that died.
    """
    before = signal.getsignal(signal.SIGTERM)
    loop = asyncio.get_running_loop()
    latest: list[float] = []

    def end(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)

    def look() -> None:
        if busy() and loop.time() < latest[0]:
            loop.call_later(END_POLL_SECONDS, look)
        else:
            end(signal.SIGTERM, None)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if latest:
            end(number, frame)
            return
        latest.append(loop.time() + longest)
        loop.call_soon_threadsafe(look)

    signal.signal(signal.SIGTERM, on_signal)


def runner_options() -> dict[str, Any]:
    """Options of the BentoML decorator for the runner service."""
    return {
        "workers": 1,  # the point of it: one copy of the model
        "traffic": {"timeout": LOAD_SECONDS},
        # by default the callers' client closes itself every 100 requests, under calls in flight
        "runner_connection": {"max_requests": 10**9, "max_age": 1e9},
        **LEAN,
    }


def compute_options(settings: Settings) -> dict[str, Any]:
    """Options of BentoML's batching, so wide that it neither splits nor sheds: queues and deadlines are the workers'.

    Its `max_latency_ms` is when it sheds, not how long it waits; what it sheds nevertheless is called again.
    """
    return {
        "batchable": True,
        "max_batch_size": 10**6,  # in calls; held_versions.py counts their rows
        "max_latency_ms": int(2000 * settings.request_timeout_seconds),
    }
