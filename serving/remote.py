"""The worker's part of PLUMBLINE_RUNNER=service: versions whose model lives in the runner service.

The runner is the same as ever, with its queue, deadlines and parts; only its thread does not compute but calls. While
one call is under way requests gather, so a worker sends few calls, each with many requests. A call computes and
changes nothing, hence one that broke is simply made again while somebody still waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol
from weakref import WeakSet

from bentoml.exceptions import BentoMLException, ServiceUnavailable

from registry import store
from registry.bundle import ModelDefinition
from registry.errors import BundleRefused, RegistryError, all_errors
from schemas.errors import InferenceFailed
from serving.batch import Outcome, Request, Results
from serving.frames import Call, read_answer, write_call
from serving.loading import Demands, LiveVersion, live_version
from serving.runner import Runner

logger = logging.getLogger(__name__)

HOLD_SECONDS = 5.0
"""How often a worker says which versions it wants; far less than their lease."""

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.02, 0.5
"""Pause before a broken call is made again; it doubles each time."""


class Link(Protocol):
    """The way to the runner service, for threads."""

    def compute(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """Have calls answered within so many seconds."""

    def hold(self, version: str) -> list[str]:
        """Have a version held; the refusal, if any."""


class ServiceLink:
    """The runner service behind `bentoml.depends()`, whose client belongs to the event loop. Make it there.

    Args:
        service: what `depends()` gives.
    """

    def __init__(self, service: Any) -> None:
        self._service, self._loop = service, asyncio.get_running_loop()
        self.worker = secrets.token_hex(8)

    def compute(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """Have calls answered."""
        answers: list[bytes] = self._run(self._service.compute(frames=frames), seconds)
        return answers

    def hold(self, version: str) -> list[str]:
        """Have a version held."""
        refusal: list[str] = self._run(self.held(version), None)
        return refusal

    async def held(self, version: str) -> list[str]:
        """The same as `hold`, inside the event loop."""
        refusal: list[str] = await self._service.hold(worker=self.worker, version=version)
        return refusal

    async def released(self) -> None:
        """Have no version held any more."""
        await self._service.release(worker=self.worker)

    def _run(self, call: Any, seconds: float | None) -> Any:
        waiting = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return waiting.result(seconds)
        finally:
            waiting.cancel()


class ServiceComputer:
    """Has batches of one version computed by the runner service. For the thread of one runner.

    Args:
        version: the version's name.
        link: the way there.
        seconds: deadline of a request, from its arrival.
    """

    def __init__(self, version: str, link: Link, seconds: float) -> None:
        self.version = version
        self.transform_seconds = self.predict_seconds = 0.0  # the first is part of the second here
        self._link, self._seconds = link, seconds
        self._numbers = count()

    def outcomes(self, batch: Sequence[Request]) -> list[Outcome]:
        """Results or its own error for each request; those whose deadline passes meanwhile are left out."""
        pause = FIRST_PAUSE_SECONDS
        while present := [request for request in batch if self._is_waited_for(request)]:
            try:
                found = self._together(present)
                if found is not None:
                    return found
                self._hold_again()
            except ServiceUnavailable as error:
                self._warn(error)
            except BentoMLException as error:
                return [(request, _failed(error)) for request in present]
            except Exception as error:  # a connection that broke, or a service that is being started again
                self._warn(error)
            time.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
        return []

    def _is_waited_for(self, request: Request) -> bool:
        return not request.gone() and time.monotonic() < request.arrived + self._seconds

    def _together(self, batch: list[Request]) -> list[Outcome] | None:
        """The outcomes, or None when the service does not hold the version: it was started again."""
        calls = [Call(str(next(self._numbers)), self.version, r.arrived + self._seconds, r.rows) for r in batch]
        started = time.monotonic()
        seconds = calls[-1].deadline - started  # the last to arrive waits longest
        answers = [read_answer(f) for f in self._link.compute([write_call(call) for call in calls], seconds)]
        self.predict_seconds += time.monotonic() - started
        if [number for number, _ in answers] != [call.number for call in calls]:
            wrong = InferenceFailed("The runner service mixed up its answers.")
            return [(request, wrong) for request in batch]
        outcomes: list[Outcome] = []
        for request, (_, outcome) in zip(batch, answers, strict=True):
            if outcome is None:
                return None
            if isinstance(outcome, Results) and len(outcome.value) != len(request.rows):
                outcome = InferenceFailed("The runner service answered another number of rows.")
            outcomes.append((request, outcome))
        return outcomes

    def _hold_again(self) -> None:
        refusal = self._link.hold(self.version)
        if refusal:
            logger.error("the runner service refuses a live version", extra={"version": self.version, "why": refusal})

    def _warn(self, error: Exception) -> None:
        kind = type(error).__name__
        logger.warning("a call of the runner service broke", extra={"version": self.version, "error": kind})


def _failed(error: Exception) -> InferenceFailed:
    failed = InferenceFailed("The runner service failed; its log has the cause.")
    failed.__cause__ = error
    return failed


class RemoteVersions:
    """Opens versions in the runner service and keeps them held. For one event loop; make it there.

    Args:
        service: what `bentoml.depends()` gives.
    """

    def __init__(self, service: Any) -> None:
        self._link = ServiceLink(service)
        self._live: WeakSet[ServiceComputer] = WeakSet()  # a version that left is let go with its last request
        self._task = asyncio.create_task(self._keep_held(), name="keep-held")

    async def open(self, definition: ModelDefinition, version: str, demands: Demands) -> LiveVersion:
        """Have a version loaded and proven over there; here it is only described. Raises what `load` raises."""
        described = await asyncio.to_thread(store.describe_version, definition, version, demands.bundle_keys)
        refusal = await self._link.held(described.version)
        if refusal:
            raise _refused(*refusal)
        computer = ServiceComputer(described.version, self._link, demands.limits.timeout_seconds)
        self._live.add(computer)
        return live_version(described, Runner(computer, demands.limits))

    async def close(self) -> None:
        """Let all versions go."""
        self._task.cancel()
        await asyncio.gather(self._task, self._link.released(), return_exceptions=True)

    async def _keep_held(self) -> None:
        while True:
            await asyncio.sleep(HOLD_SECONDS)
            for version in {computer.version for computer in self._live}:
                try:
                    await self._link.held(version)
                except Exception as error:  # the next time will do; a request in between asks by itself
                    logger.warning("a version could not be held", extra={"version": version, "error": repr(error)})


def _refused(reason: str, text: str) -> RegistryError:
    return next((cls for cls in all_errors() if cls.reason == reason), BundleRefused)(text)
