"""Rows and columns through the front door: the same answers, the same errors, and both in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.house_prices import HouseFeatures
from schemas.predictions import BatchPrediction, ColumnsPrediction
from tests.conftest import EXAMPLE
from tests.contract.test_both_ways import QUICK, ROW, WRONG
from tests.inprocess import InProcess


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The same rows as columns; what a row leaves out is null, or false."""
    absent = {"waterfront": False}
    return {name: [row.get(name, absent.get(name)) for row in rows] for name in HouseFeatures.names()}


@settings(QUICK, max_examples=60)
@given(rows=st.lists(ROW, min_size=1, max_size=8), often=st.sampled_from([1, 40, 300]))
def test_columns_get_the_answers_of_their_rows(door: InProcess, rows: list[dict[str, Any]], often: int) -> None:
    by_rows = door.request("POST", "/predict_batch", json={"rows": rows * often})
    by_columns = door.request("POST", "/predict_batch", json={"columns": columns(rows * often)})
    assert (by_rows.status_code, by_columns.status_code) == (200, 200), by_columns.text
    assert _lasting(by_rows.content) == _lasting(by_columns.content)
    table = door.request("POST", "/predict_columns", json={"columns": columns(rows * often)})
    assert table.status_code == 200, table.text
    _assert_same(ColumnsPrediction.model_validate_json(table.content), _lasting(by_rows.content))
    assert by_rows.headers["content-type"] == by_columns.headers["content-type"] == "application/json"


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=4), wrong=WRONG.filter(lambda change: "unknown" not in change))
def test_columns_get_the_errors_of_their_rows(
    door: InProcess, rows: list[dict[str, Any]], wrong: dict[str, Any]
) -> None:
    absent = {"waterfront": False}
    rows = [{name: row.get(name, absent.get(name)) for name in HouseFeatures.names()} for row in rows]
    rows[len(rows) // 2] |= wrong
    by_rows, by_columns = (
        door.request("POST", "/predict_batch", json=body) for body in ({"rows": rows}, {"columns": columns(rows)})
    )
    assert (by_rows.status_code, by_columns.status_code) == (422, 422)
    assert by_rows.json() | {"request_id": ""} == by_columns.json() | {"request_id": ""}
    table = door.request("POST", "/predict_columns", json={"columns": columns(rows)})
    assert table.status_code == 422
    assert table.json() | {"request_id": ""} == by_columns.json() | {"request_id": ""}


@pytest.mark.parametrize("count", [2, 3000])
def test_options_hold_for_columns_too(door: InProcess, count: int, published: str) -> None:
    body = {"columns": columns([EXAMPLE] * count), "routing_key": "k"}
    answer = door.request("POST", "/predict_batch", json={**body, "version": published})
    assert {one["version"] for one in answer.json()["predictions"]} == {published}
    assert door.request("POST", "/predict_batch", json={**body, "version": "none"}).status_code == 404
    assert door.request("POST", "/predict_columns", json={**body, "version": published}).json()["version"] == published
    assert door.request("POST", "/predict_columns", json={**body, "version": "none"}).status_code == 404


def test_the_document_states_both_forms(door: InProcess) -> None:
    document = door.request("GET", "/docs.json").json()
    schemas = document["components"]["schemas"]
    content = document["paths"]["/predict_batch"]["post"]["requestBody"]["content"]["application/json"]
    many = schemas[content["schema"]["$ref"].rpartition("/")[2]]
    by_rows, by_columns = (schemas[form["$ref"].rpartition("/")[2]] for form in many["oneOf"])
    assert (by_rows["required"], by_columns["required"]) == (["rows"], ["columns"])
    stated, row = schemas["HouseFeaturesColumns"], schemas["HouseFeatures"]
    assert stated["additionalProperties"] is by_columns["additionalProperties"] is False
    assert stated["required"] == row["required"]
    assert list(stated["properties"]) == HouseFeatures.names()
    for name, column in stated["properties"].items():
        assert column["type"] == "array"
        assert column["examples"] == [row["properties"][name]["examples"][:1]]
        assert column["maxItems"] == by_rows["properties"]["rows"]["maxItems"]


def _assert_same(table: ColumnsPrediction, rows: list[dict[str, Any]]) -> None:
    """A table says what the rows say."""
    assert table.low is not None
    assert table.high is not None
    said = [
        {
            "prediction": prediction,
            "interval": {"low": low, "high": high, "coverage": table.coverage},
            "model": table.model,
            "version": table.version,
            "variant": table.variant,
            "warnings": [warning.model_dump(exclude={"row"}) for warning in table.warnings if warning.row == row],
        }
        for row, (prediction, low, high) in enumerate(zip(table.prediction, table.low, table.high, strict=True))
    ]
    assert said == rows
    assert len(set(table.prediction_id)) == len(rows)


def _lasting(content: bytes) -> list[dict[str, Any]]:
    predictions = BatchPrediction.model_validate_json(content).predictions
    return [one.model_dump(exclude={"prediction_id", "cached"}) for one in predictions]
