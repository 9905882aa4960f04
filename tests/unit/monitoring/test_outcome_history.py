"""Outcomes over time: figures of what came between samples, bounded in size, over restarts and resets."""

from __future__ import annotations

import math

import pytest

from monitoring.outcome_history import OutcomeHistory, OutcomeTotals

EDGES = [-0.1, 0.0, 0.1]
HOUR = 3600.0


def totals(low: int, high: int, inside: int = 0) -> OutcomeTotals:
    """Outcomes with errors between -0.1 and 0, and between 0 and 0.1."""
    every = low + high
    return OutcomeTotals(
        outcomes=every, with_interval=every, inside=inside, error_ppm=every * 50_000, error_counts=(0, low, high, 0)
    )


def test_a_point_has_the_figures_of_the_outcomes_since_the_last_sample() -> None:
    history = OutcomeHistory(EDGES, least=10)
    history.look(0, totals(100, 0, inside=100))
    history.look(HOUR, totals(100, 20, inside=115))
    (point,) = history.points
    assert (point.at, point.outcomes) == (HOUR, 20)
    assert point.bias == pytest.approx(0.05)
    assert point.mean_error == pytest.approx(0.05)
    assert point.coverage == pytest.approx(0.75)


def test_a_point_waits_for_enough_outcomes_and_enough_time() -> None:
    history = OutcomeHistory(EDGES, least=10)
    history.look(0, totals(0, 0))
    for at, rows in ((HOUR, 9), (HOUR + 1, 50), (HOUR + 2, 99)):
        history.look(at, totals(rows, 0))
    assert [(point.at, point.outcomes) for point in history.points] == [(HOUR + 1, 50)]


def test_a_long_history_stays_bounded_covers_all_and_loses_no_outcome() -> None:
    history = OutcomeHistory(EDGES, least=1, points=8)
    for hour in range(1001):
        history.look(hour * HOUR, totals(hour * 3, hour))
    spans = [later.at - earlier.at for earlier, later in zip(history.points, history.points[1:], strict=False)]
    assert 4 <= len(history.points) <= 8
    assert sum(point.outcomes for point in history.points) >= 4 * 1001 * 0.85  # the newest span is not yet full
    assert min(spans) > 0.2 * max(spans)


@pytest.mark.parametrize("fallen", [totals(5, 0), totals(40, 30)])
def test_counts_that_fell_begin_a_new_history(fallen: OutcomeTotals) -> None:
    history = OutcomeHistory(EDGES, least=1)
    history.look(0, totals(0, 0))
    history.look(HOUR, totals(50, 0))
    history.look(2 * HOUR, fallen)
    assert history.points == []


def test_a_clock_that_goes_back_or_is_no_number_adds_nothing() -> None:
    history = OutcomeHistory(EDGES, least=1)
    history.look(10 * HOUR, totals(0, 0))
    for now in (math.nan, math.inf, 0.0):
        history.look(now, totals(50, 0))
    assert history.points == []
    history.look(11 * HOUR, totals(60, 0))
    assert [point.outcomes for point in history.points] == [60]


def test_a_history_survives_a_restart() -> None:
    history = OutcomeHistory(EDGES, least=1)
    for hour in range(5):
        history.look(hour * HOUR, totals(hour, hour * 2))
    again = OutcomeHistory(EDGES, least=1)
    assert again.restore(history.to_json())
    assert again.points == history.points
    again.look(5 * HOUR, totals(5, 10))
    assert len(again.points) == 5


@pytest.mark.parametrize("saved", ["", "{}", "[1]", '{"step_seconds": NaN, "samples": []}', "\x00"])
def test_damaged_state_changes_nothing(saved: str) -> None:
    history = OutcomeHistory(EDGES, least=1)
    history.look(0, totals(0, 0))
    history.look(HOUR, totals(9, 0))
    before = history.points
    assert not history.restore(saved)
    assert history.points == before


def test_state_with_other_bins_is_refused() -> None:
    history = OutcomeHistory(EDGES, least=1)
    history.look(0, totals(0, 0))
    assert not OutcomeHistory([0.0]).restore(history.to_json())


def test_error_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 error bins do not fit 3 edges"):
        OutcomeHistory(EDGES).look(0, OutcomeTotals(outcomes=1, error_counts=(1, 0)))


def test_without_outcomes_there_are_no_figures() -> None:
    nothing = totals(0, 0)
    assert (nothing.bias(EDGES), nothing.mean_error, nothing.coverage) == (None, None, None)
    assert OutcomeTotals(outcomes=0).bias([]) is None


def test_errors_beyond_the_bins_count_as_the_last_edge() -> None:
    assert OutcomeTotals(outcomes=3, error_counts=(3, 0, 0, 0)).bias(EDGES) == -0.1
    assert OutcomeTotals(outcomes=3, error_counts=(0, 0, 0, 3)).bias(EDGES) == 0.1
