"""Bulk bodies: columns and rows have the same answers and the same errors, and what makes no rows is named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import PlumblineError
from schemas.house_prices import HouseFeatures
from serving import bulk_bodies
from serving.bulk_bodies import BulkBodies
from serving.request_reader import Valid
from tests.conftest import EXAMPLE

MOST = 200
BODIES = BulkBodies(HouseFeatures, MOST)

Row = dict[str, Any]

GOOD = {
    "building_type": ['"single_family"', '"townhouse"', '"town\\u0068ouse"'],
    "area_code": ['"19"', '"1"', '"99"', '"82"'],
    "living_area_sqft": ["100", "50000", "1680"],
    "lot_area_sqft": ["null", "100", "4800"],
    "bedrooms": ["0", "-0", "20"],
    "bathrooms": ["null", "1.75", "2", "2.0", "2e0", "-0.0", "0.2500000000001"],
    "building_grade": ["1", "13"],
    "waterfront": ["true", "false"],
    "age_years": ["60", "200"],
    "effective_age_years": ["null", "0", "60"],
    "latitude": ["47.1", "48", "47.643000000000001"],
    "longitude": ["-122.402", "-123", "-121.0"],
    "valuation_date": ['"2010-01-01"', '"2016-02-29"', '"2017-12-31"'],
}
BAD = {
    "building_type": ["null", '"castle"', "1", '""'],
    "area_code": ["null", "19", '"0"', '"019"', '"' + "1" * 300 + '"', "[]"],
    "living_area_sqft": ["null", "99", "50001", "1680.0", "true", '"1680"', "1" * 30, "1e3", "-1"],
    "lot_area_sqft": ["99", "100.0", "5000001", "NaN"],
    "bedrooms": ["21", "3.0", "false", "9007199254740993", "1" * 400, "1" * 5000, "Infinity"],
    "bathrooms": ["0.3", "-0.25", "20.25", "1e999", "NaN", "-Infinity", "true", "1" * 400, "{}"],
    "building_grade": ["0", "14", "[[1]]", "[" * 300 + "]" * 300],
    "waterfront": ["null", "1", "0", '"true"'],
    "age_years": ["-1", "201", "null"],
    "effective_age_years": ["201", "61", "200", "60.0"],
    "latitude": ["null", "46.9", "NaN", '"47.5"', "1e999"],
    "longitude": ["null", "-124", "true"],
    "valuation_date": ['"2009-12-31"', '"2018-01-01"', '"2016-02-30"', '"20160101"', '"1480000000"', "0", "null"],
}
OPTIONS = st.sampled_from(
    [
        *("", "", "", ',"version":"a"', ',"version":null', ',"routing_key":"k\\u00fc"'),
        *(',"version":"a b"', ',"routing_key":7', ',"other":1', ',"other":[NaN]', ',"version":"a","version":3'),
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _everything_by_columns() -> Any:
    least, bulk_bodies.LEAST_BYTES = bulk_bodies.LEAST_BYTES, 0
    yield
    bulk_bodies.LEAST_BYTES = least


def outcome(read: Callable[[bytes], Valid], body: str) -> tuple[Any, ...]:
    """What comes of a body, comparable."""
    try:
        bulk = read(body.encode())
    except PlumblineError as error:
        # the same damage stands at another place in the text
        return (error.code,) if error.code == "malformed_json" else (error.code, error.detail, error.extension)
    return bulk.matrix.tobytes(), bulk.version, bulk.routing_key


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Rows of JSON texts, all with the same names."""
    source = random.Random(draw(st.integers(0, 2**32)))
    optional = [name for name, field in HouseFeatures.model_fields.items() if not field.is_required()]
    names = [name for name in GOOD if name not in optional or source.random() < 0.8]
    source.shuffle(names)
    harm = source.choice([0.0, 0.0, 0.01, 0.1])
    return [
        {name: source.choice(BAD[name] if source.random() < harm else GOOD[name]) for name in names}
        for _ in range(draw(st.integers(1, 12)))
    ]


def as_rows(table: list[dict[str, str]], options: str = "") -> str:
    rows = ("{" + ",".join(f'"{name}":{cell}' for name, cell in row.items()) + "}" for row in table)
    return '{"rows":[' + ",".join(rows) + "]" + options + "}"


def as_columns(table: list[dict[str, str]], options: str = "") -> str:
    columns = (f'"{name}":[' + ",".join(row[name] for row in table) + "]" for name in table[0])
    return '{"columns":{' + ",".join(columns) + "}" + options + "}"


@settings(deadline=None, max_examples=3000, derandomize=True)
@given(tables(), OPTIONS)
def test_columns_are_read_as_the_same_rows_are(table: list[dict[str, str]], options: str) -> None:
    by_pydantic = outcome(BODIES._read_rows, as_rows(table, options))
    assert outcome(BODIES.read, as_rows(table, options)) == by_pydantic
    assert outcome(BODIES.read, as_columns(table, options)) == by_pydantic
    assert outcome(BODIES.read_columns, as_columns(table, options)) == by_pydantic


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.lists(tables(), min_size=2, max_size=4), OPTIONS)
def test_rows_with_different_names_are_read_as_pydantic_does(tables_: list[list[dict[str, str]]], options: str) -> None:
    body = as_rows([row for table in tables_ for row in table], options)
    assert outcome(BODIES.read, body) == outcome(BODIES._read_rows, body)


