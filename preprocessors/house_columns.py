"""Where each house feature stands in the encoded matrix, and the units that its estimators share."""

from __future__ import annotations

from datetime import date

import numpy as np

from preprocessors.encoding import Matrix
from schemas.house_prices import AREA_CODES, HouseFeatures

_NAMES = HouseFeatures.names()

TYPE = _NAMES.index("building_type")
AREA = _NAMES.index("area_code")
LIVING = _NAMES.index("living_area_sqft")
LOT = _NAMES.index("lot_area_sqft")
BEDS = _NAMES.index("bedrooms")
BATHS = _NAMES.index("bathrooms")
GRADE = _NAMES.index("building_grade")
WATERFRONT = _NAMES.index("waterfront")
AGE = _NAMES.index("age_years")
EFFECTIVE_AGE = _NAMES.index("effective_age_years")
LATITUDE = _NAMES.index("latitude")
LONGITUDE = _NAMES.index("longitude")
DATE = _NAMES.index("valuation_date")

TOWNHOUSE = 1.0
AREAS = len(AREA_CODES)
EPOCH = date(2010, 1, 1).toordinal()
YEAR = 365.25
DOWNTOWN = (0.0, -2.6)
"""Kilometres east and north of the origin of `kilometres`."""


def days(X: Matrix) -> Matrix:
    """Days since the first of January 2010, shape (n,)."""
    found: Matrix = X[:, DATE] - EPOCH
    return found


def area_index(X: Matrix) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Row of each house in a table by area; tables have one row more, the last, for areas never seen (-1)."""
    return X[:, AREA].astype(np.intp)


def kilometres(X: Matrix) -> Matrix:
    """East and north of a point in the middle of Seattle, shape (n, 2). Flat earth: the city is 30 km long."""
    east = (X[:, LONGITUDE] + 122.337) * (111.32 * np.cos(np.radians(47.63)))
    north = (X[:, LATITUDE] - 47.63) * 111.19
    return np.column_stack([east, north])
