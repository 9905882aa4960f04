"""The service: which model is served, and its typed APIs. Importing this does no I/O.

The way of a request goes through serving/front_door.py to serving/predictor.py; read those next.
"""

from __future__ import annotations

import bentoml

from preprocessors.house_prices import TRUSTED_TYPES
from registry.bundle import ModelDefinition
from schemas.house_prices import HouseFeatures
from schemas.predictions import BatchPrediction, Prediction
from serving.runner_engine import RunnerEngine, compute_options, runner_options
from serving.settings import read_settings
from serving.wiring import Engine, PlumblineService, platform_options

SETTINGS = read_settings()
DEFINITION = ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES)
RUNNER = None

if SETTINGS.runner == "service":  # else nothing of it exists: `bentoml serve` starts one service

    @bentoml.service(name="house_prices_runner", **runner_options())
    class RunnerService:
        """Computes for all workers, in one process. Only they can reach it, over a Unix socket."""

        engine = RunnerEngine(DEFINITION, SETTINGS)

        @bentoml.on_startup
        async def start(self) -> None:
            """Get ready; versions are loaded when a worker wants them."""
            self.engine.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            """Let the thread go."""
            self.engine.stop()

        @bentoml.api(**compute_options(SETTINGS))
        async def compute(self, frames: list[bytes]) -> list[bytes]:
            """Answer calls of any workers and versions in one batch; serving/frames.py says what is in them."""
            return await self.engine.compute(frames)

        @bentoml.api
        async def hold(self, worker: str, version: str) -> list[str]:
            """Load a version for a worker, or say why not."""
            return await self.engine.hold(worker, version)

        @bentoml.api
        async def release(self, worker: str) -> None:
            """Hold nothing more for a worker."""
            self.engine.release(worker)

    RUNNER = bentoml.depends(RunnerService)


@bentoml.service(name="house_prices", service_class=PlumblineService, **platform_options(SETTINGS))
class HousePrices:
    """Prices of houses in Seattle, with 90 % intervals."""

    engine = Engine(DEFINITION, SETTINGS)
    runner = RUNNER

    @bentoml.on_startup
    async def start(self) -> None:
        """Load the first version; /readyz answers 200 once one is live."""
        await self.engine.start(self.runner)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Let the versions go."""
        await self.engine.stop()

    @bentoml.api
    async def predict(
        self, features: HouseFeatures, version: str | None = None, routing_key: str | None = None
    ) -> Prediction:
        """Price one house."""
        return await self.engine.predictor.predict(features, version, routing_key)

    @bentoml.api
    async def predict_batch(
        self, rows: list[HouseFeatures], version: str | None = None, routing_key: str | None = None
    ) -> BatchPrediction:
        """Price many houses."""
        return await self.engine.predictor.predict_batch(rows, version, routing_key)
