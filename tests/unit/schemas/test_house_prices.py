"""Every rule of the house schema: at its bound, just over it, and with a value of the wrong type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.house_prices import AREA_CODES, HouseFeatures

Row = dict[str, Any]

AT_BOUNDS: list[tuple[str, Any]] = [
    ("building_type", "single_family"),
    ("building_type", "townhouse"),
    ("area_code", "1"),
    ("area_code", "99"),
    ("living_area_sqft", 100),
    ("living_area_sqft", 50_000),
    ("lot_area_sqft", 100),
    ("lot_area_sqft", 5_000_000),
    ("bedrooms", 0),
    ("bedrooms", 20),
    ("bathrooms", 0),
    ("bathrooms", 0.25),
    ("bathrooms", 20.0),
    ("building_grade", 1),
    ("building_grade", 13),
    ("waterfront", True),
    ("age_years", 60),
    ("age_years", 200),
    ("effective_age_years", 0),
    ("effective_age_years", 64),
    ("latitude", 47.0),
    ("latitude", 48.0),
    ("longitude", -123.0),
    ("longitude", -121.0),
    ("valuation_date", "2010-01-01"),
    ("valuation_date", "2017-12-31"),
]

REFUSED: list[tuple[str, Any, str]] = [
    ("building_type", "condo", "literal_error"),
    ("building_type", "Townhouse", "literal_error"),
    ("building_type", 1, "literal_error"),
    ("area_code", "0", "string_pattern_mismatch"),
    ("area_code", "019", "string_pattern_mismatch"),
    ("area_code", "100", "string_pattern_mismatch"),
    ("area_code", "19\n", "string_pattern_mismatch"),
    ("area_code", "\u0661", "string_pattern_mismatch"),
    ("area_code", 19, "string_type"),
    ("living_area_sqft", 99, "greater_than_equal"),
    ("living_area_sqft", 50_001, "less_than_equal"),
    ("living_area_sqft", 1680.0, "int_type"),
    ("living_area_sqft", "1680", "int_type"),
    ("lot_area_sqft", 99, "greater_than_equal"),
    ("lot_area_sqft", 5_000_001, "less_than_equal"),
    ("lot_area_sqft", 4800.0, "int_type"),
    ("bedrooms", -1, "greater_than_equal"),
    ("bedrooms", 21, "less_than_equal"),
    ("bedrooms", 10**30, "less_than_equal"),
    ("bedrooms", 3.0, "int_type"),
    ("bedrooms", "3", "int_type"),
    ("bedrooms", True, "int_type"),
    ("bedrooms", [3], "int_type"),
    ("bathrooms", -0.25, "greater_than_equal"),
    ("bathrooms", 20.25, "less_than_equal"),
    ("bathrooms", 1.1, "multiple_of"),
    ("bathrooms", "1.75", "float_type"),
    ("bathrooms", True, "float_type"),
    ("building_grade", 0, "greater_than_equal"),
    ("building_grade", 14, "less_than_equal"),
    ("waterfront", 1, "bool_type"),
    ("waterfront", "true", "bool_type"),
    ("age_years", -1, "greater_than_equal"),
    ("age_years", 201, "less_than_equal"),
    ("age_years", 64.0, "int_type"),
    ("effective_age_years", -1, "greater_than_equal"),
    ("effective_age_years", 201, "less_than_equal"),
    ("latitude", 46.999999, "greater_than_equal"),
    ("latitude", 48.000001, "less_than_equal"),
    ("latitude", "47.6", "float_type"),
    ("longitude", -123.000001, "greater_than_equal"),
    ("longitude", -120.999999, "less_than_equal"),
    ("valuation_date", "2009-12-31", "greater_than_equal"),
    ("valuation_date", "2018-01-01", "less_than_equal"),
    ("valuation_date", "2016-02-30", "date_parsing"),
    ("valuation_date", "15.12.2016", "date_parsing"),
    ("valuation_date", "2016-12-15T00:00:00", "date_parsing"),
    ("valuation_date", "2016-12-15 ", "date_parsing"),
    ("valuation_date", "1481760000", "date_parsing"),  # a Unix timestamp, which pydantic alone would take
    ("valuation_date", "1481760000000", "date_parsing"),
    ("valuation_date", "", "date_parsing"),
    ("valuation_date", 1481760000, "date_type"),
    ("valuation_date", 736313, "date_type"),
]

REQUIRED = ["building_type", "area_code", "living_area_sqft", "bedrooms", "building_grade", "age_years"]
REQUIRED += ["valuation_date"]
OPTIONAL = ["lot_area_sqft", "bathrooms", "effective_age_years", "latitude", "longitude"]


def broken_rules(row: Row) -> list[tuple[str, str]]:
    """Field and rule of every error that the schema has with a row."""
    with pytest.raises(ValidationError) as caught:
        HouseFeatures.from_row(row)
    return [(".".join(map(str, error["loc"])), error["type"]) for error in caught.value.errors()]


@pytest.mark.parametrize(("field", "value"), AT_BOUNDS)
def test_a_value_at_its_bound_is_taken(row: Row, field: str, value: Any) -> None:
    found = HouseFeatures.from_row({**row, field: value}).model_dump(mode="json")
    assert found[field] == value


@pytest.mark.parametrize(("field", "value", "rule"), REFUSED)
def test_a_value_over_its_bound_or_of_another_type_is_refused(row: Row, field: str, value: Any, rule: str) -> None:
    assert broken_rules({**row, field: value}) == [(field, rule)]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(("field", "rule"), [("bathrooms", "finite_number"), ("bedrooms", "int_type")])
def test_literals_that_are_no_numbers_are_refused(row: Row, field: str, rule: str, literal: str) -> None:
    body = json.dumps({**row, field: "HERE"}).replace('"HERE"', literal)
    with pytest.raises(ValidationError) as caught:
        HouseFeatures.model_validate_json(body)
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [((field,), rule)]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_must_be_given(row: Row, field: str) -> None:
    del row[field]
    assert broken_rules(row) == [(field, "missing")]


@pytest.mark.parametrize("field", [*REQUIRED, "waterfront"])
def test_null_is_no_value_of_a_field_that_cannot_be_missing(row: Row, field: str) -> None:
    assert [where for where, _ in broken_rules({**row, field: None})] == [field]


def test_optional_fields_may_be_absent_or_null_and_both_mean_the_same(row: Row) -> None:
    absent = HouseFeatures.from_row({key: value for key, value in row.items() if key not in OPTIONAL})
    null = HouseFeatures.from_row({**row, **dict.fromkeys(OPTIONAL)})
    assert absent == null
    assert [getattr(absent, name) for name in OPTIONAL] == [None] * len(OPTIONAL)


def test_a_house_is_not_on_the_waterfront_unless_it_says_so(row: Row) -> None:
    del row["waterfront"]
    assert HouseFeatures.from_row(row).waterfront is False


def test_an_unknown_field_is_refused_by_name(row: Row) -> None:
    assert broken_rules({**row, "zip_code": "98101"}) == [("zip_code", "extra_forbidden")]


def test_every_broken_rule_is_reported_at_once(row: Row) -> None:
    found = broken_rules({**row, "bedrooms": -1, "building_grade": 99, "colour": "red"})
    assert found == [
        ("bedrooms", "greater_than_equal"),
        ("building_grade", "less_than_equal"),
        ("colour", "extra_forbidden"),
    ]


def test_the_effective_age_is_at_most_the_age(row: Row) -> None:
    assert HouseFeatures.from_row({**row, "age_years": 60}).effective_age_years == 60
    assert broken_rules({**row, "age_years": 59}) == [("", "effective_age_years.at_most_age_years")]


@pytest.mark.parametrize("absent", ["latitude", "longitude"])
def test_a_lone_coordinate_is_refused_under_the_name_of_the_absent_one(row: Row, absent: str) -> None:
    del row[absent]
    assert broken_rules(row) == [("", f"{absent}.coordinates_together")]


def test_a_validated_row_cannot_be_changed(row: Row) -> None:
    house = HouseFeatures.from_row(row)
    with pytest.raises(ValidationError, match="frozen"):
        house.bedrooms = 4  # type: ignore[misc]


def test_area_codes_are_distinct_and_all_well_formed(row: Row) -> None:
    assert len(set(AREA_CODES)) == len(AREA_CODES) == 26
    for code in AREA_CODES:
        assert HouseFeatures.from_row({**row, "area_code": code}).area_code == code


def test_the_examples_of_the_schema_are_valid_values(row: Row) -> None:
    for name, field in HouseFeatures.model_fields.items():
        assert field.examples, name
        for example in field.examples:
            HouseFeatures.from_row({**row, name: example})


def test_every_field_is_described_and_has_a_unit_where_it_has_one() -> None:
    units = {column.name: column.unit for column in HouseFeatures.columns() if column.unit}
    assert units == {
        "living_area_sqft": "sq ft",
        "lot_area_sqft": "sq ft",
        "age_years": "years",
        "effective_age_years": "years",
        "latitude": "degrees",
        "longitude": "degrees",
    }
    assert all(field.description for field in HouseFeatures.model_fields.values())
