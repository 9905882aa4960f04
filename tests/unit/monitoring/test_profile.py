"""The reference profile: every value has one bin, counts add up, and the bins survive JSON."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile import (
    QUANTILE_BINS,
    TOP_LEVELS,
    ColumnProfile,
    Profile,
    Values,
    profile_category,
    profile_number,
)
from schemas.features import MISSING, NEVER_SEEN

LEVELS = [f"L{number}" for number in range(TOP_LEVELS + 5)]
NORMAL = np.random.default_rng(0).normal(100, 15, 5000)


def counted(column: ColumnProfile, values: list[float]) -> dict[str, int]:
    """The bins that hold some of these values, by label."""
    counts = column.count(np.array(values)).tolist()
    return {label: count for label, count in zip(column.labels, counts, strict=True) if count}


def category(values: Values, levels: list[str] = LEVELS) -> ColumnProfile:
    """A category's profile."""
    return profile_category("c", values, levels)


def test_a_smooth_column_has_ten_bins_with_a_tenth_of_the_rows_each() -> None:
    column = profile_number("x", NORMAL)
    assert len(column.edges) == QUANTILE_BINS - 1
    assert column.counts == [500] * QUANTILE_BINS + [0]
    assert column.edges == pytest.approx(np.quantile(NORMAL, np.arange(1, 10) / 10))


def test_a_value_on_an_edge_belongs_to_the_bin_above_it() -> None:
    column = profile_number("x", np.arange(1000.0))
    edge = column.edges[4]
    below, on = column.bins(np.array([np.nextafter(edge, -np.inf), edge]))
    assert (below, on) == (4, 5)


def test_values_beyond_the_reference_fall_into_the_outer_bins() -> None:
    column = profile_number("x", NORMAL)
    assert column.bins(np.array([-1e300, -np.inf, 1e300, np.inf])).tolist() == [0, 0, 9, 9]


def test_a_value_that_many_rows_share_is_a_bin_of_its_own() -> None:
    values = np.concatenate([np.zeros(1000), NORMAL, np.full(2000, 100.0)])
    column = profile_number("x", values)
    for heavy, count in ((0.0, 1000), (100.0, 2000)):
        (place,) = column.bins(np.array([heavy]))
        assert column.counts[place] == count
        assert column.bins(np.nextafter(heavy, [-np.inf, np.inf])).tolist() == [place - 1, place + 1]


@pytest.mark.parametrize(("share", "own_bin"), [(100, True), (99, False)])
def test_a_tenth_of_the_rows_is_many(share: int, own_bin: bool) -> None:
    values = np.concatenate([np.full(share, 500.5), np.arange(1000.0 - share)])
    column = profile_number("x", values)
    (place,) = column.bins(np.array([500.5]))
    assert (column.counts[place] == share) == own_bin
    assert (500.5 in column.edges) == own_bin


def test_missing_values_have_the_last_bin_and_move_no_edge() -> None:
    column = profile_number("x", np.concatenate([NORMAL, np.full(700, MISSING)]))
    assert column.edges == profile_number("x", NORMAL).edges
    assert (column.labels[-1], column.counts[-1]) == ("missing", 700)


def test_a_constant_column_tells_its_value_from_less_and_more() -> None:
    column = profile_number("x", np.full(50, 3.0))
    assert column.counts == [0, 50, 0, 0]
    assert column.count(np.array([2.9, 3.0, 3.1, MISSING])).tolist() == [1, 1, 1, 1]


def test_an_all_missing_column_tells_given_from_missing() -> None:
    column = profile_number("x", np.full(50, MISSING))
    assert column.edges == []
    assert column.counts == [0, 50]
    assert column.count(np.array([1.0, -1.0, MISSING])).tolist() == [2, 1]


def test_labels_name_the_edges_and_are_distinct() -> None:
    column = profile_number("x", np.concatenate([np.zeros(900), np.arange(1, 101.0), [MISSING]]))
    assert column.labels[0] == "-inf to 0"
    assert column.labels[1].startswith("0 to ")
    assert column.labels[-2].endswith(" to inf")
    assert column.labels[-1] == "missing"
    assert len(set(column.labels)) == len(column.labels) == len(column.counts)


