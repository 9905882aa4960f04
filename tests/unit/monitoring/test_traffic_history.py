"""The traffic history: differences of totals, none of them negative, the oldest forgotten."""

from __future__ import annotations

import pytest

from monitoring.snapshot import HISTORY_POINTS
from monitoring.traffic_history import TrafficHistory, TrafficTotals

BOUNDS = [0.001, 0.01]


def totals(rows: int, errors: int = 0, fast: int = 0, slow: int = 0) -> TrafficTotals:
    """Totals of one version."""
    return TrafficTotals(rows={"a": rows}, errors=errors, latency=[fast, slow, 0])


def test_a_point_says_what_happened_between_two_looks() -> None:
    history = TrafficHistory(BOUNDS)
    history.look(100, totals(50, 1, fast=9))
    history.look(110, totals(80, 3, fast=9, slow=10))
    (point,) = history.points
    assert (point.at, point.seconds, point.rows, point.errors) == (110, 10, {"a": 30}, 2)
    assert point.p50 == pytest.approx(0.0055)  # the fast ones were before


def test_looks_that_come_too_soon_add_nothing_and_lose_nothing() -> None:
    history = TrafficHistory(BOUNDS)
    for second in range(21):
        history.look(second, totals(second))
    assert [point.rows["a"] for point in history.points] == [10, 10]


@pytest.mark.parametrize("later", [totals(10), totals(60, errors=0), totals(60, 5, fast=1)])
def test_counters_that_fell_begin_a_new_span(later: TrafficTotals) -> None:
    history = TrafficHistory(BOUNDS)
    history.look(0, totals(50, 5, fast=9))
    history.look(10, later)
    assert history.points == []
    history.look(20, TrafficTotals(rows={"a": later.rows["a"] + 7}, errors=later.errors, latency=later.latency))
    assert [point.rows for point in history.points] == [{"a": 7}]


def test_a_clock_that_went_back_begins_a_new_span() -> None:
    history = TrafficHistory(BOUNDS)
    for at, rows in ((1000, 5), (500, 6), (510, 8)):
        history.look(at, totals(rows))
    assert [(point.at, point.rows["a"]) for point in history.points] == [(510, 2)]


def test_a_version_that_came_in_between_counts_from_nothing_and_one_that_left_is_gone() -> None:
    history = TrafficHistory(BOUNDS)
    history.look(0, totals(50))
    history.look(10, TrafficTotals(rows={"b": 4}, errors=0, latency=[0, 0, 0]))
    assert history.points[0].rows == {"b": 4}
    assert history.points[0].p99 is None


def test_the_oldest_points_are_forgotten() -> None:
    history = TrafficHistory(BOUNDS)
    for look in range(HISTORY_POINTS + 5):
        history.look(look * 10.0, totals(look))
    assert len(history.points) == HISTORY_POINTS
    assert history.points[-1].at == (HISTORY_POINTS + 4) * 10.0
