"""Requests in columns: what is surely valid is read without pydantic, and nothing else is said to be."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from preprocessors.columns import ColumnReader
from preprocessors.encoding import RowEncoder
from schemas.house_prices import HouseFeatures
from serving.column_bodies import ColumnBodies
from tests.conftest import EXAMPLE

MOST = 50
BODIES = ColumnBodies(HouseFeatures, ColumnReader(HouseFeatures), MOST)


def body(count: int = 3, **change: Any) -> bytes:
    """The example, so many times; with other columns, or without those that are None."""
    columns = {**{name: [value] * count for name, value in EXAMPLE.items()}, **change}
    return json.dumps({"columns": {name: cells for name, cells in columns.items() if cells is not None}}).encode()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"bathrooms": [1, 2.5, None]},
        {"lot_area_sqft": [None, None, 4800]},
        {"effective_age_years": None},
        {"bathrooms": [-0.0, 0, 20]},
        {"longitude": [-122, -122.5, -123]},
    ],
    ids=str,
)
def test_good_columns_are_sure(change: dict[str, Any]) -> None:
    given = body(**change)
    found = BODIES.read(given)
    assert found is not None
    columns = json.loads(given)["columns"]
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    expected = RowEncoder(HouseFeatures).matrix([HouseFeatures.model_validate_json(json.dumps(row)) for row in rows])
    assert found.matrix.tobytes() == expected.tobytes()
    assert (found.version, found.routing_key) == (None, None)


def test_the_options_are_read() -> None:
    given = body().replace(b"{", b'{"version":"v1","routing_key":"k\\u00fc",', 1)
    found = BODIES.read(given)
    assert found is not None
    assert (found.version, found.routing_key) == ("v1", "kü")


@pytest.mark.parametrize(
    "change",
    [
        {"bedrooms": [[1], [2], [3]]},
        {"bedrooms": [[1, 2], [], 3]},
        {"bedrooms": [[1, 2, 3]]},
        {"bedrooms": [1, 2, 3.0]},
        {"bedrooms": [1, 2, True]},
        {"bedrooms": [1, 2, 2**63]},
        {"bedrooms": [1, 2, 10**30]},
        {"bedrooms": [1, 2, 21]},
        {"bedrooms": [1, 2]},
        {"bedrooms": []},
        {"bedrooms": {"a": 1}},
        {"bedrooms": "123"},
        {"bedrooms": None},
        {"waterfront": [0, 1, 0]},
        {"waterfront": [True, False, None]},
        {"latitude": [47.5, 47.5, None]},
        {"latitude": [47.5, 47.5, "47.5"]},
        {"latitude": [47.5, 47.5, {}]},
        {"area_code": ["1", "2", 3]},
        {"area_code": ["1", "2", {}]},
        {"area_code": ["1", "2", "["]},
        {"other": [1, 2, 3]},
    ],
    ids=str,
)
def test_what_may_break_a_rule_is_not_sure(change: dict[str, Any]) -> None:
    assert BODIES.read(body(**change)) is None


@pytest.mark.parametrize(
    "given",
    [
        *(b"", b"{", b"[]", b"1", b'"columns"', b"null", b"{}", b'{"columns":[]}', b'{"columns":{}}', b"\xff"),
        *(body(0), body(MOST + 1), b"\xef\xbb\xbf" + body(), body() + b" x", body()[:-1]),
        body().replace(b"{", b'{"rows":[],', 1),
        body().replace(b"{", b'{"version":"v1","version":"v1",', 1),
        body().replace(b"{", b'{"version":"not a version",', 1),
        body().replace(b"{", b'{"version":{},', 1),
        body().replace(b"{", b'{"routing_key":7,', 1),
        body().replace(b'{"columns": {', b'{"columns": {"bedrooms": [1, 1, 1],'),
        body().replace(b"47.6", b"NaN"),
        body().replace(b'"columns"', b'"columns":{},"columns"'),
        b'{"columns":' * 2000 + b"1" + b"}" * 2000,
    ],
    ids=lambda given: given[:40].decode("latin-1"),
)
def test_what_is_no_such_request_is_not_sure(given: bytes) -> None:
    assert BODIES.read(given) is None


def test_the_numbers_outlive_the_body() -> None:
    """They may not be views of what the parser frees."""
    found = BODIES.read(body())
    others = [BODIES.read(body(40, bedrooms=[20] * 40)) for _ in range(50)]
    assert found is not None
    assert all(other is not None for other in others)
    assert np.array_equal(found.matrix[0], RowEncoder(HouseFeatures).matrix([HouseFeatures(**EXAMPLE)])[0])
