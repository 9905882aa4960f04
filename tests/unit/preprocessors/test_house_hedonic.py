"""The hedonic index finds a known price index, and carries the trend past the last sale, but not for ever."""

from __future__ import annotations

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from preprocessors.house_columns import AREA, DATE, GRADE, LIVING, TYPE, YEAR, days
from preprocessors.house_hedonic import PARTLY_KEPT, Hedonic
from schemas.features import NEVER_SEEN
from tests.unit.preprocessors.synthetic import LAST_DAY, houses, log_prices

SLOPE = 0.08


@pytest.fixture(scope="module")
def sales() -> Matrix:
    """Made-up sales of six years."""
    return houses(4000)


@pytest.fixture(scope="module")
def hedonic(sales: Matrix) -> Hedonic:
    """Fitted on prices with a little noise."""
    return Hedonic().fit(sales, log_prices(sales, SLOPE, noise=0.05))


def on_day(X: Matrix, day: int) -> Matrix:
    """The same houses on another day."""
    X = X.copy()
    X[:, DATE] = day
    return X


def with_value(X: Matrix, column: int, value: float) -> Matrix:
    """The same houses with another value in a column."""
    X = X.copy()
    X[:, column] = value
    return X


def test_a_known_price_index_is_recovered_on_new_houses(hedonic: Hedonic) -> None:
    new = houses(500, seed=3)
    error = hedonic.index(new)[0] - log_prices(new, SLOPE)
    assert np.abs(error).mean() < 0.02
    assert abs(error.mean()) < 0.01


def test_a_linear_trend_is_carried_past_the_last_sale(hedonic: Hedonic, sales: Matrix) -> None:
    some = sales[:200]
    for ahead in (91, 365):
        future = on_day(some, LAST_DAY + ahead)
        error = hedonic.index(future)[0] - log_prices(future, SLOPE)
        assert abs(float(error.mean())) < 0.02, ahead
    year_ahead = hedonic.index(on_day(some, LAST_DAY + 365))[0] - hedonic.index(on_day(some, LAST_DAY))[0]
    assert year_ahead.mean() == pytest.approx(SLOPE * 365 / YEAR, abs=0.015)


def test_the_index_is_level_after_the_horizon(sales: Matrix) -> None:
    hedonic = Hedonic(horizon_days=100).fit(sales, log_prices(sales, SLOPE))
    last = int(sales[:, DATE].max())
    at_end, after, before = (hedonic.index(on_day(sales[:50], last + ahead))[0] for ahead in (100, 700, 99))
    assert np.array_equal(at_end, after)
    assert not np.array_equal(at_end, before)


def test_days_before_the_epoch_have_the_index_of_the_first_day(hedonic: Hedonic, sales: Matrix) -> None:
    first_day = int(sales[0, DATE] - days(sales)[0])
    first, earlier = (hedonic.index(on_day(sales[:5], day))[0] for day in (first_day, first_day - 400))
    assert np.array_equal(first, earlier)


def test_a_few_mad_prices_hardly_move_the_index(sales: Matrix, hedonic: Hedonic) -> None:
    prices = log_prices(sales, SLOPE, noise=0.05)
    prices[::50] += 3.0
    new = houses(500, seed=3)
    moved = Hedonic().fit(sales, prices).index(new)[0] - hedonic.index(new)[0]
    assert np.abs(moved).max() < 0.05  # without the weights, the mean alone would move by 0.06


def test_an_area_never_seen_is_priced_as_the_average_area(sales: Matrix) -> None:
    prices = log_prices(sales, SLOPE) + 0.02 * sales[:, AREA]
    hedonic = Hedonic().fit(sales, prices)
    house = on_day(sales[:1], LAST_DAY)
    by_area = [hedonic.index(with_value(house, AREA, area))[0][0] for area in range(26)]
    never = hedonic.index(with_value(house, AREA, NEVER_SEEN))[0][0]
    counts = np.bincount(sales[:, AREA].astype(np.intp), minlength=26)
    assert never == pytest.approx(np.average(by_area, weights=counts), abs=1e-9)
    assert by_area[25] - by_area[0] == pytest.approx(0.5, abs=0.05)


def test_a_townhouse_has_its_own_trend(sales: Matrix) -> None:
    townhouse = sales[:, TYPE] == 1
    prices = log_prices(sales, SLOPE) + np.where(townhouse, 0.05, 0.0) * days(sales) / YEAR
    hedonic = Hedonic().fit(sales, prices)
    growth = []
    for kind in (0.0, 1.0):
        some = with_value(sales[:50], TYPE, kind)
        late, early = (hedonic.index(on_day(some, LAST_DAY - ago))[0].mean() for ago in (0, 1461))
        growth.append((late - early) / 4)
    assert growth == pytest.approx([SLOPE, SLOPE + 0.05], abs=0.01)


@pytest.mark.parametrize(("kind", "elasticity"), [(0.0, 0.6), (1.0, 0.8)])
def test_the_offset_keeps_only_a_share_of_what_size_adds(sales: Matrix, kind: float, elasticity: float) -> None:
    prices = log_prices(sales, SLOPE) + 0.2 * np.log(sales[:, LIVING]) * sales[:, TYPE]
    hedonic = Hedonic(kept=0.4).fit(sales, prices)
    small = with_value(with_value(sales[:1], LIVING, 1000), TYPE, kind)
    before, after = hedonic.index(small), hedonic.index(with_value(small, LIVING, 2000))
    full, offset = (float((late - early)[0]) for early, late in zip(before, after, strict=True))
    assert full == pytest.approx(elasticity * np.log(2), abs=0.03)
    assert offset == pytest.approx(0.4 * full)


def test_an_offset_that_keeps_everything_is_the_index(sales: Matrix) -> None:
    assert np.allclose(*Hedonic(kept=1.0).fit(sales, log_prices(sales, SLOPE)).index(sales[:50]))


def test_sizes_beyond_the_training_range_are_held_at_its_ends(hedonic: Hedonic, sales: Matrix) -> None:
    huge, larger = (hedonic.index(with_value(sales[:5], LIVING, size))[0] for size in (20_000, 50_000))
    assert np.array_equal(huge, larger)


def test_a_better_grade_is_worth_more(hedonic: Hedonic, sales: Matrix) -> None:
    better = hedonic.index(with_value(sales[:100], GRADE, 9))[0] - hedonic.index(with_value(sales[:100], GRADE, 8))[0]
    assert better.mean() == pytest.approx(0.1, abs=0.02)


def test_a_row_has_the_same_index_alone_and_among_others(hedonic: Hedonic) -> None:
    rows = houses(101, seed=5)
    together = hedonic.index(rows)
    for size in (1, 2, 3, 7):
        parts = [hedonic.index(rows[start : start + size]) for start in range(0, len(rows), size)]
        for number in (0, 1):
            assert np.array_equal(np.concatenate([part[number] for part in parts]), together[number])


def test_sales_of_a_few_weeks_are_enough_to_fit() -> None:
    few = houses(300)
    few[:, DATE] = np.sort(LAST_DAY - np.arange(300) % 20)
    hedonic = Hedonic().fit(few, log_prices(few, 0.0))
    assert np.isfinite(hedonic.index(on_day(few, LAST_DAY + 200))[0]).all()


def test_the_partly_kept_terms_are_those_of_living_area_and_grade(hedonic: Hedonic, sales: Matrix) -> None:
    higher = sales.copy()
    higher[:, [LIVING, GRADE]] += [50, 1]
    differ = (hedonic._structure(higher) != hedonic._structure(sales)).any(axis=0)
    assert tuple(np.flatnonzero(differ)) == PARTLY_KEPT
