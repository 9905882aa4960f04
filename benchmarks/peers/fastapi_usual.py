# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator, misc, unused-ignore"
# FastAPI, pandas and joblib live in the benchmark's own environment, which mypy does not see.
"""FastAPI the usual way: a typed row, a DataFrame, pipeline.predict."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from schemas.house_prices import HouseFeatures

pipeline = joblib.load(os.environ["BENCH_MODEL"])
app = FastAPI()


class Answer(BaseModel):
    """The price."""

    prediction: float


@app.post("/predict")
def predict(features: HouseFeatures) -> Answer:
    """Price one house."""
    return Answer(prediction=float(pipeline.predict(pd.DataFrame([features.model_dump()]))[0]))


@app.post("/predict_batch")
def predict_batch(rows: list[HouseFeatures]) -> list[Answer]:
    """Price many houses."""
    values = pipeline.predict(pd.DataFrame([row.model_dump() for row in rows]))
    return [Answer(prediction=value) for value in values.tolist()]
