"""What a client sends and gets, whatever the model: requests are generic over the model's `Features`."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.features import Features

Row = TypeVar("Row", bound=Features)

VersionName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="A live model version; leave out to let the rollout plan choose",
        examples=["20160930-0d4f1c2ab9e3"],
    ),
]
RoutingKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        description="The same key always gets the same variant; leave out to use the row itself",
        examples=["customer-4711"],
    ),
]

Variant = Literal["stable", "canary", "shadow"]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PredictRequest(_Request, Generic[Row]):
    """One row to predict."""

    features: Row
    version: VersionName | None = None
    routing_key: RoutingKey | None = None


class PredictBatchRequest(_Request, Generic[Row]):
    """Many rows to predict, all by the same version."""

    rows: list[Row] = Field(min_length=1, description="Rows to predict, in the order of the answer")
    version: VersionName | None = None
    routing_key: RoutingKey | None = None


class Interval(BaseModel):
    """A range that holds the truth with the stated probability, as calibrated on held-out data."""

    low: float = Field(description="Lower end, in the unit of the prediction")
    high: float = Field(description="Upper end, in the unit of the prediction")
    coverage: float = Field(description="Probability that the interval holds the truth", examples=[0.9])


class PredictionWarning(BaseModel):
    """A reason to trust the prediction less. The prediction was made all the same."""

    code: Literal["outside_training_range", "never_seen_category"]
    feature: str = Field(description="The raw or computed feature that the model has not seen like this")
    message: str = Field(description="What was seen in training")


class Prediction(BaseModel):
    """The answer for one row, and where it came from."""

    prediction: float = Field(description="Predicted value, in the unit of the model's target")
    interval: Interval | None = Field(description="Prediction interval; null if the model has none")
    model: str = Field(description="Name of the model", examples=["house_prices"])
    version: str = Field(description="Version that answered", examples=["20160930-0d4f1c2ab9e3"])
    variant: Variant = Field(
        description="Part of the rollout plan that this version plays; shadow only if the request named its version"
    )
    warnings: list[PredictionWarning] = Field(description="Reasons to trust this prediction less; usually empty")
    prediction_id: str = Field(description="Unique id of this answer; keep it to report the outcome later")
    cached: bool = Field(description="Whether the answer came from the cache")


class BatchPrediction(BaseModel):
    """The answers for many rows, in the order of the rows."""

    predictions: list[Prediction]


def batch_request(rows: type[Features], max_rows: int) -> type[BaseModel]:
    """The batch request of one model, with its stated limit of rows.

    Args:
        rows: the model's feature class.
        max_rows: most rows that one request may hold.
    """
    base: Any = PredictBatchRequest
    limited = Field(min_length=1, max_length=max_rows, description="Rows to predict, in the order of the answer")
    fields: dict[str, Any] = {"rows": (list[rows], limited)}  # type: ignore[valid-type]
    return create_model(f"PredictBatchRequest_{rows.__name__}", __base__=base[rows], **fields)
