"""Comparable sales: the same as by brute force, and a house's own sales never among them."""

from __future__ import annotations

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from preprocessors.house_columns import AGE, GRADE, LATITUDE, LIVING, LONGITUDE, LOT, TYPE, YEAR, days, kilometres
from preprocessors.house_neighbours import NAMES, Neighbours
from tests.unit.preprocessors.synthetic import houses

K = 34


@pytest.fixture(scope="module")
def sales() -> Matrix:
    """Made-up sales; every tenth is of the house before it, sold again."""
    X = houses(300)
    X[10::10, [LATITUDE, LONGITUDE]] = X[9:-1:10][:, [LATITUDE, LONGITUDE]]
    return X


@pytest.fixture(scope="module")
def residual(sales: Matrix) -> Matrix:
    """Made-up distances of the prices from the index."""
    return np.random.default_rng(4).normal(0, 0.2, len(sales))


@pytest.fixture(scope="module")
def neighbours(sales: Matrix, residual: Matrix) -> Neighbours:
    """Fitted on the made-up sales."""
    return Neighbours().fit(sales, residual)


def brute_force(house: Matrix, sales: Matrix, residual: Matrix) -> list[float]:
    """The features of one house, written as one would tell them."""
    squared = ((kilometres(sales) - kilometres(house[None, :])) ** 2).sum(axis=1)
    nearest = np.argsort(squared, kind="stable")[:K]
    others = [sale for sale in nearest if squared[sale] > 1e-6]
    tenth = float(np.sqrt(squared[others[9]]))
    built = days(sales) / YEAR - sales[:, AGE]
    own_built = days(house[None, :])[0] / YEAR - house[AGE]
    level, level_similar, near_sum, similar_sum = 0.0, 0.0, 0.3, 0.2
    wide = []
    for sale in others:
        near = 1 / (1 + squared[sale] / 0.1**2)
        alike = np.exp(-0.5 * (sales[sale, GRADE] - house[GRADE]) ** 2 - abs(built[sale] - own_built) / 30)
        alike *= 1.0 if sales[sale, TYPE] == house[TYPE] else 0.2
        level, near_sum = level + near * residual[sale], near_sum + near
        level_similar, similar_sum = level_similar + near * alike * residual[sale], similar_sum + near * alike
        wide.append(1 / (1 + squared[sale] / 0.5**2))
    about = [residual, sales[:, GRADE], np.log(sales[:, LIVING]), built, np.log(sales[:, LOT]), sales[:, TYPE]]
    means = [float(np.average(values[others], weights=wide)) for values in [*about, residual**2]]
    spread = float(np.sqrt(means[6] - means[0] ** 2))
    return [level / near_sum, level_similar / similar_sum, spread, *means[1:6], tenth]


def tie_at_the_end(house: Matrix, sales: Matrix) -> bool:
    """Whether two sales of one house compete for the last place: which of them gets it is up to the tree."""
    distance = np.sort(np.hypot(*(kilometres(sales) - kilometres(house[None, :])).T))
    return bool(distance[K - 1] == distance[K])


def test_features_are_those_of_a_brute_force_search(neighbours: Neighbours, sales: Matrix, residual: Matrix) -> None:
    candidates = np.vstack([sales[:40], houses(40, seed=9)])
    houses_to_price = np.array([house for house in candidates if not tie_at_the_end(house, sales)])
    assert len(houses_to_price) > 60
    expected = [brute_force(house, sales, residual) for house in houses_to_price]
    assert neighbours.transform(houses_to_price) == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def test_there_is_a_name_for_each_feature(neighbours: Neighbours, sales: Matrix) -> None:
    assert neighbours.transform(sales[:3]).shape == (3, len(NAMES))
    assert len(set(NAMES)) == len(NAMES)


def test_no_sale_of_a_house_leaks_into_its_own_features(
    neighbours: Neighbours, sales: Matrix, residual: Matrix
) -> None:
    for number in (9, 10, 55):  # 9 and 10 are sales of one house
        same_place = (sales[:, LATITUDE] == sales[number, LATITUDE]) & (sales[:, LONGITUDE] == sales[number, LONGITUDE])
        assert same_place.sum() == (2 if number < 11 else 1)
        other = Neighbours().fit(sales, np.where(same_place, 50.0, residual))
        house = sales[number : number + 1]
        assert np.array_equal(other.transform(house), neighbours.transform(house))


def test_the_sales_next_door_do_count(neighbours: Neighbours, sales: Matrix, residual: Matrix) -> None:
    nearest = int(np.argsort(((kilometres(sales) - kilometres(sales[55:56])) ** 2).sum(axis=1))[1])
    other = Neighbours().fit(sales, residual + 1.0 * (np.arange(len(sales)) == nearest))
    assert other.transform(sales[55:56])[0, 0] > neighbours.transform(sales[55:56])[0, 0]


def test_a_dear_neighbourhood_has_a_high_price_level(sales: Matrix) -> None:
    north = (sales[:, LATITUDE] > 47.62).astype(np.float64)
    level = Neighbours().fit(sales, 0.3 * north).transform(sales)[:, 0]
    far_from_border = np.abs(sales[:, LATITUDE] - 47.62) > 0.03
    assert level[far_from_border & (north == 1)].min() > 0.01
    assert np.abs(level[far_from_border & (north == 0)]).max() < 0.005


def test_equal_prices_have_no_spread(sales: Matrix) -> None:
    spread = Neighbours().fit(sales, np.full(len(sales), 0.1)).transform(sales)[:, 2]
    assert np.abs(spread).max() < 1e-6


def test_a_house_far_from_everything_has_finite_features(neighbours: Neighbours, sales: Matrix) -> None:
    far = sales[:1].copy()
    far[:, [LATITUDE, LONGITUDE]] = [47.0, -121.0]
    found = neighbours.transform(far)
    assert np.isfinite(found).all()
    assert abs(found[0, 0]) < 0.01  # nobody near: nothing is known of the price level


def test_a_row_has_the_same_features_alone_and_among_others(neighbours: Neighbours) -> None:
    rows = houses(50, seed=9)
    alone = np.vstack([neighbours.transform(rows[i : i + 1]) for i in range(len(rows))])
    assert np.array_equal(alone, neighbours.transform(rows))
