"""The OpenAPI 3.1 document, written from the table of endpoints. BentoML's own is not valid (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from schemas.errors import PlumblineError, Problem

if TYPE_CHECKING:
    from serving.endpoints import Endpoint

API_VERSION = "1.0.0"
"""Version of the API's contract; a breaking change needs a new major number."""

_REF = "#/components/schemas/{model}"
_TAGS = {
    "predictions": "Validated rows in, predictions with intervals out",
    "rollout": "Which versions serve, and how much of the traffic each gets",
    "outcomes": "What became of predictions",
    "monitoring": "How the service is doing",
    "probes": "For Kubernetes and load balancers",
    "about": "What this service is",
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
        [(part, "validation" if part in inputs else "serialization") for part in unique], ref_template=_REF
    )
    problem = TypeAdapter(Problem).json_schema(ref_template=_REF)
    schemas = {**definitions.get("$defs", {}), **problem.pop("$defs", {}), "Problem": problem}
    by_model = {part: schema for (part, _), schema in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_model)
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": API_VERSION, "description": "Predictions served by Plumbline."},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _operation(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    name = endpoint.path.strip("/").replace(".", "_").replace("/", "_") or "landing"
    if endpoint.method == "PUT":
        name = f"put_{name}"
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": {"200": _success(endpoint, schemas), **_refusals(endpoint)},
    }
    if endpoint.request is not None:
        content = {"application/json": {"schema": schemas[endpoint.request]}}
        operation["requestBody"] = {"required": True, "content": content}
    if endpoint.bearer:
        operation["security"] = [{"bearer": []}]
    elif endpoint.audience in _MAY_ASK_FOR:
        operation["security"] = [{}, {_MAY_ASK_FOR[endpoint.audience]: []}]
    return operation


def _success(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    if endpoint.response is not None:
        content = {"application/json": {"schema": schemas[endpoint.response]}}
    elif endpoint.path.endswith(".json"):
        content = {"application/json": {"schema": {"type": "object"}}}
    elif endpoint.path == "/metrics":
        content = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"text/html": {"schema": {"type": "string"}}}
    return {"description": endpoint.summary, "content": content, "headers": _HEADERS}


_HEADERS = {"X-Request-ID": {"description": "Id of this request, also in the log", "schema": {"type": "string"}}}


def _refusals(endpoint: Endpoint) -> dict[str, Any]:
    by_status: dict[int, list[type[PlumblineError]]] = {}
    for error in endpoint.all_refusals:
        by_status.setdefault(error.status, []).append(error)
    return {str(status): _problem(found) for status, found in sorted(by_status.items())}


def _problem(found: list[type[PlumblineError]]) -> dict[str, Any]:
    described = "; ".join(f"`{error.code}`: {error.title}" for error in found)
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {"description": described, "content": content, "headers": _HEADERS}
