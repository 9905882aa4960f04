"""The endpoints: one table from which the front door routes and the OpenAPI document is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from schemas import errors
from schemas.errors import PlumblineError
from schemas.predictions import BatchPrediction, Prediction, PredictRequest, batch_request
from serving import pages, problems
from serving.asgi import HTML, JSON, Reply
from serving.live_models import LiveModels
from serving.openapi import document
from serving.predictor import Predictor
from serving.settings import Settings

BODY_ERRORS: tuple[type[PlumblineError], ...] = (
    *(
        errors.MalformedJson,
        errors.SlowBody,
        errors.TooLarge,
        errors.UnsupportedMediaType,
        errors.InvalidInput,
    ),
)
PREDICT_ERRORS: tuple[type[PlumblineError], ...] = (
    *BODY_ERRORS,
    *(errors.UnknownVersion, errors.TooManyRequests, errors.PreprocessingFailed, errors.InferenceFailed),
    *(errors.Internal, errors.NotReady, errors.Overloaded, errors.TimedOut),
)


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Args:
        handle: from the body's bytes (empty without a request model) to the answer; raises PlumblineError.
        tag: the group under which the OpenAPI document lists it.
        request: model of the JSON body, or None.
        response: model of the JSON answer, or None for another media type.
        refusals: every error that it can answer with.
    """

    method: str
    path: str
    summary: str
    tag: str
    handle: Callable[[bytes], Awaitable[Reply]]
    request: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    refusals: tuple[type[PlumblineError], ...] = ()

    @property
    def takes_body(self) -> bool:
        """Whether the front door reads a body for it."""
        return self.request is not None


class Status(BaseModel):
    """What a probe answers."""

    status: str


def endpoints(live: LiveModels, predictor: Predictor, settings: Settings) -> list[Endpoint]:
    """The table for one model."""
    one: Any = PredictRequest[live.definition.rows]  # type: ignore[name-defined]
    many: Any = batch_request(live.definition.rows, settings.max_request_rows)

    async def predict(body: bytes) -> Reply:
        request = _validated(one, body)
        answer = await predictor.predict(request.features, request.version, request.routing_key)
        return _json(answer)

    async def predict_batch(body: bytes) -> Reply:
        request = _validated(many, body)
        answer = await predictor.predict_batch(request.rows, request.version, request.routing_key)
        return _json(answer)

    async def alive(_: bytes) -> Reply:
        return _json(Status(status="alive"))

    async def ready(_: bytes) -> Reply:
        live.stable()
        return _json(Status(status="ready"))

    async def openapi(_: bytes) -> Reply:
        return Reply(200, [JSON], written)

    async def landing(_: bytes) -> Reply:
        return Reply(200, [HTML], pages.landing(live.definition.name))

    async def docs(_: bytes) -> Reply:
        return Reply(200, [HTML], pages.api_docs(live.definition.name))

    waiting = (errors.NotReady,)
    table = [
        Endpoint("POST", "/predict", "Predict one row", "predictions", predict, one, Prediction, PREDICT_ERRORS),
        Endpoint(
            "POST",
            "/predict_batch",
            "Predict many rows",
            "predictions",
            predict_batch,
            many,
            BatchPrediction,
            PREDICT_ERRORS,
        ),
        Endpoint("GET", "/livez", "Whether the process runs", "probes", alive, None, Status),
        Endpoint("GET", "/healthz", "Whether the process runs (the same as /livez)", "probes", alive, None, Status),
        Endpoint("GET", "/readyz", "Whether a model version is live", "probes", ready, None, Status, waiting),
        Endpoint("GET", "/startupz", "Whether the first version was loaded", "probes", ready, None, Status, waiting),
        Endpoint("GET", "/docs.json", "This document", "about", openapi),
        Endpoint("GET", "/docs", "The API as a page", "about", docs),
        Endpoint("GET", "/", "Landing page", "about", landing),
    ]
    written = orjson.dumps(document(live.definition.name, table))
    return table


def _validated(model: type[Any], body: bytes) -> Any:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise problems.from_validation(error) from None


def _json(answer: BaseModel) -> Reply:
    return Reply(200, [JSON], answer.model_dump_json().encode())
