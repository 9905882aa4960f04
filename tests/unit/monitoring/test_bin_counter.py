"""Counting many rows at once gives what the profile's own bins give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitoring.bin_counter import BinCounter, labels_of
from monitoring.profile import Profile, Values, profile_category, profile_number
from monitoring.snapshot_counts import by_column

RNG = np.random.default_rng(0)
MANY = [f"level {number}" for number in range(30)]


def _profile() -> Profile:
    heavy = np.where(RNG.random(2_000) < 0.3, 7.0, RNG.normal(size=2_000))
    return Profile(
        rows=2_000,
        columns=[
            profile_number("smooth", RNG.lognormal(size=2_000)),
            profile_number("heavy", heavy),
            profile_number("constant", np.ones(2_000)),
            profile_number("absent", np.full(2_000, np.nan)),
            profile_category("few", RNG.integers(0, 3, 2_000).astype(float), MANY[:3]),
            profile_category("many", RNG.integers(0, 30, 2_000).astype(float), MANY),
            profile_number("prediction", RNG.normal(size=2_000)),
        ],
    )


PROFILE = _profile()
COUNTER = BinCounter(PROFILE)
NUMBERS = st.floats(allow_subnormal=False) | st.sampled_from([7.0, 1.0, np.nextafter(7.0, 8), -0.0])
CODES = st.sampled_from([-1.0, np.nan, *map(float, range(40))])
ROWS = st.integers(0, 30).flatmap(
    lambda count: st.tuples(*[arrays.arrays(np.float64, count, elements=part) for part in [NUMBERS] * 4 + [CODES] * 2])
)


@settings(deadline=None, max_examples=200)
@given(ROWS, st.data())
def test_the_same_bins_as_the_profile(columns: tuple[Values, ...], data: st.DataObject) -> None:
    count = len(columns[0])
    predictions = data.draw(arrays.arrays(np.float64, count, elements=NUMBERS))
    expected = [column.count(part) for column, part in zip(PROFILE.columns, [*columns, predictions], strict=True)]
    counted = COUNTER.count(np.stack(columns, axis=1), predictions)
    assert counted.tolist() == np.concatenate(expected).tolist()
    assert by_column(PROFILE, counted) == [part.tolist() for part in expected]


def test_every_bin_has_its_name() -> None:
    labels = labels_of(PROFILE)
    assert len(labels) == COUNTER.bins == len(set(labels))
    assert labels[-1] == ("prediction", "missing")


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of 6 features are counted here, not of 2"):
        COUNTER.count(np.zeros((3, 2)), np.zeros(3))


def test_bins_with_equal_labels_are_told_apart() -> None:
    """A level called like a bin that is no level, and bounds that are equal in six digits."""
    levels = profile_category("kind", np.repeat([0.0, 1.0, 2.0], [5, 3, 2]), ["other", "house", "missing"])
    stamps = profile_number("stamp", 1.4e9 + np.arange(100.0))
    labels = labels_of(Profile(rows=10, columns=[levels, stamps]))
    assert len(labels) == len(set(labels)) == len(levels.labels) + len(stamps.labels)
    assert [label for name, label in labels if name == "kind"] == [
        *("other", "house", "missing", "other #2", "never_seen", "missing #2"),
    ]
