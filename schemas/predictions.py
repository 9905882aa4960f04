"""What a client sends and gets, whatever the model: requests are generic over the model's `Features`."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema, create_model

from schemas.features import Features

Row = TypeVar("Row", bound=Features)

VersionName = Annotated[
    Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")] | None,
    Field(
        description="A live model version; leave out to let the rollout plan choose", examples=["20160930-0d4f1c2ab9e3"]
    ),
]
RoutingKey = Annotated[
    Annotated[str, Field(min_length=1, max_length=256)] | None,
    Field(
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
    version: VersionName = None
    routing_key: RoutingKey = None


class BatchOptions(_Request):
    """What a request for many rows says beside them."""

    version: VersionName = None
    routing_key: RoutingKey = None


class PredictBatchRequest(_Request, Generic[Row]):
    """Many rows to predict, all by the same version."""

    rows: list[Row] = Field(min_length=1, description="Rows to predict, in the order of the answer")
    version: VersionName = None
    routing_key: RoutingKey = None


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


class RowWarning(PredictionWarning):
    """A reason to trust the prediction of one of many rows less."""

    row: int = Field(ge=0, description="Which row, counted from 0")


class ColumnsPrediction(BaseModel):
    """The answers for many rows as columns: each list has one entry a row, in the order of the rows."""

    prediction: list[float] = Field(description="Predicted values, in the unit of the model's target")
    low: list[float] | None = Field(description="Lower ends of the intervals; null if the model has none")
    high: list[float] | None = Field(description="Upper ends of the intervals; null if the model has none")
    coverage: float | None = Field(description="Probability that an interval holds the truth", examples=[0.9])
    prediction_id: list[str] = Field(description="Unique ids of the answers; keep them to report outcomes later")
    model: str = Field(description="Name of the model", examples=["house_prices"])
    version: str = Field(description="Version that answered", examples=["20160930-0d4f1c2ab9e3"])
    variant: Variant = Field(
        description="Part of the rollout plan that this version plays; shadow only if the request named its version"
    )
    warnings: list[RowWarning] = Field(description="Reasons to trust some of the predictions less; usually empty")
    cached_rows: list[int] = Field(description="The rows whose answers came from the cache, counted from 0")


def one_request(rows: type[Features]) -> type[BaseModel]:
    """The request for one row of one model, with a name that reads well in generated clients.

    Args:
        rows: the model's feature class.
    """
    base: Any = PredictRequest
    return create_model("PredictRequest", __base__=base[rows], __doc__=PredictRequest.__doc__)


def batch_request(rows: type[Features], max_rows: int) -> type[BaseModel]:
    """The batch request of one model, with its stated limit of rows.

    Args:
        rows: the model's feature class.
        max_rows: most rows that one request may hold.
    """
    base: Any = PredictBatchRequest
    limited = Field(min_length=1, max_length=max_rows, description="Rows to predict, in the order of the answer")
    fields: dict[str, Any] = {"rows": (list[rows], limited)}  # type: ignore[valid-type]
    doc = PredictBatchRequest.__doc__
    return create_model("PredictBatchRequest", __base__=base[rows], __doc__=doc, **fields)


def columns_request(rows: type[Features], max_rows: int) -> type[BaseModel]:
    """The batch request of one model as columns. It checks that they are lists with the right names, nothing of their
    cells: whether rows are right is said of rows (serving/bulk_bodies.py).

    Args:
        rows: the model's feature class.
        max_rows: most rows that one request may hold.
    """
    columns = create_model(
        f"{rows.__name__}Columns",
        __base__=_Request,
        __doc__="A list for each feature, all of the same length. A feature that may be left out of a row may be left "
        "out here; inside a list, null stands for a value that is not known.",
        **{name: _column_field(schema, required, max_rows) for name, schema, required in _columns(rows)},
    )
    return create_model(
        "PredictColumnsRequest",
        __base__=BatchOptions,
        __doc__="Many rows to predict as columns, all by the same version.",
        columns=(
            Annotated[columns, BeforeValidator(_once_as_objects)],
            Field(description="Rows to predict, column by column"),
        ),
    )


def _once_as_objects(columns: Any) -> Any:
    """The same. Without a function here pydantic makes objects of all cells anew for every column that is missing."""
    return columns


def either_request(rows: type[Features], max_rows: int) -> type[BaseModel]:
    """The batch request in both forms, for the OpenAPI document."""
    forms: Any = batch_request(rows, max_rows) | columns_request(rows, max_rows)
    return create_model("PredictManyRequest", __base__=_OneOf[forms])


Forms = TypeVar("Forms")


class _OneOf(RootModel[Forms], Generic[Forms]):
    """Rows, or the same as columns."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(oneOf=schema.pop("anyOf")))


def _columns(rows: type[Features]) -> list[tuple[str, dict[str, Any], bool]]:
    properties = rows.model_json_schema()["properties"]
    return [(column.name, properties[column.name], column.required) for column in rows.columns()]


def _column_field(cell: dict[str, Any], required: bool, max_rows: int) -> Any:
    prose = {name: cell[name] for name in ("description", "title") if name in cell}
    limits: Any = {"minItems": 1, "maxItems": max_rows, "examples": [cell.get("examples", [])[:1]]}
    kept = {name: value for name, value in cell.items() if name not in (*prose, "default", "examples")}
    field: Any = (
        Field(json_schema_extra=limits, **prose)
        if required
        else Field(default_factory=list, json_schema_extra=limits, **prose)
    )
    return list[Annotated[Any, WithJsonSchema(kept)]], field
