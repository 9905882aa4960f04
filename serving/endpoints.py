"""The endpoints: one table from which the front door routes and the OpenAPI document is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from time import perf_counter

from pydantic import BaseModel

from registry.plan import Plan
from schemas import errors
from schemas.errors import PlumblineError
from schemas.features import Features
from schemas.predictions import BatchPrediction, ColumnsPrediction, Prediction, columns_request, either_request
from serving import body_values, pages, problems
from serving.access import Audience
from serving.admin import Admin, Models, PlanChange, Rollback
from serving.asgi import HTML, JSON, Reply, Request
from serving.aside import aside
from serving.bulk_answers import BulkAnswer
from serving.bulk_bodies import BulkBodies
from serving.counting import OK
from serving.drain import Drain
from serving.live_models import LiveModels
from serving.predictor import LARGE_ROWS, Predictor
from serving.request_reader import Valid
from serving.single_bodies import SingleBodies

LARGE_BYTES = 16 * 1024
"""Larger bodies are read in a thread: other requests need not wait for it, not even if every row of it is broken."""

BODY_ERRORS: tuple[type[PlumblineError], ...] = (
    *(errors.MalformedJson, errors.SlowBody, errors.TooLarge, errors.UnsupportedMediaType, errors.InvalidInput),
    errors.Overloaded,
)
PREDICT_ERRORS: tuple[type[PlumblineError], ...] = (
    *BODY_ERRORS,
    *(errors.UnknownVersion, errors.TooManyRequests, errors.PreprocessingFailed, errors.InferenceFailed),
    *(errors.Internal, errors.NotReady, errors.TimedOut),
)
CHANGE_ERRORS: tuple[type[PlumblineError], ...] = (
    *(*BODY_ERRORS, errors.Unauthorised, errors.Forbidden, errors.Conflict, errors.Internal),
)


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Args:
        handle: from the request to the answer; raises PlumblineError.
        tag: the group under which the OpenAPI document lists it.
        request: model of the JSON body, or None.
        response: model of the JSON answer, or None for another media type.
        refusals: every error that it can answer with.
        bearer: whether it changes what serves: the front door then asks for the admin token, whoever the audience is.
        audience: for whom it is; the front door asks for the key that they need.
        listed: whether the OpenAPI document has it; files of a page are not for clients.
        most_values: the front door refuses a body with more JSON values (serving/body_values.py).
    """

    method: str
    path: str
    summary: str
    tag: str
    handle: Callable[[Request], Awaitable[Reply]]
    request: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    refusals: tuple[type[PlumblineError], ...] = ()
    bearer: bool = False
    listed: bool = True
    audience: Audience = "inside"
    most_values: int = body_values.HARMLESS

    @property
    def takes_body(self) -> bool:
        """Whether the front door reads a body for it."""
        return self.request is not None

    @property
    def all_refusals(self) -> list[type[PlumblineError]]:
        """What it and the front door can answer with instead of it."""
        guards = [] if self.audience == "all" else [errors.Unauthorised]
        return list(dict.fromkeys([*self.refusals, *guards, errors.MethodNotAllowed]))

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Its path with every code that an answer can have."""
        return [(self.path, OK), *((self.path, error.code) for error in self.all_refusals)]


class Status(BaseModel):
    """What a probe answers."""

    status: str


def prediction_endpoints(predictor: Predictor, rows: type[Features], max_rows: int) -> list[Endpoint]:
    """What a client asks for."""
    single, bulk = SingleBodies(rows), BulkBodies(rows, max_rows)

    async def predict(http: Request) -> Reply:
        started = perf_counter()
        request = single.read(http.body)
        read = perf_counter()
        answer = await predictor.predict_matrix(*request)
        written = answer.first_to_json()
        answer.origin.observed.took(read - started, perf_counter() - started)
        return Reply(200, [JSON], written)

    async def predict_many(
        http: Request, read_body: Callable[[bytes], Valid], write: Callable[[BulkAnswer], bytes]
    ) -> Reply:
        started = perf_counter()
        request = await aside(len(http.body) > LARGE_BYTES, read_body, http.body)
        read = perf_counter()
        answer = await predictor.predict_matrix(*request)
        written = await aside(len(request.matrix) + len(answer.warnings) > LARGE_ROWS, write, answer)
        answer.origin.observed.took(read - started, perf_counter() - started)
        return Reply(200, [JSON], written)

    group, most_values = "predictions", body_values.of_features(rows, max_rows)
    endpoint = partial(Endpoint, tag=group, refusals=PREDICT_ERRORS, audience="clients")
    return [
        endpoint(
            *("POST", "/predict", "Predict one row"),
            handle=predict,
            request=single.declared,
            response=Prediction,
            most_values=body_values.of_features(rows, 1),
        ),
        endpoint(
            *("POST", "/predict_batch", "Predict many rows"),
            handle=partial(predict_many, read_body=bulk.read, write=BulkAnswer.to_json),
            request=either_request(rows, max_rows),
            response=BatchPrediction,
            most_values=most_values,
        ),
        endpoint(
            *("POST", "/predict_columns", "Predict a table: columns in, columns out"),
            handle=partial(predict_many, read_body=bulk.read_columns, write=BulkAnswer.columns_to_json),
            request=columns_request(rows, max_rows),
            response=ColumnsPrediction,
            most_values=most_values,
        ),
    ]


def probe_endpoints(live: LiveModels, drain: Drain) -> list[Endpoint]:
    """What Kubernetes and load balancers ask for."""

    async def alive(_: Request) -> Reply:
        return _json(Status(status="alive"))

    async def ready(_: Request) -> Reply:
        if drain.draining:
            raise errors.NotReady("This worker is ending; send new work elsewhere.")
        live.now()
        return _json(Status(status="ready"))

    async def started(_: Request) -> Reply:
        live.now()
        return _json(Status(status="started"))

    probe = partial(Endpoint, "GET", tag="probes", response=Status, audience="all")
    waiting = (errors.NotReady,)
    return [
        probe("/livez", "Whether the process runs", handle=alive),
        probe("/healthz", "Whether the process runs (the same as /livez)", handle=alive),
        probe("/readyz", "Whether a version is live and the worker stays", handle=ready, refusals=waiting),
        probe("/startupz", "Whether the first version was loaded", handle=started, refusals=waiting),
    ]


def rollout_endpoints(admin: Admin) -> list[Endpoint]:
    """What an operator asks for and changes."""

    async def models(_: Request) -> Reply:
        return _json(admin.models())

    async def plan(_: Request) -> Reply:
        return _json(await asyncio.to_thread(admin.plan))

    async def change(http: Request) -> Reply:
        return _json(await asyncio.to_thread(admin.change, problems.validated(PlanChange, http.body)))

    async def roll_back(http: Request) -> Reply:
        return _json(await asyncio.to_thread(admin.roll_back, problems.validated(Rollback, http.body or b"{}")))

    group, changes, waiting = "rollout", CHANGE_ERRORS, (errors.NotReady,)
    return [
        Endpoint("GET", "/models", "The versions that this worker serves", group, models, None, Models, waiting),
        Endpoint("GET", "/rollout", "The rollout plan", group, plan, None, Plan, (errors.Conflict, errors.NotReady)),
        Endpoint("PUT", "/rollout", "Change the rollout plan", group, change, PlanChange, Plan, changes, bearer=True),
        Endpoint(
            *("POST", "/rollout/rollback", "Go back to an earlier plan", group, roll_back, Rollback, Plan, changes),
            bearer=True,
        ),
    ]


def about_endpoints(model: str, document: Callable[[], bytes]) -> list[Endpoint]:
    """What a person or a client generator asks for; `document` gives the OpenAPI document."""

    @cache
    def first_page() -> bytes:
        return pages.landing(model, pages.example_of(document()))

    async def openapi(_: Request) -> Reply:
        return Reply(200, [JSON], document())

    async def landing(_: Request) -> Reply:
        return Reply(200, [HTML], first_page())

    async def docs(_: Request) -> Reply:
        return Reply(200, [HTML], pages.api_docs(model))

    return [
        Endpoint("GET", "/docs.json", "This document", "about", openapi),
        Endpoint("GET", "/docs", "The API as a page", "about", docs),
        Endpoint("GET", "/", "Landing page", "about", landing),
    ]


def _json(answer: BaseModel) -> Reply:
    return Reply(200, [JSON], answer.model_dump_json().encode())
