"""The house pipeline: usual values for missing ones, computed features, and one row as in a batch, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from preprocessors import house_neighbours
from preprocessors.encoding import Matrix
from preprocessors.house_columns import (
    AGE,
    AREA,
    AREAS,
    BATHS,
    BEDS,
    EFFECTIVE_AGE,
    LATITUDE,
    LIVING,
    LONGITUDE,
    LOT,
    TYPE,
    YEAR,
    days,
    kilometres,
)
from preprocessors.house_prices import COMPUTED, OFFSET, OPTIONAL, TRUSTED_TYPES, FillMissing, HousePipeline
from registry import pipeline_file
from schemas.features import MISSING, NEVER_SEEN
from schemas.house_prices import HouseFeatures
from tests.unit.preprocessors.synthetic import houses, log_prices

OPTIONAL_COLUMNS = [column for columns in OPTIONAL.values() for column in columns]
NAMES = HousePipeline().get_feature_names_out()


@pytest.fixture(scope="module")
def sales() -> Matrix:
    """Made-up sales."""
    return houses(3000)


@pytest.fixture(scope="module")
def fill(sales: Matrix) -> FillMissing:
    """Fitted on the made-up sales."""
    return FillMissing().fit(sales)


@pytest.fixture(scope="module")
def pipeline(sales: Matrix) -> HousePipeline:
    """Fitted on the made-up sales."""
    return HousePipeline().fit(sales, log_prices(sales, noise=0.1))


@pytest.fixture(scope="module")
def requests() -> Matrix:
    """New houses as they are asked for: some without optional values, some in areas never seen."""
    X = houses(120, seed=8)
    hide = np.random.default_rng(6).random((len(X), len(OPTIONAL))) < 0.3
    for number, columns in enumerate(OPTIONAL.values()):
        for column in columns:
            X[hide[:, number], column] = MISSING
    X[::7, AREA] = NEVER_SEEN
    X[0, OPTIONAL_COLUMNS] = MISSING
    X[1, BEDS] = 0
    return X


def without(X: Matrix, *columns: int) -> Matrix:
    """The same houses without some values."""
    X = X.copy()
    X[:, list(columns)] = MISSING
    return X


def test_complete_rows_pass_through_untouched(fill: FillMissing, sales: Matrix) -> None:
    assert fill.transform(sales) is sales


def test_filling_leaves_the_given_matrix_and_the_given_values_alone(fill: FillMissing, requests: Matrix) -> None:
    before = requests.copy()
    filled = fill.transform(requests)
    given = ~np.isnan(requests)
    assert np.array_equal(requests, before, equal_nan=True)
    assert np.array_equal(filled[given], requests[given])
    assert not np.isnan(filled).any()


def test_a_lot_is_filled_by_area_and_building_type(fill: FillMissing, sales: Matrix) -> None:
    house = without(sales[:1], LOT)
    alike = (sales[:, AREA] == house[0, AREA]) & (sales[:, TYPE] == house[0, TYPE])
    assert alike.sum() >= 5
    assert fill.transform(house)[0, LOT] == np.median(sales[alike, LOT])


def test_a_lot_in_an_area_with_few_sales_is_filled_by_building_type_alone(sales: Matrix) -> None:
    rare = sales[:, AREA] == 3
    few = np.vstack([sales[~rare], sales[rare & (sales[:, TYPE] == 1)][:4]])
    house = without(sales[rare & (sales[:, TYPE] == 1)][:1], LOT)
    assert FillMissing().fit(few).transform(house)[0, LOT] == np.median(few[few[:, TYPE] == 1, LOT])


def test_bathrooms_are_filled_by_living_area(sales: Matrix) -> None:
    sales = sales.copy()
    sales[:, BATHS] = np.floor(sales[:, LIVING] / 1000)
    houses_to_fill = without(sales[:4], BATHS)
    houses_to_fill[:, LIVING] = [800, 1500, 3800, 50_000]
    assert FillMissing().fit(sales).transform(houses_to_fill)[:, BATHS].tolist() == [0, 1, 3, 3]


def test_the_effective_age_is_filled_with_the_age(fill: FillMissing, sales: Matrix) -> None:
    assert np.array_equal(fill.transform(without(sales, EFFECTIVE_AGE))[:, EFFECTIVE_AGE], sales[:, AGE])


def test_a_place_is_filled_with_the_middle_of_the_area(fill: FillMissing, sales: Matrix) -> None:
    filled = fill.transform(without(sales[:1], LATITUDE, LONGITUDE))
    area = sales[sales[:, AREA] == sales[0, AREA]]
    assert filled[0, [LATITUDE, LONGITUDE]].tolist() == [np.median(area[:, LATITUDE]), np.median(area[:, LONGITUDE])]


def test_an_area_never_seen_is_filled_with_what_is_usual_everywhere(fill: FillMissing, sales: Matrix) -> None:
    house = without(sales[:1], LOT, LATITUDE, LONGITUDE)
    house[:, AREA] = NEVER_SEEN
    filled = fill.transform(house)[0]
    assert filled[LOT] == np.median(sales[sales[:, TYPE] == house[0, TYPE], LOT])
    assert filled[LATITUDE] == np.median(sales[:, LATITUDE])


def test_inputs_have_distinct_names_and_begin_with_the_features_and_end_with_the_offset(
    pipeline: HousePipeline,
) -> None:
    assert [*HouseFeatures.names(), *COMPUTED, *house_neighbours.NAMES, OFFSET] == NAMES
    assert len(set(NAMES)) == len(NAMES)


def test_computed_features_are_what_their_names_say(pipeline: HousePipeline, sales: Matrix) -> None:
    found = dict(zip(NAMES, pipeline.transform(sales).T, strict=True))
    for number, name in enumerate(HouseFeatures.names()):
        assert np.array_equal(found[name], sales[:, number])
    assert found["living_area_per_bedroom"] == pytest.approx(sales[:, LIVING] / sales[:, BEDS])
    assert found["lot_ratio"] == pytest.approx(sales[:, LIVING] / sales[:, LOT])
    assert found["season_sin"] ** 2 + found["season_cos"] ** 2 == pytest.approx(1)
    assert found["year_built"] == pytest.approx(days(sales) / YEAR - sales[:, AGE])
    east, north = kilometres(sales).T
    assert found["km_to_downtown"] == pytest.approx(np.hypot(east, north + 2.6))
    assert (found["km_north_east"] + found["km_north_west"]) / 2 == pytest.approx(east)


def test_without_bedrooms_the_living_area_counts_as_one_room(pipeline: HousePipeline, requests: Matrix) -> None:
    assert requests[1, BEDS] == 0
    assert pipeline.transform(requests)[1, NAMES.index("living_area_per_bedroom")] == requests[1, LIVING]


def test_the_offset_is_the_hedonic_index_without_the_neighbourhood(pipeline: HousePipeline, sales: Matrix) -> None:
    assert np.array_equal(pipeline.transform(sales)[:, -1], pipeline.hedonic_.index(sales)[1])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_a_row_gives_the_same_inputs_alone_and_in_a_batch(pipeline: HousePipeline, requests: Matrix, size: int) -> None:
    parts = [pipeline.transform(requests[start : start + size]) for start in range(0, len(requests), size)]
    assert np.array_equal(np.vstack(parts), pipeline.transform(requests))


def test_the_order_of_a_batch_does_not_matter(pipeline: HousePipeline, requests: Matrix) -> None:
    assert np.array_equal(pipeline.transform(requests[::-1])[::-1], pipeline.transform(requests))


def test_no_rows_give_no_inputs(pipeline: HousePipeline, sales: Matrix) -> None:
    assert pipeline.transform(sales[:0]).shape == (0, len(NAMES))


def test_a_request_has_finite_inputs_whatever_is_missing(pipeline: HousePipeline, requests: Matrix) -> None:
    found = pipeline.transform(requests)
    assert np.isfinite(found).all()
    assert (found[::7, AREA] == NEVER_SEEN).all()


def test_a_missing_value_differs_from_the_usual_one_only_in_being_marked(
    pipeline: HousePipeline, requests: Matrix
) -> None:
    marks = [NAMES.index("place_missing"), NAMES.index("values_missing")]
    given, missing = pipeline.transform(pipeline.fill_.transform(requests)), pipeline.transform(requests)
    assert np.array_equal(np.delete(given, marks, axis=1), np.delete(missing, marks, axis=1))
    assert not given[:, marks].any()
    assert np.array_equal(missing[:, marks[0]], np.isnan(requests[:, LATITUDE]))
    assert np.array_equal(missing[:, marks[1]], np.isnan(requests[:, [LOT, BATHS, EFFECTIVE_AGE]]).sum(axis=1))
    assert missing[0, marks].tolist() == [1, 3]


def test_a_stored_pipeline_gives_the_same_bits(pipeline: HousePipeline, requests: Matrix) -> None:
    stored = pipeline_file.dump(pipeline)
    assert pipeline_file.untrusted_types(stored, TRUSTED_TYPES) == []
    loaded = pipeline_file.load("v", stored, TRUSTED_TYPES)
    assert np.array_equal(loaded.transform(requests), pipeline.transform(requests))
    assert loaded.get_feature_names_out() == NAMES
    assert pipeline_file.dump(loaded) == stored


def test_every_trusted_type_is_needed(pipeline: HousePipeline) -> None:
    assert set(pipeline_file.untrusted_types(pipeline_file.dump(pipeline), ())) == TRUSTED_TYPES


def test_fitting_again_gives_the_same_bits(pipeline: HousePipeline, sales: Matrix) -> None:
    again = HousePipeline().fit(sales, log_prices(sales, noise=0.1))
    assert pipeline_file.dump(again) == pipeline_file.dump(pipeline)


def test_tables_by_area_have_a_row_for_areas_never_seen(fill: FillMissing) -> None:
    assert fill.lot_.shape == (AREAS + 1, 2)
    assert fill.place_.shape == (AREAS + 1, 2)
