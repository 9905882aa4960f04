"""Made-up houses with known prices, as encoded rows."""

from __future__ import annotations

from datetime import date

import numpy as np

from preprocessors.encoding import Matrix
from preprocessors.house_columns import AREAS, EPOCH, YEAR
from schemas.house_prices import HouseFeatures

LAST_DAY = date(2015, 12, 31).toordinal()


def houses(count: int, seed: int = 1) -> Matrix:
    """Complete encoded rows of shape (count, n_features), in order of time, each on a place of its own."""
    random = np.random.default_rng(seed)
    age = random.integers(0, 110, count)
    columns = {
        "building_type": random.integers(0, 2, count),
        "area_code": random.integers(0, AREAS, count),
        "living_area_sqft": random.integers(700, 4000, count),
        "lot_area_sqft": random.integers(1000, 9000, count),
        "bedrooms": random.integers(1, 6, count),
        "bathrooms": random.integers(4, 16, count) / 4,
        "building_grade": random.integers(5, 11, count),
        "waterfront": random.integers(0, 10, count) == 0,
        "age_years": age,
        "effective_age_years": np.floor(age * random.random(count)),
        "latitude": random.uniform(47.50, 47.73, count),
        "longitude": random.uniform(-122.42, -122.25, count),
        "valuation_date": np.sort(random.integers(EPOCH, LAST_DAY + 1, count)),
    }
    return np.column_stack([columns[name] for name in HouseFeatures.names()]).astype(np.float64)


def log_prices(X: Matrix, slope: float = 0.08, noise: float = 0.0, seed: int = 2) -> Matrix:
    """Log prices of shape (n,): 0.6 by log living area, 0.1 by grade, and `slope` a year."""
    column = dict(zip(HouseFeatures.names(), X.T, strict=True))
    year = (column["valuation_date"] - EPOCH) / YEAR
    known = 8.5 + 0.6 * np.log(column["living_area_sqft"]) + 0.1 * column["building_grade"] + slope * year
    price: Matrix = known + noise * np.random.default_rng(seed).standard_normal(len(X))
    return price
