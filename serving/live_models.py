"""The versions that this worker serves: loaded once, verified, warmed, and only then live."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Literal

from preprocessors.feature_check import FeatureCheck
from registry import store
from registry.bundle import Bundle, ModelDefinition
from registry.errors import RegistryError
from schemas.errors import NotReady, UnknownVersion
from serving.runner import Runner, RunnerLimits

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""Pause before a version that could not be loaded is tried again."""


@dataclass(frozen=True)
class LiveVersion:
    """A version that answers requests."""

    bundle: Bundle
    runner: Runner
    variant: Literal["stable", "canary"]

    @property
    def name(self) -> str:
        """The version's name."""
        return self.bundle.version


class LiveModels:
    """Loads the wanted version in the background and hands it out once it has proved itself.

    Args:
        definition: which model.
        wanted: a version's name, or "latest".
        limits: what bounds the runner of each version.
    """

    def __init__(self, definition: ModelDefinition, wanted: str, limits: RunnerLimits) -> None:
        self.definition = definition
        self._wanted, self._limits = wanted, limits
        self._stable: LiveVersion | None = None
        self._reason = f"{definition.name} is being loaded"
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether a version is live."""
        return self._stable is not None

    def want(self, version: str) -> None:
        """Name another version to load; call it before `start`."""
        self._wanted = version

    def start(self) -> None:
        """Begin to load; returns at once. Call it inside the running event loop."""
        self._task = asyncio.create_task(self._load_until_live(), name="load-models")

    async def stop(self) -> None:
        """End the loading and let the runners go."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._stable is not None:
            self._stable.runner.close()

    def stable(self) -> LiveVersion:
        """The version that answers by default.

        Raises:
            NotReady: nothing is live yet; the detail says why.
        """
        if self._stable is None:
            raise NotReady(f"{self._reason}.", headers={"Retry-After": str(int(RETRY_SECONDS))})
        return self._stable

    def named(self, version: str) -> LiveVersion:
        """A live version by its name.

        Raises:
            UnknownVersion: it is not live; the error lists those that are.
            NotReady: nothing is live yet.
        """
        stable = self.stable()
        if version != stable.name:
            live = [stable.name]
            raise UnknownVersion(
                f"That version is not live; live: {', '.join(live)}.", extension={"live_versions": live}
            )
        return stable

    async def _load_until_live(self) -> None:
        while self._stable is None:
            try:
                self._stable = await asyncio.to_thread(self._load)
            except RegistryError as error:
                if self._reason != str(error):  # say it once, not every two seconds
                    self._reason = str(error)
                    logger.error(self._reason, extra={"model": self.definition.name, "reason": error.reason})
                await asyncio.sleep(RETRY_SECONDS)
        logger.info("serving", extra={"model": self.definition.name, "version": self._stable.name})

    def _load(self) -> LiveVersion:
        bundle = store.open_version(self.definition, self._wanted)
        bundle.replay_golden(self.definition.rows)  # also warms every code path of a prediction
        runner = Runner(bundle.model, FeatureCheck(self.definition.rows, bundle.ranges), self._limits)
        return LiveVersion(bundle, runner, "stable")
