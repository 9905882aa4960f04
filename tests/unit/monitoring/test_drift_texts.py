"""A drift alarm in plain words."""

from __future__ import annotations

import numpy as np

from monitoring.alarms import MovedBin, MovedFeature
from monitoring.drift_texts import MOST_BINS, cleared_text, moment, moved_bins, ringing_text


def feature(name: str) -> MovedFeature:
    """A feature with one moved bin."""
    return MovedFeature(name=name, evidence=4.0, bins=[MovedBin(label="missing", reference=0.0, live=0.051)])


def test_the_bins_that_moved_most_are_told_first() -> None:
    bins = moved_bins(["a", "b", "c", "d"], np.array([0.4, 0.3, 0.2, 0.1]), np.array([10, 31, 20, 39]))
    assert [(one.label, one.live) for one in bins] == [("a", 0.1), ("d", 0.39)]


def test_not_more_bins_are_told_than_a_person_reads() -> None:
    shares = np.full(40, 1 / 40)
    assert len(moved_bins([str(i) for i in range(40)], shares, np.arange(40))) == MOST_BINS


def test_no_rows_move_nothing_to_nan() -> None:
    assert all(one.live == 0 for one in moved_bins(["a", "b"], np.array([0.5, 0.5]), np.array([0, 0])))


def test_the_text_says_what_how_much_since_when_on_how_many_rows_and_what_to_do() -> None:
    text = ringing_text([feature("bathrooms")], 1234, 1_480_000_000.0)
    assert text.startswith(
        "Traffic differs from training on 1,234 rows since 2016-11-24 15:06 UTC: bathrooms (missing: 0.0% -> 5.1%)."
    )
    assert "train on newer data" in text


def test_bins_at_the_ends_read_as_words() -> None:
    labels = {
        "-inf to 275740": "below 275740",
        "1e+06 to inf": "1e+06 and more",
        "3 to 5": "3 to 5",
        "never_seen": "never seen",
    }
    for label, words in labels.items():
        moved = MovedFeature(name="x", evidence=4.0, bins=[MovedBin(label=label, reference=0.1, live=0.2)])
        assert f"x ({words}: 10.0% -> 20.0%)" in ringing_text([moved], 1, 0.0)


def test_of_many_features_the_clearest_are_described() -> None:
    text = ringing_text([feature(f"f{i}") for i in range(7)], 1, 0.0)
    assert "f4" in text
    assert "f5" not in text
    assert "and 2 more features" in text


def test_a_cleared_alarm_says_when_and_what_it_was() -> None:
    text = cleared_text("Inputs differ.", 0.0)
    assert text.startswith("Over since 1970-01-01 00:00 UTC")
    assert text.endswith("It was: Inputs differ.")


def test_moments_are_in_utc() -> None:
    assert moment(86_400.0) == "1970-01-02 00:00 UTC"
