"""What derives from a feature class: columns, codes and the schema hash."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, create_model, field_validator

from schemas.features import MISSING, NEVER_SEEN, Column, Features, Levels, Unit, iso_date
from schemas.house_prices import AREA_CODES, HouseFeatures

Colour = Literal["red", "green"]


class Flight(Features):
    """A small row with a field of every kind."""

    distance: Annotated[int, Unit("miles")] = Field(ge=0, le=5000, description="How far", examples=[100])
    wind: float | None = Field(default=None, ge=0)
    night: bool = False
    day: date
    colour: Colour
    origin: Annotated[str, Levels(("JFK", "EWR"))] = Field(pattern="^[A-Z]{3}$")
    carrier: Annotated[str | None, Levels(("AA", "UA"))] = None


def variant(**changed: Any) -> type[Features]:
    """The class `Flight` with some fields replaced, each given as (type, Field(...)), or dropped with None."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in Flight.model_fields.items()}
    fields |= changed
    kept = {name: definition for name, definition in fields.items() if definition is not None}
    return create_model("Flight", __base__=Features, **kept)


def distance(unit: str = "miles", le: int = 5000, **prose: Any) -> tuple[Any, Any]:
    """The field `distance`, built anew."""
    return Annotated[int, Unit(unit)], Field(**{"ge": 0, "le": le, **prose})


def test_columns_keep_the_order_and_tell_kind_unit_levels_and_need() -> None:
    assert Flight.columns() == (
        Column("distance", "number", "miles", True),
        Column("wind", "number", None, False),
        Column("night", "flag", None, False),
        Column("day", "date", None, True),
        Column("colour", "category", None, True, ("red", "green")),
        Column("origin", "category", None, True, ("JFK", "EWR")),
        Column("carrier", "category", None, False, ("AA", "UA")),
    )
    assert Flight.names() == list(Flight.model_fields)


def test_columns_of_a_subclass_are_its_own() -> None:
    class Longer(Flight):
        gate: int

    assert Longer.names() == [*Flight.names(), "gate"]
    assert Flight.names()[-1] == "carrier"


def test_the_house_columns_are_the_thirteen_features_in_order() -> None:
    assert [(column.name, column.kind, column.required) for column in HouseFeatures.columns()] == [
        ("building_type", "category", True),
        ("area_code", "category", True),
        ("living_area_sqft", "number", True),
        ("lot_area_sqft", "number", False),
        ("bedrooms", "number", True),
        ("bathrooms", "number", False),
        ("building_grade", "number", True),
        ("waterfront", "flag", False),
        ("age_years", "number", True),
        ("effective_age_years", "number", False),
        ("latitude", "number", False),
        ("longitude", "number", False),
        ("valuation_date", "date", True),
    ]
    assert HouseFeatures.columns()[1].levels == AREA_CODES


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("distance", 3, 3.0),
        ("wind", 2.5, 2.5),
        ("night", True, 1.0),
        ("night", False, 0.0),
        ("day", date(2013, 1, 1), 734869.0),
        ("colour", "red", 0.0),
        ("colour", "green", 1.0),
        ("origin", "EWR", 1.0),
        ("origin", "LGA", NEVER_SEEN),
    ],
)
def test_a_value_has_its_code(name: str, value: Any, code: float) -> None:
    column = {column.name: column for column in Flight.columns()}[name]
    assert column.encode(value) == code


@pytest.mark.parametrize("column", Flight.columns(), ids=lambda column: column.name)
def test_none_has_the_code_of_missing_whatever_the_kind(column: Column) -> None:
    assert math.isnan(MISSING)
    assert math.isnan(column.encode(None))


def test_minus_zero_has_the_code_of_zero() -> None:
    encoded = Flight.columns()[1].encode(-0.0)
    assert math.copysign(1.0, encoded) == 1.0


def test_the_hash_is_one_sha256_and_the_same_when_the_same_is_declared_again() -> None:
    assert variant().schema_hash() == Flight.schema_hash()
    assert len(bytes.fromhex(Flight.schema_hash())) == 32


@pytest.mark.parametrize(
    "prose",
    [{"description": "How far it is"}, {"title": "Distance"}, {"examples": [7, 8]}, {"description": None}],
)
def test_the_hash_does_not_hang_on_prose(prose: dict[str, Any]) -> None:
    assert variant(distance=distance(**prose)).schema_hash() == Flight.schema_hash()


@pytest.mark.parametrize(
    "changed",
    [
        {"distance": distance(unit="km")},
        {"distance": distance(le=5001)},
        {"distance": (Annotated[float, Unit("miles")], Field(ge=0, le=5000))},
        {"distance": (Annotated[int | None, Unit("miles")], Field(default=None, ge=0, le=5000))},
        {"distance": None},
        {"new": (int, ...)},
        {"wind": (float | None, Field(default=None, gt=0))},
        {"colour": (Literal["green", "red"], ...)},
        {"colour": (Literal["red", "green", "blue"], ...)},
        {"origin": (Annotated[str, Levels(("EWR", "JFK"))], Field(pattern="^[A-Z]{3}$"))},
        {"origin": (Annotated[str, Levels(("JFK", "EWR", "LGA"))], Field(pattern="^[A-Z]{3}$"))},
        {"origin": (Annotated[str, Levels(("JFK", "EWR"))], Field(pattern="^[A-Z]+$"))},
        {"night": (int, 0)},
    ],
    ids=str,
)
def test_the_hash_changes_with_whatever_changes_the_meaning(changed: dict[str, Any]) -> None:
    assert variant(**changed).schema_hash() != Flight.schema_hash()


def test_the_hash_changes_with_the_order_of_the_fields() -> None:
    first = create_model("Two", __base__=Features, a=(int, ...), b=(int, ...))
    second = create_model("Two", __base__=Features, b=(int, ...), a=(int, ...))
    assert first.schema_hash() != second.schema_hash()


@pytest.mark.parametrize(
    "annotation",
    [str, list[int], dict[str, int], int | float, bytes, complex, str | None, Any],
    ids=str,
)
def test_a_type_without_a_column_kind_is_refused_by_name(annotation: Any) -> None:
    schema = create_model("Odd", __base__=Features, good=(int, ...), odd=(annotation, ...))
    with pytest.raises(TypeError, match=r"'odd'.*use int, float, bool, date, Literal or str"):
        schema.columns()


def test_the_unit_is_in_the_json_schema() -> None:
    assert Flight.model_json_schema()["properties"]["distance"]["x-unit"] == "miles"


def test_from_row_reads_dates_as_a_request_body_has_them() -> None:
    row = {"distance": 1, "day": "2013-05-01", "colour": "red", "origin": "JFK"}
    assert Flight.from_row(row).day == date(2013, 5, 1)


@pytest.mark.parametrize(
    "given", ["1367366400", "20130501", "2013-W18-3", "2013-05-32", "2013-05-1 ", "May 2013", "", "-1"]
)
def test_text_that_is_no_iso_date_is_refused(given: str) -> None:
    class Dated(Features):
        day: date

        _iso = field_validator("day", mode="before")(iso_date)

    with pytest.raises(ValidationError) as caught:
        Dated.from_row({"day": given})
    assert caught.value.errors()[0]["type"] == "date_parsing"
    assert "YYYY-MM-DD" in caught.value.errors()[0]["msg"]


def test_a_date_that_is_one_already_passes() -> None:
    assert iso_date(date(2013, 5, 1)) == date(2013, 5, 1)
