"""From raw records to validated rows in order of time, and the split that keeps the newest quarter untouched."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.unit.training.synthetic import Car, cars, every_day, record
from training.dataset import Dataset, Split, UnusableData, quarter_start, split_by_time, validate

DAY = date(2013, 1, 1)


def test_refused_rows_are_counted_by_field_and_rule() -> None:
    data, refused = validate(
        Car,
        [
            record(DAY),
            record(DAY, power=0),
            record(DAY, power=0),
            record(DAY, power=501),
            record(DAY, colour="blue"),
            record(DAY, zip="98101"),
        ],
    )
    assert len(data) == 1
    assert refused == {
        "power: greater_than_equal": 2,
        "power: less_than_equal": 1,
        "colour: literal_error": 1,
        "zip: extra_forbidden": 1,
    }


def test_data_that_the_schema_refuses_altogether_is_unusable_and_the_rules_are_named() -> None:
    with pytest.raises(UnusableData, match=r"Car refused every row: \{'power: greater_than_equal': 3\}"):
        validate(Car, [record(DAY, power=0)] * 3)


def test_no_records_are_unusable() -> None:
    with pytest.raises(UnusableData):
        validate(Car, [])


def test_rows_are_sorted_by_day_and_keep_their_order_within_a_day() -> None:
    later = date(2013, 1, 2)
    given = [(later, 5.0), (DAY, 2.0), (later, 1.0), (DAY, 4.0), (later, 3.0)]
    data, _ = validate(Car, [record(day, target, power=int(target)) for day, target in given])
    assert data.target.tolist() == [2, 4, 5, 1, 3]
    assert data.column("power").tolist() == [2, 4, 5, 1, 3]
    assert [row.model_dump()["power"] for row in data.rows] == [2, 4, 5, 1, 3]
    assert data.days.tolist() == [DAY.toordinal()] * 2 + [later.toordinal()] * 3
    assert (data.first, data.last) == (DAY, later)


def test_missing_optional_values_are_nan_in_the_matrix() -> None:
    data, _ = validate(Car, [record(DAY), record(DAY, doors=5)])
    assert np.array_equal(data.column("doors"), [np.nan, 5.0], equal_nan=True)


def test_where_keeps_all_parts_together() -> None:
    data = cars(every_day(DAY, date(2013, 1, 5)), np.arange(1.0, 6.0), power=[1, 2, 3, 4, 5])
    part = data.where(data.target > 3)
    assert part.target.tolist() == part.column("power").tolist() == [4, 5]
    assert [row.model_dump()["power"] for row in part.rows] == [4, 5]
    assert (len(part), part.first) == (2, date(2013, 1, 4))


def test_before_a_day_leaves_that_day_out() -> None:
    data = cars(every_day(DAY, date(2013, 1, 5)))
    assert data.before(date(2013, 1, 3)).last == date(2013, 1, 2)
    assert len(data.before(DAY)) == 0


@pytest.mark.parametrize(
    ("day", "start"),
    [
        (date(2016, 1, 1), date(2016, 1, 1)),
        (date(2016, 3, 31), date(2016, 1, 1)),
        (date(2016, 4, 1), date(2016, 4, 1)),
        (date(2016, 12, 31), date(2016, 10, 1)),
    ],
)
def test_a_quarter_starts_on_the_first_of_its_first_month(day: date, start: date) -> None:
    assert quarter_start(day) == start


def parts(split: Split) -> list[Dataset]:
    """The parts in order of time."""
    return [split.fit, split.calibration, split.test]


def test_the_split_is_in_order_of_time_without_overlap_or_loss() -> None:
    data = cars(every_day(DAY, date(2013, 12, 31)))
    split = split_by_time(data, calibration_days=60, minimum=10)
    assert [(part.first, part.last) for part in parts(split)] == [
        (DAY, date(2013, 8, 1)),
        (date(2013, 8, 2), date(2013, 9, 30)),
        (date(2013, 10, 1), date(2013, 12, 31)),
    ]
    assert sum(len(part) for part in parts(split)) == len(data)
    assert len(split.calibration) == 60


def test_sales_of_one_day_are_never_in_two_parts() -> None:
    data = cars(sorted(every_day(DAY, date(2013, 12, 31)) * 3))
    days = [set(part.days.tolist()) for part in parts(split_by_time(data, 60, minimum=10))]
    assert not days[0] & days[1]
    assert not days[1] & days[2]


def test_a_newest_quarter_with_too_few_rows_is_tested_with_the_one_before() -> None:
    data = cars(every_day(DAY, date(2013, 10, 9)))
    assert split_by_time(data, 60, minimum=9).test.first == date(2013, 10, 1)
    split = split_by_time(data, 60, minimum=10)
    assert (split.test.first, split.test.last) == (date(2013, 7, 1), date(2013, 10, 9))


@pytest.mark.parametrize(
    ("first", "calibration_days", "part"),
    [(date(2013, 9, 1), 20, "fit"), (DAY, 15, "calibration"), (date(2013, 12, 20), 10, "fit")],
)
def test_a_part_with_too_few_rows_is_named(first: date, calibration_days: int, part: str) -> None:
    data = cars(every_day(first, date(2013, 12, 31)))
    with pytest.raises(UnusableData, match=rf"the {part} part has \d+ rows, fewer than 16: give more data"):
        split_by_time(data, calibration_days, minimum=16)


def test_a_test_part_with_too_few_rows_is_named() -> None:
    data = cars([*every_day(DAY, date(2013, 6, 1)), date(2013, 12, 31)])
    with pytest.raises(UnusableData, match="the test part has 1 rows"):
        split_by_time(data, 60, minimum=10)


def test_data_without_a_row_cannot_be_split() -> None:
    with pytest.raises(UnusableData, match="no rows"):
        split_by_time(cars([DAY]).before(DAY), 60)
