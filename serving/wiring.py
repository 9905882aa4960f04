"""Puts the parts together, and puts the front door outside BentoML's stack."""

from __future__ import annotations

import logging
import sys
from typing import Any

import bentoml
import orjson
from bentoml.images import Image

from registry.bundle import ModelDefinition
from registry.plan import Plan
from registry.rollout import Watcher, default_plan, plan_file
from serving import accepting, connections, logs, memory, short_way
from serving.admin import Admin
from serving.asgi import App
from serving.cached_answers import open_cache
from serving.drain import Drain
from serving.endpoints import about_endpoints, prediction_endpoints, probe_endpoints, rollout_endpoints
from serving.front_door import FrontDoor
from serving.live_models import LiveModels
from serving.loading import demands_of
from serving.monitoring_endpoints import monitoring_endpoints, outcome_endpoints
from serving.monitors import Monitors, check_log_settings
from serving.openapi import document
from serving.predictor import Predictor
from serving.remote import RemoteVersions
from serving.runner_engine import LEAN
from serving.settings import Settings

logger = logging.getLogger(__name__)

FIRST_VERSION_SECONDS = 10.0
"""So long a worker waits for its first version before it takes connections; then it says that it is not ready."""

BASE_IMAGE = f"docker.io/library/python:{sys.version_info.major}.{sys.version_info.minor}-slim-bookworm"
"""What an image of the Bento begins with, whichever of docker, podman and buildah builds it."""


class Engine:
    """Everything that serves one model in one worker. Making it does no I/O; `start` does.

    Args:
        definition: which model.
        settings: the settings of this process.
    """

    def __init__(self, definition: ModelDefinition, settings: Settings) -> None:
        self.definition, self.settings = definition, settings
        check_log_settings(definition, settings)
        self.first_version = settings.model_version
        file = plan_file(definition.name, settings.rollout_plan)
        self.live = LiveModels(definition, Watcher(file, self._first_plan), demands_of(settings))
        self._remote: RemoteVersions | None = None
        self.monitors = Monitors(definition, self.live, settings, self._sums)
        self.cache = open_cache(settings)
        self.predictor = Predictor(self.live, self.cache, self.monitors)
        self._requests: list[tuple[str, str]] = []
        self.drain = Drain(settings.drain_seconds)
        self.admin = Admin(self.live, file)

    def front_door(self, platform: App) -> FrontDoor:
        """The ASGI app that the world sees."""
        name, rows = self.definition.name, self.definition.rows
        table = prediction_endpoints(self.predictor, rows, self.settings.max_request_rows)
        table += probe_endpoints(self.live, self.drain)
        table += outcome_endpoints(self.monitors.desk)
        table += rollout_endpoints(self.admin)
        table += monitoring_endpoints(self.monitors)
        table += about_endpoints(name, lambda: written)
        written = orjson.dumps(document(name, [endpoint for endpoint in table if endpoint.listed]))
        self._requests = [pair for endpoint in table for pair in endpoint.outcomes]
        return FrontDoor(table, platform, self.settings, self.drain, self.monitors.observer.answered)

    async def start(self, runner_service: Any = None) -> None:
        """Begin to follow the plan. The server takes connections when this returns.

        A worker that replaces another shares a socket with those that can answer: it leaves connections to them until
        it can answer too, or knows why not.

        Args:
            runner_service: what `bentoml.depends()` gives when models live in the runner service, else None.
        """
        if self.settings.admin_token is None:
            logger.info("the plan cannot be changed over HTTP; set PLUMBLINE_ADMIN_TOKEN to switch it on")
        self.drain.install()
        if runner_service is not None:
            self._remote = RemoteVersions(runner_service)
            self.live.open_version = self._remote.open
        self.monitors.start(self._requests)
        self.live.start()
        await self.live.looked(FIRST_VERSION_SECONDS)
        memory.settle()

    async def stop(self) -> None:
        """Let everything go."""
        await self.live.stop()
        await self.monitors.stop()
        if self._remote is not None:
            await self._remote.close()
        await self.predictor.close()

    def _sums(self) -> dict[tuple[str, ...], int]:
        """What others count, by metric and labels."""
        found: dict[tuple[str, ...], int] = {("swaps_total",): self.live.swaps}
        found |= {("refused_versions_total", reason): number for reason, number in self.live.refusals.items()}
        if self.cache is not None:
            found |= {("cache_lookups_total", result): number for result, number in self.cache.counts.items()}
            problems = self.cache.shared.counts if self.cache.shared else {}
            found |= {("shared_cache_problems_total", problem): number for problem, number in problems.items()}
        return found

    def _first_plan(self) -> Plan:
        return default_plan(self.definition.name, self.first_version)


class PlumblineService(bentoml.Service[Any]):
    """A BentoML service whose ASGI app, however it is served, stands behind our front door.

    Its class must have an `engine` attribute.
    """

    def to_asgi(self, is_main: bool = True) -> Any:
        """BentoML's app, wrapped; `is_main` is False for a service that only other services call."""
        platform = bentoml.Service.to_asgi(self, is_main=is_main)  # bare super() fails: attrs remade the class
        engine: Engine = self.inner.engine
        logs.configure(engine.settings.log_level)
        if self.bento is not None and engine.first_version == "latest":
            engine.first_version = _pinned(self.bento, engine.definition.name)
        if not is_main:
            connections.install(engine.settings)
            return platform
        front_door = engine.front_door(platform)
        accepting.install()
        short_way.install(engine.settings, front_door)
        return front_door


def _pinned(bento: Any, model: str) -> str:
    """The version that was pinned when the Bento was built."""
    pinned = [part.tag for part in bento.info.all_models if part.tag.name == model]
    return str(pinned[0].version) if pinned else "latest"


def platform_options(settings: Settings) -> dict[str, Any]:
    """Options of the BentoML decorator: its own access log and tracing are off, ours stand in the front door."""
    return {
        "workers": settings.workers,
        "traffic": {"timeout": settings.request_timeout_seconds + settings.body_timeout_seconds},
        "image": Image(base_image=BASE_IMAGE, distro="as it is"),  # else BentoML installs compilers, for no wheel needs
        **LEAN,
    }
