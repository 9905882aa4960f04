# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator, misc, unused-ignore"
# pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""BentoML the usual way: a typed API, a DataFrame, pipeline.predict."""

import os

import bentoml
import joblib
import pandas as pd
from pydantic import BaseModel

from schemas.house_prices import HouseFeatures


class Answer(BaseModel):
    """The price."""

    prediction: float


@bentoml.service
class HousePrices:
    """Prices of houses."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, features: HouseFeatures) -> Answer:
        """Price one house."""
        return Answer(prediction=float(self.pipeline.predict(pd.DataFrame([features.model_dump()]))[0]))

    @bentoml.api
    def predict_batch(self, rows: list[HouseFeatures]) -> list[float]:
        """Price many houses."""
        prices: list[float] = self.pipeline.predict(pd.DataFrame([row.model_dump() for row in rows])).tolist()
        return prices
