"""The figures of the dashboard: quantiles of histograms, shares, movement, and bins in the words of people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile import ColumnProfile, profile_category, profile_number
from monitoring.snapshot import TrafficPoint
from monitoring.snapshot_figures import (
    column_snapshot,
    example_request,
    quantile,
    readable_labels,
    recent_rows,
    shares,
    stage_latency,
    total_variation,
    traffic_shares,
)
from schemas.features import MISSING, Features
from schemas.house_prices import HouseFeatures

BOUNDS = [0.001, 0.01, 0.1]
counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    assert quantile(BOUNDS, [0, 10, 0, 0], 0.5) == pytest.approx(0.0055)
    assert quantile(BOUNDS, [10, 0, 0, 0], 0.5) == pytest.approx(0.0005)


def test_above_the_last_bound_a_quantile_is_that_bound() -> None:
    assert quantile(BOUNDS, [1, 0, 0, 99], 0.99) == 0.1


def test_a_last_bound_of_infinity_changes_nothing() -> None:
    assert quantile([*BOUNDS, math.inf], [3, 4, 5, 6], 0.8) == quantile(BOUNDS, [3, 4, 5, 6], 0.8)


def test_the_first_bucket_may_begin_elsewhere() -> None:
    assert quantile([-1.0, 0.0, 1.0], [0, 4, 0, 0], 0.5, lowest=-1.0) == -0.5


def test_without_counts_there_is_no_quantile() -> None:
    assert quantile(BOUNDS, [0, 0, 0, 0], 0.5) is None
    assert stage_latency("total", BOUNDS, [0] * 4).p99 is None


@pytest.mark.parametrize(
    ("bounds", "counted", "share", "named"),
    [
        (BOUNDS, [1, 2], 0.5, "2 counts do not fit 3 bounds"),
        ([], [], 0.5, "0 counts do not fit 0 bounds"),
        (BOUNDS, [1] * 4, 1.5, "share must be 0 to 1"),
        (BOUNDS, [1] * 4, math.nan, "share must be 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(bounds: list[float], counted: list[int], share: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        quantile(bounds, counted, share)


@given(counts, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise_with_their_share_and_stay_within_the_bounds(counted: list[int], one: float, two: float) -> None:
    found = [quantile(BOUNDS, counted, share) for share in sorted((one, two))]
    if sum(counted):
        assert found[0] is not None
        assert found[1] is not None
        assert 0 <= found[0] <= found[1] <= BOUNDS[-1]
    else:
        assert found == [None, None]


def test_shares_sum_to_one_or_are_all_zero() -> None:
    assert shares([1, 3]) == [0.25, 0.75]
    assert shares([0, 0]) == [0, 0]
    assert traffic_shares({"a": 3, "b": 1}) == {"a": 0.75, "b": 0.25}
    assert traffic_shares({"a": 0, "b": 0}) == {"a": None, "b": None}


def test_movement_is_the_share_of_rows_that_would_have_to_change_bins() -> None:
    assert total_variation([50, 50], [50, 50]) == 0
    assert total_variation([50, 50, 0], [400, 500, 100]) == pytest.approx(0.1)
    assert total_variation([1, 0], [0, 7]) == 1
    assert total_variation([1, 2], [0, 0]) is None
    assert total_variation([0, 0], [1, 2]) is None


@given(counts, counts)
def test_movement_is_a_share_and_the_same_both_ways(one: list[int], other: list[int]) -> None:
    moved = total_variation(one, other)
    assert moved == pytest.approx(total_variation(other, one)) if moved is not None else True
    assert moved is None or -1e-12 <= moved <= 1 + 1e-12


def test_recent_rows_are_those_of_the_last_minutes_only() -> None:
    history = [TrafficPoint(at=at, seconds=10, rows={"a": 1, "b": 2}, errors=0) for at in (0, 700, 900, 1000, 1001)]
    assert recent_rows(history, now=1000) == {"a": 2, "b": 4}
    assert recent_rows([], now=1000) == {}


def test_bins_are_named_for_people() -> None:
    column = profile_number("x", np.concatenate([np.zeros(300), np.arange(1, 701.0)]))
    labels = readable_labels(column, "number")
    assert labels[:2] == ["under 0", "0"]
    assert labels[-2].endswith(" or more")
    assert labels[-1] == "missing"
    assert len(labels) == len(column.labels)


def test_flags_say_yes_and_no_and_dates_are_dates() -> None:
    flag = profile_number("f", np.repeat([0.0, 1.0], [499, 501]))
    assert readable_labels(flag, "flag") == ["other", "no", "other", "yes", "other", "missing"]
    never = profile_number("f", np.zeros(100))
    assert readable_labels(never, "flag") == ["other", "no", "yes", "missing"]
    day = profile_number("d", np.arange(736_000.0, 737_000.0))
    assert readable_labels(day, "date")[0] == "under 2016-05-16"
    assert (
        "1e+10"
        in readable_labels(
            ColumnProfile(name="d", kind="number", edges=[1e10], labels=["a", "b", "c"], counts=[0, 0, 0]), "date"
        )[0]
    )


def test_categories_keep_their_levels() -> None:
    column = profile_category("c", np.array([0.0, 0, 1]), ["a", "b"])
    assert readable_labels(column, "category") == ["a", "b", "other", "never seen", "missing"]


def test_a_column_that_was_always_missing_says_given_and_missing() -> None:
    assert readable_labels(profile_number("x", np.full(5, MISSING)), "number") == ["given", "missing"]


def test_every_column_of_the_house_model_has_a_label_for_each_bin() -> None:
    for place, column in enumerate(HouseFeatures.columns()):
        random = np.random.default_rng(place)
        values = random.integers(0, len(column.levels) or 40, 500).astype(float)
        profile = (
            profile_category(column.name, values, column.levels)
            if column.kind == "category"
            else profile_number(column.name, values)
        )
        found = column_snapshot(profile, profile.counts, column, floor=0.02, evidence=math.nan)
        assert len(found.labels) == len(found.live) == len(found.reference)
        assert (found.unit, found.kind, found.moved, found.evidence) == (column.unit, column.kind, 0, None)


def test_live_counts_of_another_shape_name_the_column() -> None:
    with pytest.raises(ValueError, match="x: 2 live counts for 11 bins"):
        column_snapshot(profile_number("x", np.arange(100.0)), [1, 2])


def test_the_example_of_the_schema_is_a_body_that_the_schema_takes() -> None:
    body = example_request(HouseFeatures)
    assert body is not None
    HouseFeatures.model_validate_json(body.removeprefix('{"features": ').removesuffix("}"))


def test_a_schema_without_examples_has_no_example_request() -> None:
    class Bare(Features):
        x: float

    assert example_request(Bare) is None