@pytest.mark.parametrize("count", [1, 101, MOST])
def test_of_many_errors_the_same_hundred_are_listed(count: int) -> None:
    table = [{name: BAD[name][i % 3] for name in GOOD} for i in range(count)]
    assert outcome(BODIES.read, as_columns(table)) == outcome(BODIES._read_rows, as_rows(table))


def refused(columns: Any, **options: Any) -> list[tuple[str, str, Any]]:
    """Field, rule and limit of each error; none is about a row."""
    with pytest.raises(PlumblineError) as caught:
        BODIES.read(json.dumps({"columns": columns, **options}).encode())
    assert caught.value.code == "validation"
    errors = caught.value.extension["errors"]
    assert all("row" not in error and error["message"] for error in errors)
    return [(error["field"], error["rule"], error["limit"]) for error in errors]


def columns_of(count: int, **change: Any) -> dict[str, Any]:
    return {**{name: [value] * count for name, value in EXAMPLE.items()}, **change}


def test_what_makes_no_rows_is_named_once() -> None:
    whole = columns_of(3)
    assert refused(columns_of(3, bedrooms=[1, 2])) == [("bedrooms", "length_mismatch", 3)]
    assert refused(columns_of(3, bedrooms=[], age_years=[1] * 4)) == [
        ("bedrooms", "length_mismatch", 3),
        ("age_years", "length_mismatch", 3),
    ]
    assert refused({name: cells for name, cells in whole.items() if name != "bedrooms"}) == [
        ("bedrooms", "missing", None)
    ]
    assert refused(columns_of(3, unlisted=[1] * 3)) == [("unlisted", "extra_forbidden", None)]
    no_lists: list[Any] = [3, None, "abc", {"0": 1}, True]
    for wrong in no_lists:
        assert refused(columns_of(3, bedrooms=wrong)) == [("bedrooms", "list_type", None)]
    no_columns: list[Any] = [3, None, [], "abc"]
    for wrong in no_columns:
        assert refused(wrong) == [("columns", "model_type", None)]
    assert refused(columns_of(0)) == [("columns", "too_short", 1)]
    assert refused(columns_of(MOST + 1)) == [("columns", "too_long", MOST)]
    assert refused(whole, rows=[]) == [("columns", "rows_or_columns", None)]


def test_without_rows_and_columns_rows_are_missing() -> None:
    assert outcome(BODIES.read, "{}")[2]["errors"][0]["field"] == "rows"
    assert outcome(BODIES.read, "[]") == outcome(BODIES._read_rows, "[]")


def test_where_only_columns_are_taken_rows_are_refused_by_name() -> None:
    table = [{name: cells[0] for name, cells in GOOD.items()}]
    rows, columns = as_rows(table), as_columns(table)

    def rules(body: str) -> list[tuple[str, str]]:
        return [(error["field"], error["rule"]) for error in outcome(BODIES.read_columns, body)[2]["errors"]]

    assert rules(rows) == [("columns", "missing"), ("rows", "extra_forbidden")]
    assert rules(columns[:-1] + ',"rows":[]}') == [("rows", "extra_forbidden")]
    assert rules("{}") == [("columns", "missing")]
    assert outcome(BODIES.read_columns, "[]")[0] == "validation"
    assert outcome(BODIES.read_columns, columns[:-1]) == ("malformed_json",)


def test_the_last_of_equal_names_counts_as_for_rows() -> None:
    body = as_columns([{name: cells[0] for name, cells in GOOD.items()}])
    twice = body.replace('"bedrooms":[0]', '"bedrooms":["x"],"bedrooms":[0]')
    assert outcome(BODIES.read, twice) == outcome(BODIES.read, body)
    assert outcome(BODIES.read, '{"columns":3,' + body[1:]) == outcome(BODIES.read, body)
    harmed = body.replace('"bedrooms":[0]', '"bedrooms":[0],"bedrooms":["x"]')
    assert outcome(BODIES.read, harmed)[0] == "validation"


def test_the_name_of_the_columns_may_be_escaped() -> None:
    body = as_columns([{name: cells[0] for name, cells in GOOD.items()}])
    assert outcome(BODIES.read, body.replace('"columns"', '"col\\u0075mns"')) == outcome(BODIES.read, body)
    harmed = body.replace('"bedrooms":[0]', '"bedrooms":[99]')
    assert outcome(BODIES.read, harmed.replace('"columns"', '"col\\u0075mns"')) == outcome(BODIES.read, harmed)


@pytest.mark.parametrize(
    "body",
    [
        *('{"columns":', '{"columns":{"a":' + "[" * 5000, "[" * 5000 + '"columns"', '{"columns":{}}\x00', '"columns'),
        '{"columns":{"bedrooms":["\\ud800"]}}',
    ],
)
def test_a_damaged_body_is_malformed(body: str) -> None:
    assert outcome(BODIES.read, body) == ("malformed_json",)


def test_bytes_that_are_no_text_are_malformed() -> None:
    with pytest.raises(PlumblineError) as caught:
        BODIES.read(b'{"columns":{"bedrooms":["\xff"]}}')
    assert caught.value.code == "malformed_json"


def test_nesting_below_the_parsers_limit_is_an_error_of_its_cell() -> None:
    body = as_columns([{**{name: cells[0] for name, cells in GOOD.items()}, "bedrooms": "[" * 150 + "]" * 150}])
    assert outcome(BODIES.read, body)[2]["errors"][0]["rule"] == "int_type"
