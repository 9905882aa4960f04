"""Puts the parts together, and puts the front door outside BentoML's stack."""

from __future__ import annotations

from typing import Any

import bentoml

from registry.bundle import ModelDefinition
from serving import logs
from serving.asgi import App
from serving.endpoints import endpoints
from serving.front_door import FrontDoor
from serving.live_models import LiveModels
from serving.predictor import Predictor
from serving.runner import RunnerLimits
from serving.settings import Settings


class Engine:
    """Everything that serves one model in one worker. Making it does no I/O; `start` does.

    Args:
        definition: which model.
        settings: the settings of this process.
    """

    def __init__(self, definition: ModelDefinition, settings: Settings) -> None:
        self.settings = settings
        limits = RunnerLimits(settings.max_batch_rows, settings.max_waiting_rows, settings.request_timeout_seconds)
        self.live = LiveModels(definition, settings.model_version, limits)
        self.predictor = Predictor(self.live)

    def front_door(self, platform: App) -> FrontDoor:
        """The ASGI app that the world sees."""
        return FrontDoor(endpoints(self.live, self.predictor, self.settings), platform, self.settings)


class PlumblineService(bentoml.Service[Any]):
    """A BentoML service whose ASGI app, however it is served, stands behind our front door.

    Its class must have an `engine` attribute.
    """

    def to_asgi(self, is_main: bool = True) -> Any:
        """BentoML's app, wrapped; `is_main` is False for a service that only other services call."""
        platform = bentoml.Service.to_asgi(self, is_main=is_main)  # bare super() fails: attrs remade the class
        engine: Engine = self.inner.engine
        logs.configure(engine.settings.log_level)
        if self.bento is not None and engine.settings.model_version == "latest":
            engine.live.want(_pinned(self.bento, engine.live.definition.name))
        return engine.front_door(platform) if is_main else platform


def _pinned(bento: Any, model: str) -> str:
    """The version that was pinned when the Bento was built."""
    pinned = [part.tag for part in bento.info.all_models if part.tag.name == model]
    return str(pinned[0].version) if pinned else "latest"


def platform_options(settings: Settings) -> dict[str, Any]:
    """Options of the BentoML decorator: its own access log and tracing are off, ours stand in the front door."""
    return {
        "workers": settings.workers,
        "traffic": {"timeout": settings.request_timeout_seconds + settings.body_timeout_seconds},
        "logging": {"access": {"enabled": False}},
        "tracing": {"excluded_urls": ".*"},
        "envs": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
