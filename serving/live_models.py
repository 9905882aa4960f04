"""The versions that this worker serves, and how it follows the rollout plan by itself.

The plan is desired state. A worker looks at it twice a second and does what is missing: it loads what the plan names
and is not live, and only when all of it has proved itself does it switch, by replacing one reference. Requests in
flight finish on the version that they began with. What is refused changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from registry.bundle import ModelDefinition
from registry.errors import RegistryError
from registry.plan import Plan
from registry.rollout import Watcher
from schemas.errors import NotReady
from serving.loading import Demands, LiveVersion, as_refusal, load
from serving.router import Routes, routes

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often the plan is looked at."""

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 2.0, 60.0
"""Pause before a plan that could not be followed is tried again; it doubles each time."""


OpensVersion = Callable[[ModelDefinition, str, Demands], Awaitable[LiveVersion]]
"""Loads a version and lets it prove itself; raises what `serving.loading.load` raises."""


class LiveSet(NamedTuple):
    """All that a request needs to know of what is live. Replaced as a whole, never changed."""

    plan: Plan
    routes: Routes
    versions: Mapping[str, LiveVersion]


class LiveModels:
    """Follows the plan of one model. For one event loop; loading happens in threads, or where `open_version` says.

    Args:
        definition: which model.
        watcher: the plan.
        demands: what every version must keep to.
    """

    def __init__(self, definition: ModelDefinition, watcher: Watcher, demands: Demands) -> None:
        self.definition = definition
        self.open_version: OpensVersion = _open_here
        self.swaps = 0
        self.refusals: dict[str, int] = {}
        self.problem: str | None = f"{definition.name} is being loaded"
        self._watcher, self._demands = watcher, demands
        self._live: LiveSet | None = None
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    def start(self) -> None:
        """Begin to follow the plan; returns at once. Call it inside the running event loop."""
        self._task = asyncio.create_task(self._follow(), name="follow-plan")

    async def looked(self, seconds: float) -> None:
        """Wait until the plan was followed once, with success or without, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._looked.wait(), seconds)

    async def stop(self) -> None:
        """No longer follow the plan, and let the versions go once their work is done."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for version in self.versions.values():
            version.runner.close()

    @property
    def ready(self) -> bool:
        """Whether something is live."""
        return self._live is not None

    @property
    def versions(self) -> Mapping[str, LiveVersion]:
        """What is live; nothing at first."""
        return self._live.versions if self._live else {}

    @property
    def generation(self) -> int:
        """Generation of the plan that is followed; 0 at first."""
        return self._live.plan.generation if self._live else 0

    @property
    def planned(self) -> Plan | None:
        """The plan that is to be followed; None before there is one."""
        return self._watcher.plan

    def now(self) -> LiveSet:
        """What is live at this moment.

        Raises:
            NotReady: nothing is live yet; the detail says why.
        """
        if self._live is None:
            raise NotReady(f"{self.problem}.", headers={"Retry-After": str(int(FIRST_RETRY_SECONDS))})
        return self._live

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        retry, pause = 0.0, FIRST_RETRY_SECONDS
        while True:
            changed = await asyncio.to_thread(self._watcher.poll)
            plan = self._watcher.plan
            if changed is not None:
                retry, pause = loop.time(), FIRST_RETRY_SECONDS
            if plan is None:
                self._complain(self._watcher.problem)
            elif self._is_missing(plan) and loop.time() >= retry:
                await self._reconcile(plan)
                retry, pause = loop.time() + pause, min(2 * pause, LAST_RETRY_SECONDS)
            elif not self._is_missing(plan):
                self._complain(self._watcher.problem)
            self._looked.set()
            await asyncio.sleep(POLL_SECONDS)

    def _is_missing(self, plan: Plan) -> bool:
        return self._live is None or self._live.plan != plan or any(v not in self._live.versions for v in plan.versions)

    async def _reconcile(self, plan: Plan) -> None:
        """Load what is missing and switch, or change nothing. Only a worker with nothing live takes what it can get."""
        versions = dict(self._live.versions) if self._live else {}
        wanted = {name: versions[name] for name in plan.versions if name in versions}
        refused: RegistryError | None = None
        for name in plan.versions:
            if name in wanted:
                continue
            try:
                wanted[name] = await self.open_version(self.definition, name, self._demands)
            except Exception as error:  # whatever a version does, it must not end the following of the plan
                refused = as_refusal(name, error, "the log has the cause")
                self.refusals[refused.reason] = self.refusals.get(refused.reason, 0) + 1
        started_with_nothing = self._live is None or self._live.plan == plan
        if refused is None or (started_with_nothing and plan.stable in wanted):
            self._switch(plan, wanted)
        self._complain(refused)

    def _switch(self, plan: Plan, versions: Mapping[str, LiveVersion]) -> None:
        before = self._live
        self._live = LiveSet(plan, routes(plan, versions), versions)
        if before is not None and before.plan == plan and before.versions.keys() == versions.keys():
            return  # a retry that found nothing new
        self.swaps += 1
        extra = {"model": plan.model, "generation": plan.generation, "versions": list(versions)}
        logger.info("serving", extra=extra)
        if before is not None and before.versions.keys() - versions.keys():
            # who has chosen a version that leaves still finishes on it; its thread and memory go with the last of them
            asyncio.get_running_loop().call_later(self._demands.limits.timeout_seconds, _give_back_memory)

    def _complain(self, error: RegistryError | None) -> None:
        """Keep the reason, and log it once, not at every look."""
        problem = str(error) if error else None
        if problem is not None and problem != self.problem:
            reason = error.reason if error else ""
            logger.error(problem, extra={"model": self.definition.name, "reason": reason})
        self.problem = problem


async def _open_here(definition: ModelDefinition, version: str, demands: Demands) -> LiveVersion:
    return await asyncio.to_thread(load, definition, version, demands)


def _give_back_memory() -> None:
    """Return the memory of versions that left: Python looks for circles seldom, and glibc would keep the pages."""
    gc.collect()  # what was imported is frozen, so this is quick
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
