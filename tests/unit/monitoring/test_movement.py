"""Movement by chance, for want of rows, and over time within the reference."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.movement import (
    SMALLEST_BLOCK,
    block_numbers,
    movement_by_choice,
    movement_over_time,
    reference_shares,
    sampling_movement,
    unsure_share,
)


def test_no_bin_of_a_reference_is_impossible() -> None:
    shares = reference_shares(np.array([10, 0, 5]))
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()


@pytest.mark.parametrize("shares", [[0.1] * 10, [0.5, 0.5], [0.9, 0.1], [0.7, 0.2, 0.05, 0.05]])
def test_sampling_moves_shares_as_far_as_samples_do(shares: list[float]) -> None:
    samples = np.random.default_rng(0).multinomial(1000, shares, size=3000) / 1000
    moved = 0.5 * np.abs(samples - shares).sum(axis=1)
    mean, deviation = sampling_movement(np.array(shares), 1000)
    assert mean == pytest.approx(moved.mean(), rel=0.03)
    assert deviation == pytest.approx(moved.std(), rel=0.06)


def test_fewer_rows_leave_more_unsure_and_none_leaves_everything() -> None:
    unsure = [unsure_share(np.full(10, rows)) for rows in (1000, 100, 10, 1)]
    assert unsure == sorted(unsure)
    assert unsure_share(np.zeros(10, np.int64)) == 1


@pytest.mark.parametrize("rows", [0, 29, 1999, 20_000, 40_000, 700_000])
def test_a_reference_that_stays_has_no_movement(rows: int) -> None:
    assert movement_over_time(np.random.default_rng(rows).integers(0, 10, rows), 10) == 0


def test_a_slow_change_is_measured() -> None:
    rng = np.random.default_rng(0)
    early, late = rng.integers(0, 10, 10_000), rng.choice(10, 10_000, p=[0.2, 0, *[0.1] * 8])
    moved = movement_over_time(np.concatenate([early, late]), 10)
    assert moved == pytest.approx(0.05, abs=0.02)  # each half is 5 % from the whole


def test_a_cycle_is_measured() -> None:
    rng, rows = np.random.default_rng(0), 32 * SMALLEST_BLOCK * 2
    night = (np.arange(rows) // (2 * SMALLEST_BLOCK)) % 2 == 1
    bins = np.where(night & (rng.random(rows) < 0.2), 0, rng.integers(0, 10, rows))
    assert movement_over_time(bins, 10) > 0.07


@pytest.mark.parametrize("days", [20, 90, 365])
def test_a_cycle_is_measured_however_often_it_came(days: int) -> None:
    rng, rows = np.random.default_rng(0), days * 2 * SMALLEST_BLOCK
    night = np.arange(rows) % (2 * SMALLEST_BLOCK) < SMALLEST_BLOCK
    bins = np.where(night & (rng.random(rows) < 0.25), 0, rng.integers(0, 10, rows))
    assert movement_over_time(bins, 10) > 0.07


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [(0, []), (1999, []), (2000, [4]), (20_000, [4, 16, 40]), (500_000, [4, 16, 64, 256, 1000])],
)
def test_the_finest_parts_are_always_as_small_as_may_be(rows: int, numbers: list[int]) -> None:
    assert list(block_numbers(rows)) == numbers


def test_a_column_that_only_grows_moves_almost_wholly() -> None:
    assert movement_over_time(np.arange(20_000) // 2000, 10) > 0.7


@pytest.mark.parametrize(("levels", "rows"), [(1800, 3600), (300, 5000), (45, 4700)])
def test_levels_that_are_frequent_by_luck_are_not_believed(levels: int, rows: int) -> None:
    for seed in range(20):
        codes = np.random.default_rng(seed).integers(0, levels, rows)
        luck = np.sort(np.bincount(codes, minlength=levels))[-20:].sum() / rows - 20 / levels
        assert 0.8 * luck < movement_by_choice(codes, levels, 20) < 2 * luck


def test_levels_that_are_truly_frequent_owe_next_to_nothing_to_luck() -> None:
    shares = np.append(np.full(20, 0.045), np.full(80, 0.1 / 80))
    codes = np.random.default_rng(0).choice(100, 20_000, p=shares)
    assert movement_by_choice(codes, 100, 20) < 0.01


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_hardly_any_rows_show_no_choice(rows: int) -> None:
    assert 0 <= movement_by_choice(np.arange(rows), 30, 20) <= 2


def test_few_levels_are_all_listed_and_nothing_is_chosen() -> None:
    assert movement_by_choice(np.random.default_rng(0).integers(0, 20, 1000), 20, 20) == 0
