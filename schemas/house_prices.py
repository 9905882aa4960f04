"""EDIT ME for your model: the typed row. This one describes a house in Seattle, at the date of its valuation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.features import Features, Levels, Mask, Unit, Vector, iso_date

AREA_CODES = (
    *("6", "7", "8", "11", "12", "13", "14", "15", "16", "17", "18", "19", "21", "22", "23"),
    *("39", "42", "43", "44", "45", "46", "48", "77", "79", "81", "82"),
)
"""The King County assessor's residential areas within Seattle. They are not ZIP codes."""


class HouseFeatures(Features):
    """A house or townhouse in Seattle, as it stands on the valuation date."""

    building_type: Literal["single_family", "townhouse"] = Field(
        description="Use of the building", examples=["single_family"]
    )
    area_code: Annotated[str, Levels(AREA_CODES)] = Field(
        pattern=r"^[1-9][0-9]?$",
        description="King County assessor's residential area, 1 to 99 without leading zero; not a ZIP code",
        examples=["19"],
    )
    living_area_sqft: Annotated[int, Unit("sq ft")] = Field(
        ge=100, le=50_000, description="Total living area", examples=[1680]
    )
    lot_area_sqft: Annotated[int | None, Unit("sq ft")] = Field(
        default=None,
        ge=100,
        le=5_000_000,
        description="Area of the lot; leave out if unknown",
        examples=[4800],
    )
    bedrooms: int = Field(ge=0, le=20, description="Number of bedrooms", examples=[3])
    bathrooms: float | None = Field(
        default=None,
        ge=0,
        le=20,
        multiple_of=0.25,
        description="Bathrooms in quarter steps (a half bath counts .5); leave out if unknown",
        examples=[1.75],
    )
    building_grade: int = Field(
        ge=1, le=13, description="King County construction grade: 7 is average, 13 a mansion", examples=[7]
    )
    waterfront: bool = Field(default=False, description="Whether the lot touches water", examples=[False])
    age_years: Annotated[int, Unit("years")] = Field(
        ge=0, le=200, description="Years since the building was built", examples=[64]
    )
    effective_age_years: Annotated[int | None, Unit("years")] = Field(
        default=None,
        ge=0,
        le=200,
        description="Years since built or last renovated, at most age_years; leave out if unknown",
        examples=[60],
    )
    latitude: Annotated[float | None, Unit("degrees")] = Field(
        default=None,
        ge=47.0,
        le=48.0,
        description="WGS 84; give both coordinates or neither",
        examples=[47.643],
    )
    longitude: Annotated[float | None, Unit("degrees")] = Field(
        default=None,
        ge=-123.0,
        le=-121.0,
        description="WGS 84; give both coordinates or neither",
        examples=[-122.342],
    )
    valuation_date: date = Field(
        ge=date(2010, 1, 1),
        le=date(2017, 12, 31),
        description="Day for which the price is asked, 2010-01-01 to 2017-12-31; the model knows sales of 2010 to 2016",
        examples=["2016-12-15"],
    )

    _iso_date = field_validator("valuation_date", mode="before")(iso_date)

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.effective_age_years is not None and self.effective_age_years > self.age_years:
            raise PydanticCustomError(
                "effective_age_years.at_most_age_years",
                "effective_age_years must be at most age_years",
                {"le": "age_years"},
            )
        if (self.latitude is None) != (self.longitude is None):
            missing = "latitude" if self.latitude is None else "longitude"
            raise PydanticCustomError(
                f"{missing}.coordinates_together", "give both latitude and longitude, or neither", {}
            )
        return self

    @classmethod
    def columns_agree(cls, columns: Mapping[str, Vector]) -> Mask:
        """`_fields_agree` for many rows at once."""
        older = columns["effective_age_years"] > columns["age_years"]  # not if the effective age is missing
        half = np.isnan(columns["latitude"]) != np.isnan(columns["longitude"])
        agree: Mask = ~(older | half)
        return agree
