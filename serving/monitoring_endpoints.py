"""The endpoints of monitoring: outcomes in; metrics and the dashboard out."""

from __future__ import annotations

from pydantic import ValidationError

from monitoring.exposition import CONTENT_TYPE
from schemas import errors
from schemas.outcomes import OutcomesRequest, OutcomesResponse
from serving import problems
from serving.asgi import JSON, Reply, Request
from serving.endpoints import BODY_ERRORS, LARGE_BYTES, Endpoint
from serving.monitors import Monitors
from serving.outcome_desk import OutcomeDesk
from serving.predictor import aside


def outcome_endpoints(desk: OutcomeDesk) -> list[Endpoint]:
    """Where the truth comes in."""

    async def outcomes(http: Request) -> Reply:
        request = await aside(len(http.body) > LARGE_BYTES, _read, http.body)
        return Reply(200, [JSON], (await desk.report(request)).model_dump_json().encode())

    refusals = (*BODY_ERRORS, errors.NotReady, errors.Internal)
    text = "Report what became of predictions"
    return [
        Endpoint("POST", "/outcomes", text, "outcomes", outcomes, OutcomesRequest, OutcomesResponse, refusals),
    ]


def metrics_endpoints(monitors: Monitors) -> list[Endpoint]:
    """What Prometheus scrapes."""

    async def metrics(_: Request) -> Reply:
        return Reply(200, [(b"content-type", CONTENT_TYPE.encode())], await monitors.metrics())

    return [Endpoint("GET", "/metrics", "Metrics for Prometheus; docs/metrics.md lists them", "monitoring", metrics)]


def _read(body: bytes) -> OutcomesRequest:
    try:
        return OutcomesRequest.model_validate_json(body)
    except ValidationError as error:
        raise problems.from_validation(error) from None
