"""The service: which model is served, and its typed APIs. Importing this does no I/O.

The way of a request goes through serving/front_door.py to serving/predictor.py; read those next.
"""

from __future__ import annotations

import bentoml

from preprocessors.house_prices import TRUSTED_TYPES
from registry.bundle import ModelDefinition
from schemas.house_prices import HouseFeatures
from schemas.predictions import BatchPrediction, Prediction
from serving.settings import read_settings
from serving.wiring import Engine, PlumblineService, platform_options

SETTINGS = read_settings()


@bentoml.service(name="house_prices", service_class=PlumblineService, **platform_options(SETTINGS))
class HousePrices:
    """Prices of houses in Seattle, with 90 % intervals."""

    engine = Engine(ModelDefinition("house_prices", HouseFeatures, TRUSTED_TYPES), SETTINGS)

    @bentoml.on_startup
    async def start(self) -> None:
        """Begin to load; /readyz answers 200 once a version is live."""
        self.engine.start()

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
