"""The service of service.py with the reference model: `bentoml serve benchmarks.reference_service:Reference`."""

from __future__ import annotations

import bentoml

from benchmarks.reference_model import DEFINITION
from schemas.house_prices import HouseFeatures
from schemas.predictions import BatchPrediction, Prediction
from serving.settings import read_settings
from serving.wiring import Engine, PlumblineService, platform_options

SETTINGS = read_settings()


@bentoml.service(name="house_prices_reference", service_class=PlumblineService, **platform_options(SETTINGS))
class Reference:
    """Prices of houses in Seattle by 200 trees of depth 6."""

    engine = Engine(DEFINITION, SETTINGS)

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # BentoML's decorators have no types
    async def start(self) -> None:
        """Begin to load."""
        await self.engine.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Let the versions go."""
        await self.engine.stop()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(
        self, features: HouseFeatures, version: str | None = None, routing_key: str | None = None
    ) -> Prediction:
        """Price one house."""
        return await self.engine.predictor.predict(features, version, routing_key)

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict_batch(
        self, rows: list[HouseFeatures], version: str | None = None, routing_key: str | None = None
    ) -> BatchPrediction:
        """Price many houses."""
        return await self.engine.predictor.predict_batch(rows, version, routing_key)
