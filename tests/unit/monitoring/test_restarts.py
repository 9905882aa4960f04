"""Restarts: about two for every doubling of age, with what was counted since each."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.restarts import OLDEST, Restarts, RestartsState


def after(looks: int) -> Restarts:
    """Restarts after so many looks of one row each."""
    restarts = Restarts(2)
    for look in range(1, looks + 1):
        restarts.add(np.array([look, 1]), look, float(look))
    return restarts


@pytest.mark.parametrize("looks", [1, 2, 3, 10, 1000])
def test_each_has_what_was_counted_since_it_began(looks: int) -> None:
    restarts = after(looks)
    for look, started, counts in zip(restarts.looks, restarts.started, restarts.counts, strict=True):
        assert started == look
        assert counts.tolist() == [sum(range(look, looks + 1)), looks - look + 1]


def test_the_youngest_and_the_oldest_are_kept_and_two_for_each_doubling() -> None:
    restarts = after(1000)
    ages = 1001 - restarts.looks
    assert ages[-1] == 1
    assert ages[0] > 700
    assert len(ages) <= 2 * np.log2(1000) + 1
    assert (ages[:-1] / ages[1:]).max() < 2.1


def test_one_that_is_too_old_is_given_up() -> None:
    restarts = Restarts(1)
    restarts.add(np.array([1]), 1, 0.0)
    restarts.add(np.array([1]), OLDEST + 1, 0.0)
    assert restarts.looks.tolist() == [OLDEST + 1]


def test_saved_ones_go_on_as_they_were() -> None:
    restarts, other = after(50), Restarts(2)
    other.restore(RestartsState.model_validate_json(restarts.save().model_dump_json()))
    for one in (restarts, other):
        one.add(np.array([3, 4]), 51, 51.0)
    assert other.save() == restarts.save()


def test_none_can_be_saved_and_restored() -> None:
    other = Restarts(3)
    other.restore(Restarts(3).save())
    assert other.counts.shape == (0, 3)
