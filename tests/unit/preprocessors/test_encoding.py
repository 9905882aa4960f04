"""Validated rows to floats: every kind of column, and the bytes by which equal rows are equal."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessors.encoding import RowEncoder
from schemas.features import NEVER_SEEN
from schemas.house_prices import AREA_CODES, HouseFeatures

ENCODER = RowEncoder(HouseFeatures)
NAMES = HouseFeatures.names()


def encoded(row: dict[str, Any]) -> dict[str, float]:
    """A request row's floats by name."""
    return dict(zip(NAMES, ENCODER.matrix([HouseFeatures.from_row(row)])[0].tolist(), strict=True))


def key(row: dict[str, Any]) -> bytes:
    """A request row's canonical bytes."""
    return ENCODER.matrix([HouseFeatures.from_row(row)]).tobytes()


@st.composite
def valid_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Any row that the schema takes, as a request body has it."""
    age = draw(st.integers(0, 200))
    row: dict[str, Any] = {
        "building_type": draw(st.sampled_from(["single_family", "townhouse"])),
        "area_code": draw(st.integers(1, 99).map(str)),
        "living_area_sqft": draw(st.integers(100, 50_000)),
        "bedrooms": draw(st.integers(0, 20)),
        "building_grade": draw(st.integers(1, 13)),
        "age_years": age,
        "valuation_date": draw(st.dates(date(2010, 1, 1), date(2017, 12, 31))).isoformat(),
    }
    optional = {
        "lot_area_sqft": st.integers(100, 5_000_000),
        "bathrooms": st.integers(0, 80).map(lambda quarters: quarters / 4),
        "effective_age_years": st.integers(0, age),
        "waterfront": st.booleans(),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            row[name] = draw(values)
    if draw(st.booleans()):
        row |= {"latitude": draw(st.floats(47, 48)), "longitude": draw(st.floats(-123, -121))}
    return row


def test_an_example_row_has_these_floats(row: dict[str, Any]) -> None:
    assert encoded(row) == {
        "building_type": 0.0,
        "area_code": 11.0,
        "living_area_sqft": 1680.0,
        "lot_area_sqft": 4800.0,
        "bedrooms": 3.0,
        "bathrooms": 1.75,
        "building_grade": 7.0,
        "waterfront": 0.0,
        "age_years": 64.0,
        "effective_age_years": 60.0,
        "latitude": 47.643,
        "longitude": -122.402,
        "valuation_date": 736313.0,
    }


@given(valid_rows())
def test_any_valid_row_encodes_to_the_right_floats(row: dict[str, Any]) -> None:
    found = encoded(row)
    for name in ("living_area_sqft", "bedrooms", "building_grade", "age_years"):
        assert found[name] == row[name]
    for name in ("lot_area_sqft", "bathrooms", "effective_age_years", "latitude", "longitude"):
        assert found[name] == row[name] if name in row else np.isnan(found[name])
    assert found["waterfront"] == float(row.get("waterfront", False))
    assert date.fromordinal(int(found["valuation_date"])).isoformat() == row["valuation_date"]
    assert found["building_type"] == ["single_family", "townhouse"].index(row["building_type"])
    known = row["area_code"] in AREA_CODES
    assert found["area_code"] == (AREA_CODES.index(row["area_code"]) if known else NEVER_SEEN)


@given(valid_rows(), st.randoms())
def test_canonical_bytes_do_not_hang_on_the_order_of_keys_or_on_null_for_absent(
    row: dict[str, Any], order: Any
) -> None:
    names = list(row)
    order.shuffle(names)
    optional = ("lot_area_sqft", "bathrooms", "effective_age_years", "latitude", "longitude")
    other = {name: row[name] for name in names} | {name: None for name in optional if name not in row}
    assert key(other) == key(row)


@given(valid_rows(), valid_rows())
def test_canonical_bytes_are_equal_exactly_when_the_rows_mean_the_same(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    unknown = {code: "never seen" for code in map(str, range(1, 100)) if code not in AREA_CODES}
    first, second = (
        HouseFeatures.from_row(row).model_dump() | {"area_code": unknown.get(row["area_code"], row["area_code"])}
        for row in (one, two)
    )
    assert (key(one) == key(two)) == (first == second)


def test_every_level_has_its_place_as_its_code(row: dict[str, Any]) -> None:
    codes = [encoded({**row, "area_code": code})["area_code"] for code in AREA_CODES]
    assert codes == list(range(len(AREA_CODES)))


def test_equal_numbers_have_equal_bytes_however_they_are_written(row: dict[str, Any]) -> None:
    assert key({**row, "bathrooms": 2}) == key({**row, "bathrooms": 2.0})
    assert key({**row, "bathrooms": -0.0}) == key({**row, "bathrooms": 0})
    minus_zero = json.dumps({**row, "bathrooms": 0}).replace('"bathrooms": 0', '"bathrooms": -0.0')
    assert ENCODER.matrix([HouseFeatures.model_validate_json(minus_zero)]).tobytes() == key({**row, "bathrooms": 0})


@pytest.mark.parametrize("name", ["lot_area_sqft", "bathrooms", "effective_age_years"])
def test_missing_differs_from_the_lowest_value(row: dict[str, Any], name: str) -> None:
    assert key({**row, name: None}) != key({**row, name: 100 if name == "lot_area_sqft" else 0})


def test_a_matrix_holds_the_rows_in_order(row: dict[str, Any]) -> None:
    rows = [HouseFeatures.from_row({**row, "bedrooms": bedrooms}) for bedrooms in (3, 1, 2)]
    matrix = ENCODER.matrix(rows)
    assert matrix.shape == (3, len(NAMES))
    assert matrix.dtype == np.float64
    assert matrix[:, NAMES.index("bedrooms")].tolist() == [3, 1, 2]
    assert matrix[1].tolist() == ENCODER.matrix(rows[1:2])[0].tolist()


def test_no_rows_make_an_empty_matrix_of_the_right_width() -> None:
    assert ENCODER.matrix([]).shape == (0, len(NAMES))
