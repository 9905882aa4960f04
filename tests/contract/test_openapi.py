"""The OpenAPI document: valid, 3.1, and complete enough to generate a client from."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from schemas.features import Features
from schemas.house_prices import HouseFeatures
from tests.conftest import EXAMPLE
from tests.contract.compatibility import verdict
from tests.inprocess import InProcess
from tests.openapi_file import PRESENT, RELEASED, read, text

PREDICT = {"200", "400", "401", "404", "405", "408", "413", "415", "422", "429", "500", "503", "504"}


@pytest.fixture(scope="module")
def document(door: InProcess) -> dict[str, Any]:
    """The document as a client gets it."""
    answer = door.request("GET", "/docs.json")
    assert answer.headers["content-type"] == "application/json"
    parsed: dict[str, Any] = answer.json()
    return parsed


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_the_committed_document_is_the_served_one(document: dict[str, Any]) -> None:
    assert PRESENT.read_text(encoding="utf-8") == text(document), "run `make openapi` and commit docs/openapi.json"


def test_clients_of_the_last_release_can_live_with_it(document: dict[str, Any]) -> None:
    assert verdict(read(RELEASED), document) == []


@pytest.mark.parametrize("name", HouseFeatures.names())
def test_every_feature_says_what_it_is(document: dict[str, Any], name: str) -> None:
    stated = document["components"]["schemas"]["HouseFeatures"]["properties"][name]
    column = next(column for column in HouseFeatures.columns() if column.name == name)
    variants = [part for part in stated.get("anyOf", [stated]) if part.get("type") != "null"]
    assert stated["description"]
    assert HouseFeatures.from_row(_with(name, stated["examples"][0]))
    if column.unit:
        assert column.unit in (stated.get("x-unit"), *(part.get("x-unit") for part in variants))
    if column.kind == "number":
        assert all({"minimum", "maximum"} <= part.keys() for part in variants)
    if column.kind == "category":
        assert all({"enum", "pattern"} & part.keys() for part in variants)


def test_exactly_the_features_are_stated_and_no_others_are_allowed(document: dict[str, Any]) -> None:
    stated = document["components"]["schemas"]["HouseFeatures"]
    rows: type[Features] = HouseFeatures
    assert list(stated["properties"]) == rows.names()
    assert stated["additionalProperties"] is False
    assert stated["required"] == [column.name for column in rows.columns() if column.required]


@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/predict_columns"])
def test_every_status_of_a_prediction_is_documented(document: dict[str, Any], path: str) -> None:
    assert document["paths"][path]["post"]["responses"].keys() == PREDICT


def test_every_operation_documents_success_and_its_errors_as_problems(document: dict[str, Any]) -> None:
    identities = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            identities.append(operation["operationId"])
            assert {"200", "405"} <= operation["responses"].keys(), (method, path)
            for status, response in operation["responses"].items():
                assert response["description"]
                problem = list(response["content"]) == ["application/problem+json"]
                assert problem == (int(status) >= 400), (method, path, status)
    assert len(set(identities)) == len(identities)


def test_every_documented_get_is_answered(document: dict[str, Any], door: InProcess) -> None:
    for path, operations in document["paths"].items():
        if "get" in operations:
            answer = door.request("GET", path)
            assert str(answer.status_code) in operations["get"]["responses"], path


def _with(name: str, value: Any) -> dict[str, Any]:
    together = {"latitude": 47.643, "longitude": -122.402, "age_years": 150}
    return {**EXAMPLE, **together, name: value}


def test_every_example_of_a_request_is_answered(document: dict[str, Any], door: InProcess) -> None:
    answered = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in content.get("examples", {}).items():
                answered[name] = door.request(method.upper(), path, json=example["value"]).status_code
    assert answered == {
        "PredictRequest": 200,
        "PredictBatchRequest": 200,
        "PredictColumnsRequest": 200,
        "OutcomesRequest": 200,
        "PlanChange": 403,  # this service has no token
        "Rollback": 403,
    }


def test_names_and_descriptions_are_for_clients(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert all(name.isalnum() for name in schemas)
    assert [name for name, schema in schemas.items() if "Args:" in schema.get("description", "")] == []
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {operation["tags"][0] for operation in operations} == {tag["name"] for tag in document["tags"]}
    assert all(operation["operationId"].isidentifier() for operation in operations)
    assert schemas["TrafficPoint"]["properties"]["p99"]["description"] == "Of the whole answer, in seconds"


def test_answers_may_grow_and_requests_may_not(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert {"PredictRequest", "HouseFeatures", "HouseFeaturesColumns", "OutcomesRequest", "PlanChange"} <= closed
    assert not {"Prediction", "Snapshot", "VersionSnapshot", "Plan", "Problem"} & closed
    assert schemas["Plan"]["required"] == list(schemas["Plan"]["properties"])


def test_later_says_when(document: dict[str, Any]) -> None:
    later = {
        status: response["headers"].keys()
        for path in document["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        if status in ("429", "503")
    }
    assert later.keys() == {"429", "503"}
    assert all("Retry-After" in names for names in later.values())
