"""The endpoints of monitoring: outcomes in; metrics and the dashboard out."""

from __future__ import annotations

import asyncio

from monitoring import dashboard
from monitoring.exposition import CONTENT_TYPE
from monitoring.snapshot import Snapshot
from schemas import errors
from schemas.outcomes import MAX_OUTCOMES, OutcomeReport, OutcomesRequest, OutcomesResponse
from serving import body_values, problems
from serving.asgi import JSON, Reply, Request, header
from serving.aside import aside
from serving.endpoints import BODY_ERRORS, LARGE_BYTES, Endpoint
from serving.monitors import Monitors
from serving.outcome_desk import OutcomeDesk

PAGE = "/dashboard"


def outcome_endpoints(desk: OutcomeDesk) -> list[Endpoint]:
    """Where the truth comes in."""

    async def outcomes(http: Request) -> Reply:
        request = await aside(len(http.body) > LARGE_BYTES, problems.validated, OutcomesRequest, http.body)
        return Reply(200, [JSON], (await desk.report(request)).model_dump_json().encode())

    refusals = (*BODY_ERRORS, errors.NotReady, errors.Unavailable, errors.Internal)
    text = "Report what became of predictions"
    asked = ("POST", "/outcomes", text, "outcomes", outcomes, OutcomesRequest, OutcomesResponse, refusals)
    most = body_values.most_values(MAX_OUTCOMES, len(OutcomeReport.model_fields))
    return [Endpoint(*asked, audience="clients", most_values=most)]


def monitoring_endpoints(monitors: Monitors) -> list[Endpoint]:
    """What Prometheus scrapes, and what people look at."""

    async def metrics(_: Request) -> Reply:
        return Reply(200, [(b"content-type", CONTENT_TYPE.encode())], await monitors.metrics())

    async def data(http: Request) -> Reply:
        snapshot = await monitors.snapshot()
        return Reply(*await asyncio.to_thread(dashboard.figures, snapshot, header(http.scope, b"accept-encoding")))

    async def file(http: Request) -> Reply:
        asked = (header(http.scope, name) for name in (b"accept-encoding", b"if-none-match"))
        pages = await monitors.pages()
        return Reply(*pages.answer(http.scope["path"], *asked))

    group, refusals = "monitoring", (errors.NotReady, errors.Internal)
    return [
        Endpoint("GET", "/metrics", "Metrics for Prometheus", group, metrics, refusals=refusals),
        Endpoint("GET", "/dashboard.json", "What the dashboard shows", group, data, None, Snapshot, refusals),
        *(
            Endpoint("GET", path, "The dashboard", group, file, refusals=(errors.NotFound,), listed=path == PAGE)
            for path in dashboard.PATHS
        ),
    ]
