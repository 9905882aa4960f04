"""Inputs outside the training range and categories never seen: found once each, and never by rounding alone."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import numpy as np
import pytest

from preprocessors.encoding import Matrix
from preprocessors.feature_check import FeatureCheck, Strange, TrainingRanges
from schemas.features import MISSING, NEVER_SEEN, Features, Levels


class Parcel(Features):
    """A small row."""

    weight: float
    colour: Literal["red", "green"]
    origin: Annotated[str, Levels(("JFK", "EWR", "LGA"))]


NAMES = ["weight", "colour", "origin", "weight_per_origin"]
TRAINING = np.array([[0.1, 0, 0, 5.0], [0.7, 1, 2, 1234567.0]])
RANGES = TrainingRanges.of(NAMES, TRAINING)


def find(*inputs: list[float], ranges: TrainingRanges = RANGES) -> list[Strange]:
    """What the check says of these model inputs."""
    matrix: Matrix = np.array(inputs)
    return FeatureCheck(Parcel, ranges).find(matrix[:, :3], matrix)


def test_ranges_are_the_extremes_without_the_missing() -> None:
    ranges = TrainingRanges.of(["a", "b"], np.array([[1.0, MISSING], [MISSING, 3.0], [-2.0, 2.0]]))
    assert ranges == TrainingRanges(names=["a", "b"], low=[-2.0, 2.0], high=[1.0, 3.0])


def test_ranges_survive_json_also_with_a_column_that_is_all_missing() -> None:
    ranges = TrainingRanges.of(["a", "b"], np.array([[1 / 3, MISSING], [2 / 3, MISSING]]))
    assert TrainingRanges.model_validate_json(ranges.model_dump_json()) == ranges
    assert (ranges.low[1], ranges.high[1]) == (np.inf, -np.inf)


def test_whatever_comes_in_an_all_missing_column_is_outside() -> None:
    ranges = TrainingRanges.of(NAMES, np.column_stack([TRAINING[:, :3], [MISSING, MISSING]]))
    assert [strange.feature for strange in find([0.5, 0, 0, 1.0], ranges=ranges)] == ["weight_per_origin"]
    assert find([0.5, 0, 0, MISSING], ranges=ranges) == []


def test_inputs_within_their_range_are_not_strange() -> None:
    assert find([0.1, 0, 0, 5.0], [0.7, 1, 2, 1234567.0], [0.4, 0, 1, 77.0]) == []


def test_a_missing_value_is_not_strange() -> None:
    assert find([MISSING, MISSING, MISSING, MISSING]) == []


@pytest.mark.parametrize("weight", [0.09, 0.71, -5.0, 1e30])
def test_an_input_outside_its_range_is_named_with_the_range(weight: float) -> None:
    message = "weight is outside its training range, 0.1 to 0.7"
    assert find([0.5, 0, 0, 9.0], [weight, 0, 0, 9.0]) == [Strange(1, "outside_training_range", "weight", message)]


def test_computed_inputs_are_checked_as_raw_ones_are() -> None:
    (strange,) = find([0.5, 0, 0, 4.0])
    assert strange.feature == "weight_per_origin"
    assert strange.message == "weight_per_origin is outside its training range, 5 to 1.23457e+06"


class Visit(Features):
    """A row with a date."""

    day: date


def test_the_range_of_dates_is_told_as_dates_unless_the_pipeline_made_other_numbers_of_them() -> None:
    for low, high, said in ((734503.0, 736237.0, "2012-01-01 to 2016-09-30"), (-1.5, 2.0, "-1.5 to 2")):
        check = FeatureCheck(Visit, TrainingRanges(names=["day"], low=[low], high=[high]))
        (strange,) = check.find(np.array([[high + 1]]), np.array([[high + 1]]))
        assert strange.message == f"day is outside its training range, {said}"


def test_a_message_never_holds_the_value_that_was_sent() -> None:
    (strange,) = find([98765.4321, 0, 0, 9.0])
    assert "987" not in strange.message


def test_a_category_never_seen_is_reported_once_and_not_as_outside_its_range() -> None:
    message = "origin has a value that training has never seen"
    assert find([0.5, 0, NEVER_SEEN, 9.0]) == [Strange(0, "never_seen_category", "origin", message)]


def test_every_strange_input_of_every_row_is_found() -> None:
    found = find([9.0, NEVER_SEEN, NEVER_SEEN, 0.0], [0.5, 0, 0, 9.0], [0.0, 0, NEVER_SEEN, 9.0])
    assert sorted((strange.row, strange.feature, strange.code) for strange in found) == [
        (0, "colour", "never_seen_category"),
        (0, "origin", "never_seen_category"),
        (0, "weight", "outside_training_range"),
        (0, "weight_per_origin", "outside_training_range"),
        (2, "origin", "never_seen_category"),
        (2, "weight", "outside_training_range"),
    ]


def test_rounding_to_what_the_trees_see_does_not_cross_a_bound() -> None:
    assert float(np.float32(0.1)) > 0.1  # the bounds of weight are no float32 numbers
    assert float(np.float32(0.7)) < 0.7
    as_trees_see: list[float] = TRAINING.astype(np.float32)[0].tolist()
    assert find(TRAINING[0].tolist(), TRAINING[1].tolist(), as_trees_see) == []
    assert find([np.nextafter(0.1, 0), 0, 0, 5.0], [np.nextafter(0.7, 1), 0, 0, 5.0]) == []


def test_inputs_may_come_as_float32() -> None:
    inputs = TRAINING.astype(np.float32)
    assert FeatureCheck(Parcel, RANGES).find(TRAINING[:, :3], inputs.astype(np.float64)) == []


def test_no_rows_have_nothing_strange() -> None:
    assert FeatureCheck(Parcel, RANGES).find(np.empty((0, 3)), np.empty((0, 4))) == []
