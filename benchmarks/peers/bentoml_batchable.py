# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator, misc, unused-ignore"
# pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""BentoML with adaptive batching: a batchable API over a list of typed rows."""

import os

import bentoml
import joblib
import pandas as pd

from schemas.house_prices import HouseFeatures


@bentoml.service
class HousePrices:
    """Prices of houses."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api(batchable=True)
    def predict(self, rows: list[HouseFeatures]) -> list[float]:
        """Price the houses of one or more requests."""
        prices: list[float] = self.pipeline.predict(pd.DataFrame([row.model_dump() for row in rows])).tolist()
        return prices
