"""From pydantic's and BentoML's failures to ours: field, rule, limit and row, and never a value."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas.errors import InvalidInput, Overloaded, PlumblineError, all_errors
from schemas.house_prices import HouseFeatures
from schemas.predictions import PredictRequest, batch_request, columns_request
from serving import problems
from tests.conftest import EXAMPLE

Row = dict[str, Any]

RULES: list[tuple[Row, str, str, Any]] = [
    ({"building_type": "castle"}, "building_type", "literal_error", "'single_family' or 'townhouse'"),
    ({"area_code": "00"}, "area_code", "string_pattern_mismatch", "^[1-9][0-9]?$"),
    ({"area_code": 19}, "area_code", "string_type", None),
    ({"bedrooms": -1}, "bedrooms", "greater_than_equal", 0),
    ({"bedrooms": 21}, "bedrooms", "less_than_equal", 20),
    ({"bedrooms": "3"}, "bedrooms", "int_type", None),
    ({"bathrooms": 1.3}, "bathrooms", "multiple_of", 0.25),
    ({"bathrooms": "1"}, "bathrooms", "float_type", None),
    ({"waterfront": 1}, "waterfront", "bool_type", None),
    ({"effective_age_years": 65}, "effective_age_years", "at_most_age_years", "age_years"),
    ({"latitude": None}, "latitude", "coordinates_together", None),
    ({"longitude": None}, "longitude", "coordinates_together", None),
    ({"unlisted": 1}, "unlisted", "extra_forbidden", None),
]


@pytest.mark.parametrize(("change", "field", "rule", "limit"), RULES)
def test_each_broken_rule_names_field_rule_and_limit(row: Row, change: Row, field: str, rule: str, limit: Any) -> None:
    (one,) = _errors(PredictRequest[HouseFeatures], {"features": {**row, **change}})
    assert (one["field"], one["rule"], one["limit"]) == (field, rule, limit)
    assert one["message"]
    assert "row" not in one
    many = _errors(batch_request(HouseFeatures, 10), {"rows": [row, row, {**row, **change}]})
    assert many == [{**one, "row": 2}]


def test_a_missing_field_is_named(row: Row) -> None:
    del row["bedrooms"]
    (one,) = _errors(PredictRequest[HouseFeatures], {"features": row})
    assert (one["field"], one["rule"]) == ("bedrooms", "missing")


@pytest.mark.parametrize(
    ("model", "body", "hint"),
    [
        (PredictRequest[HouseFeatures], EXAMPLE, 'look like {"features": {"name": value, ...}}.'),  # as others have it
        (batch_request(HouseFeatures, 9), EXAMPLE, 'look like {"rows": [{"name": value, ...}, ...]}.'),
        (columns_request(HouseFeatures, 9), {"rows": [EXAMPLE]}, 'look like {"columns": {"name": [value, ...], ...}}.'),
        (batch_request(HouseFeatures, 9), [EXAMPLE], "The body itself must be an object"),
        (PredictRequest[HouseFeatures], {"features": EXAMPLE, "more": 1}, None),
        (PredictRequest[HouseFeatures], {"features": [EXAMPLE]}, None),
        (PredictRequest[HouseFeatures], {"version": "latest"}, None),
    ],
)
def test_rows_that_are_not_in_their_place_are_told_where_they_belong(model: Any, body: Any, hint: str | None) -> None:
    _, more = _refused(model, body).detail.split("the schema.")
    assert (hint in more) if hint else not more


def test_infinity_is_refused_as_not_finite(row: Row) -> None:
    (one,) = _errors(PredictRequest[HouseFeatures], {"features": {**row, "bathrooms": float("inf")}})
    assert (one["field"], one["rule"]) == ("bathrooms", "finite_number")


@pytest.mark.parametrize(("number", "listed"), [(1, 1), (100, 100), (101, 100), (500, 100)])
def test_of_many_errors_the_first_hundred_are_listed_and_all_are_counted(row: Row, number: int, listed: int) -> None:
    error = _refused(batch_request(HouseFeatures, 1000), {"rows": [{**row, "bedrooms": -1}] * number})
    assert [item["row"] for item in error.extension["errors"]] == list(range(listed))
    assert error.detail.startswith(f"{number} field")
    assert ("the first 100 are listed" in error.detail) == (number > listed)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, 504])
def test_bentomls_statuses_are_kept(status: int) -> None:
    error = problems.from_status(status, {"retry-after": "3", "x-other": "1", "content-type": "text/plain"})
    assert error.status == status
    assert error.detail
    assert error.headers == {"retry-after": "3"}


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_later_always_says_when(cls: type[PlumblineError]) -> None:
    _, headers, _ = problems.answer(cls("It did not work."), "id")
    assert dict(headers).get(b"retry-after") == (b"1" if cls.status in (429, 503) else None)


def test_an_error_that_knows_when_keeps_its_own_retry_after() -> None:
    for name in ("Retry-After", "retry-after"):
        _, headers, _ = problems.answer(Overloaded("Full.", headers={name: "7"}), "id")
        assert [value for header, value in headers if header == b"retry-after"] == [b"7"]


def _refused(model: Any, body: Row) -> PlumblineError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(body))
    return problems.from_validation(caught.value)


def _errors(model: Any, body: Row) -> list[dict[str, Any]]:
    error = _refused(model, body)
    assert isinstance(error, InvalidInput)
    listed: list[dict[str, Any]] = error.extension["errors"]
    return listed


def test_of_very_many_errors_the_same_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether all are built, or only those that are listed."""
    rows = [{**EXAMPLE, "bedrooms": 21, "bathrooms": 0.3, "valuation_date": "2009-01-01", "a,]}": 1}] * 400
    rows[1] = {**EXAMPLE, "effective_age_years": 100}
    rows[2] = {**EXAMPLE, "building_type": "castle", "area_code": '"x'}
    body = json.dumps({"rows": rows}).encode()

    def found() -> PlumblineError:
        with pytest.raises(ValidationError) as broken:
            batch_request(HouseFeatures, 1_000).model_validate_json(body)
        return problems.from_validation(broken.value)

    few = found()
    monkeypatch.setattr(problems, "MANY_ERRORS", 10**9)
    all_of_them = found()
    assert few.detail == all_of_them.detail == f"{398 * 4 + 3} fields break the schema; the first 100 are listed."
    assert orjson.dumps(few.extension) == orjson.dumps(all_of_them.extension)
