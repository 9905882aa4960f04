"""The breaker opens after failures in a row, lets one try after a while, and says so once."""

from __future__ import annotations

import logging

import pytest

from serving.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker
from tests.unit.serving.test_cache import Clock


@pytest.fixture
def clock() -> Clock:
    """Stands still until a test moves it."""
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker("the thing", clock)
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.allows()
        breaker.failed("Broken")
    return breaker


def test_it_opens_after_failures_in_a_row_only(clock: Clock) -> None:
    breaker = Breaker("the thing", clock)
    for _ in range(5):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.failed("Broken")
        breaker.succeeded()
    assert breaker.closed
    assert breaker.allows()


def test_open_it_keeps_everyone_away(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_SECONDS * 0.99
    assert not opened.closed
    assert not any(opened.allows() for _ in range(10))


def test_then_one_may_try_and_its_success_closes_it(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_SECONDS
    assert [opened.allows() for _ in range(4)] == [True, False, False, False]
    opened.succeeded()
    assert [opened.allows() for _ in range(4)] == [True] * 4


def test_its_failure_keeps_it_open_for_as_long_again(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_SECONDS
    assert opened.allows()
    opened.failed("Broken")
    assert not opened.allows()
    clock.now += OPEN_SECONDS
    assert [opened.allows(), opened.allows()] == [True, False]


def test_after_it_closed_it_counts_anew(opened: Breaker, clock: Clock) -> None:
    clock.now += OPEN_SECONDS
    assert opened.allows()
    opened.succeeded()
    opened.failed("Broken")
    assert opened.allows()


def test_it_logs_each_change_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    breaker = Breaker("the thing", clock)
    for _ in range(50):
        clock.now += OPEN_SECONDS
        breaker.allows()
        breaker.failed("Broken")
    for _ in range(50):
        breaker.succeeded()
    assert caplog.messages == [
        "the thing fails (Broken) and is left alone until it works again",
        "the thing works again",
    ]
