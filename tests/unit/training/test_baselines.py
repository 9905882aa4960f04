"""The baselines are as good as they should be, and see nothing of the test part but its rows."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.unit.training.synthetic import Car, cars, every_day, record
from training.baselines import median, ridge
from training.dataset import Dataset, validate

DAYS = every_day(date(2013, 1, 1), date(2013, 12, 31))


def priced(days: list[date], seed: int, **missing: bool) -> Dataset:
    """Cars whose log price is linear in power and colour; without their doors if these are missing."""
    random = np.random.default_rng(seed)
    records = []
    for day in days:
        power, green = int(random.integers(50, 300)), bool(random.integers(0, 2))
        price = float(np.exp(5 + power / 100 + (0.5 if green else 0.0)))
        features = {"power": power, "colour": "green" if green else "red"}
        doors = None if missing.get("doors") and random.random() < 0.5 else 4
        records.append(record(day, price, **features, doors=doors))
    return validate(Car, records)[0]


def test_ridge_recovers_prices_that_are_linear_on_the_log_scale() -> None:
    train, test = priced(DAYS, seed=1, doors=True), priced(DAYS[:50], seed=2, doors=True)
    assert ridge(train, test) == pytest.approx(test.target, rel=0.05)


def test_ridge_follows_targets_below_zero_where_the_link_is_the_identity() -> None:
    power = np.random.default_rng(1).integers(50, 300, len(DAYS))
    train = cars(DAYS, power.astype(np.float64) - 200.0, power.tolist())
    assert ridge(train, train, "identity") == pytest.approx(train.target, abs=2)


def test_ridge_bears_a_category_that_it_has_not_seen() -> None:
    red, _ = validate(Car, [record(day, 100.0 + number, power=100 + number % 9) for number, day in enumerate(DAYS)])
    green, _ = validate(Car, [record(DAYS[0], 1.0, colour="green", power=104)])
    assert np.isfinite(ridge(red, green)).all()


def test_the_median_is_that_of_the_last_year_before_the_test() -> None:
    days = every_day(date(2011, 1, 1), date(2013, 12, 31))
    target = np.where([day.year == 2013 for day in days], 500.0, 100.0)
    test = cars(DAYS[:3], np.array([1.0, 2.0, 3.0]))
    assert median(cars(days, target), test).tolist() == [500, 500, 500]


def test_no_baseline_looks_at_the_truth_of_the_test_part() -> None:
    train, test = priced(DAYS, seed=1), priced(DAYS[:50], seed=2)
    other = Dataset(test.rows, test.raw, test.target * 9, test.days)
    for baseline in (ridge, median):
        assert np.array_equal(baseline(train, test), baseline(train, other))
