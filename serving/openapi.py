"""The OpenAPI 3.1 document, written from the table of endpoints. BentoML's own is not valid (docs/architecture.md).

`make openapi` writes it to docs/openapi.json, and tests hold it against what the last release promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from schemas.errors import MethodNotAllowed, PlumblineError, Problem, TooManyRequests, Unauthorised, Unavailable
from serving import openapi_schemas as schemas_of

if TYPE_CHECKING:
    from serving.endpoints import Endpoint

API_VERSION = "1.2.0"
"""Version of the API's contract: a breaking change needs a new major number, any other change a new minor one."""

_DESCRIPTION = """Predictions of one model, each with an interval, the version that answered, and warnings.

Every error is `application/problem+json` (RFC 9457): programs read `code`, which is stable; people read `detail`; and
`request_id`, also in the header `X-Request-ID`, finds it in the log. After 429 and 503 try again when `Retry-After`
says so. Asking twice does no harm: predictions change nothing, and an outcome counts once."""

_TAGS = {
    "predictions": "Validated rows in, predictions with intervals out",
    "rollout": "Which versions serve, and how much of the traffic each gets",
    "outcomes": "What became of predictions",
    "monitoring": "How the service is doing",
    "probes": "For Kubernetes and load balancers",
    "about": "What this service is",
}

_NAMES = {
    "POST /outcomes": "report_outcomes",
    "PUT /rollout": "change_rollout",
    "POST /rollout/rollback": "roll_back",
    "GET /docs.json": "get_openapi",
    "GET /docs": "get_docs_page",
    "GET /dashboard": "get_dashboard_page",
    "GET /dashboard.json": "get_dashboard",
    "GET /": "get_landing_page",
}
"""Names of methods in generated clients, where the path alone makes no good one."""


def _header(name: str, text: str, kind: str = "string") -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": kind}}}


_REQUEST_ID = _header("X-Request-ID", "Id of this request, also in the log")
_AGAIN = _header("Retry-After", "Seconds after which to try again", "integer")
_HEADERS: dict[type[PlumblineError], dict[str, Any]] = {
    Unavailable: _AGAIN,
    TooManyRequests: _AGAIN,
    MethodNotAllowed: _header("Allow", "The methods that this path has"),
    Unauthorised: _header("WWW-Authenticate", "The scheme of the token: Bearer"),
}

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The admin token, for operators"},
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. Only services that are set up with keys ask for one",
    },
}
_MAY_ASK_FOR = {"clients": "api_key", "inside": "bearer"}


def document(model: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document for one model's endpoints."""
    models = [part for endpoint in endpoints for part in (endpoint.request, endpoint.response) if part is not None]
    unique = list(dict.fromkeys(models))
    inputs = {endpoint.request for endpoint in endpoints}
    references, definitions = models_json_schema(
        [(part, "validation" if part in inputs else "serialization") for part in unique], ref_template=schemas_of.REF
    )
    problem = TypeAdapter(Problem).json_schema(ref_template=schemas_of.REF)
    by_model = {part: schema for (part, _), schema in references.items()}
    answered = definitions.get("$defs", {})
    schemas_of.improve(answered, [by_model[part] for part in inputs if part is not None])
    schemas = {**answered, **problem.pop("$defs", {}), "Problem": problem}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_model, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": API_VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": schemas_of.problem_examples(_refusals(endpoints)),
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(endpoint: Endpoint, by_model: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": {"200": _success(endpoint, by_model), **_problems(endpoint)},
    }
    if endpoint.request is not None:
        asked = by_model[endpoint.request]
        content = {"schema": asked, "examples": schemas_of.request_examples(asked, schemas)}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if endpoint.bearer:
        operation["security"] = [{"bearer": []}]
    elif endpoint.audience in _MAY_ASK_FOR:
        operation["security"] = [{}, {_MAY_ASK_FOR[endpoint.audience]: []}]
    return operation


def _name(endpoint: Endpoint) -> str:
    plain = endpoint.path.strip("/").replace("/", "_")
    derived = f"get_{plain}" if endpoint.method == "GET" else plain
    return _NAMES.get(f"{endpoint.method} {endpoint.path}", derived)


def _success(endpoint: Endpoint, by_model: dict[Any, Any]) -> dict[str, Any]:
    if endpoint.response is not None:
        content = {"application/json": {"schema": by_model[endpoint.response]}}
    elif endpoint.path.endswith(".json"):
        content = {"application/json": {"schema": {"type": "object"}}}
    elif endpoint.path == "/metrics":
        content = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"text/html": {"schema": {"type": "string"}}}
    return {"description": endpoint.summary, "content": content, "headers": _REQUEST_ID}


def _refusals(endpoints: Sequence[Endpoint]) -> list[type[PlumblineError]]:
    """Every error that some endpoint answers with."""
    found = [error for endpoint in endpoints for error in endpoint.all_refusals]
    return sorted(set(found), key=lambda error: (error.status, error.code))


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    by_status: dict[int, list[type[PlumblineError]]] = {}
    for error in _refusals([endpoint]):
        by_status.setdefault(error.status, []).append(error)
    return {str(status): _problem(found) for status, found in by_status.items()}


def _problem(found: list[type[PlumblineError]]) -> dict[str, Any]:
    described = "; ".join(f"`{error.code}`: {error.title}" for error in found)
    examples = {error.code: {"$ref": schemas_of.EXAMPLE_REF.format(code=error.code)} for error in found}
    content = {"schema": {"$ref": schemas_of.REF.format(model="Problem")}, "examples": examples}
    headers = dict(_REQUEST_ID)
    for family, own in _HEADERS.items():
        if issubclass(found[0], family):
            headers |= own
    return {"description": described, "content": {"application/problem+json": content}, "headers": headers}