def test_a_category_has_a_bin_for_each_level_the_most_frequent_first() -> None:
    column = category(np.array([0, 0, 1, 2, 2, 2.0]), ["a", "b", "c"])
    assert column.labels == ["c", "a", "b", "other", "never_seen", "missing"]
    assert column.counts == [3, 2, 1, 0, 0, 0]


def test_equally_frequent_levels_keep_the_order_of_the_schema() -> None:
    assert category(np.array([2, 1, 0.0]), ["a", "b", "c"]).labels[:3] == ["a", "b", "c"]


def test_rare_levels_share_the_bin_other() -> None:
    values = np.repeat(np.arange(25.0), np.arange(25, 0, -1))  # L0 comes 25 times, L24 once
    column = category(values)
    assert column.labels[:TOP_LEVELS] == LEVELS[:TOP_LEVELS]
    assert column.counts[TOP_LEVELS:] == [5 + 4 + 3 + 2 + 1, 0, 0]
    assert counted(column, [19, 20, 24]) == {"L19": 1, "other": 2}


def test_never_seen_and_missing_levels_have_bins_of_their_own() -> None:
    column = category(np.array([0, 1, NEVER_SEEN, NEVER_SEEN, MISSING]), ["a", "b"])
    assert column.counts == [1, 1, 0, 2, 1]
    assert counted(column, [NEVER_SEEN, MISSING, MISSING, 1]) == {"b": 1, "never_seen": 1, "missing": 2}


def test_a_level_that_training_lacked_still_has_a_bin() -> None:
    column = category(np.zeros(9), ["a", "b"])
    assert counted(column, [1.0]) == {"b": 1}


def test_a_category_that_is_all_missing_can_be_counted() -> None:
    column = category(np.full(4, MISSING), ["a", "b"])
    assert column.counts == [0, 0, 0, 0, 4]
    assert counted(column, [1.0, MISSING]) == {"b": 1, "missing": 1}


numbers = st.lists(st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, MISSING, -0.0])), min_size=1, max_size=60)
codes = st.lists(st.sampled_from([NEVER_SEEN, MISSING, *map(float, range(len(LEVELS)))]), min_size=1, max_size=60)


@given(numbers, numbers, st.integers(0, 60))
def test_counts_of_numbers_sum_to_the_rows_and_add_up_over_parts(
    reference: list[float], live: list[float], cut: int
) -> None:
    check_counts(profile_number("x", np.array(reference)), reference, live, cut)


@given(codes, codes, st.integers(0, 60))
def test_counts_of_categories_sum_to_the_rows_and_add_up_over_parts(
    reference: list[float], live: list[float], cut: int
) -> None:
    check_counts(category(np.array(reference)), reference, live, cut)


def check_counts(column: ColumnProfile, reference: list[float], live: list[float], cut: int) -> None:
    """What holds of any column, whatever it was made from and whatever it counts."""
    assert sum(column.counts) == len(reference)
    assert len(column.counts) == len(column.labels)
    values = np.array(live)
    whole = column.count(values)
    assert whole.sum() == len(live)
    assert len(whole) == len(column.labels)
    assert np.array_equal(column.count(values[:cut]) + column.count(values[cut:]), whole)
    assert whole[-1] == sum(math.isnan(value) for value in live)
    assert ColumnProfile.model_validate_json(column.model_dump_json()) == column


def test_no_values_count_as_nothing() -> None:
    column = profile_number("x", NORMAL)
    assert column.count(np.array([])).tolist() == [0] * len(column.labels)


def test_a_profile_read_from_json_counts_as_before() -> None:
    columns = [profile_number("x", NORMAL / 3), category(np.arange(25.0))]
    profile = Profile(rows=5000, columns=columns)
    again = Profile.model_validate_json(profile.model_dump_json())
    assert again == profile
    assert np.array_equal(again.columns[0].count(NORMAL / 3), columns[0].counts)


def test_movement_over_time_is_measured_in_the_order_of_the_rows() -> None:
    levels = np.repeat([0.0, 1.0], 5000)
    shuffled = np.random.default_rng(0).permutation(levels)
    assert profile_number("x", levels).movement > 0.4
    assert category(levels).movement > 0.4
    assert profile_number("x", shuffled).movement == category(shuffled).movement == 0


def test_a_profile_from_before_movement_was_measured_has_none() -> None:
    old = category(np.arange(25.0)).model_dump(exclude={"movement"})
    assert ColumnProfile.model_validate(old).movement == 0
