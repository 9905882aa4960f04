"""How many rows count as one: one of independent rows, whatever they do; a run's length of rows in runs."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.dispersion import Dispersion, DispersionState, normal_scores
from monitoring.profile import Profile, profile_number
from tests.unit.monitoring.streams import REFERENCE_ROWS, Counts, columns, counted, profile_of

PROFILE = profile_of(*columns(REFERENCE_ROWS, seed=0))
SCORES = [normal_scores(column) for column in PROFILE.columns]


def measured(*streams: list[Counts]) -> Dispersion:
    """After these looks."""
    dispersion = Dispersion(SCORES)
    for stream in streams:
        for grown in stream:
            dispersion.add(grown)
    return dispersion


def looks(rows: int, seed: int, **drift: float) -> list[Counts]:
    """Flat counts of a hundred independent rows each."""
    return list(counted(PROFILE, *columns(rows, seed, **drift)))


def in_runs(rows: int, seed: int, run: int) -> list[Counts]:
    """The same where each row comes `run` times."""
    numbers, category = columns(rows // run, seed)
    repeated = {name: values.repeat(run) for name, values in numbers.items()}
    return list(counted(PROFILE, repeated, category.repeat(run)))


@pytest.mark.parametrize("seed", range(10))
def test_independent_rows_count_as_they_are(seed: int) -> None:
    dispersion = Dispersion(SCORES)
    for grown in looks(30_000, seed):
        dispersion.add(grown)
        assert dispersion.factors.max() < 1.3
    assert (dispersion.factors == 1).all()


@pytest.mark.parametrize("run", [4, 10, 25])
def test_of_rows_in_runs_a_run_counts_as_one(run: int) -> None:
    assert measured(in_runs(30_000, 0, run)).factors == pytest.approx(np.full(3, run), rel=0.25)


def test_a_series_in_time_counts_as_often_as_its_mean_varies() -> None:
    numbers, category = columns(100_000, 0)
    kept = 0.9
    series, noise = np.zeros(100_000), np.random.default_rng(0).normal(size=100_000)
    for at in range(1, len(series)):
        series[at] = kept * series[at - 1] + noise[at] * np.sqrt(1 - kept**2)
    found = measured(list(counted(PROFILE, {**numbers, "first": series}, category))).factors
    assert found[0] == pytest.approx((1 + kept) / (1 - kept), rel=0.3)
    assert (found[1:] == 1).all()


def test_a_change_is_not_taken_for_runs() -> None:
    quiet, moved = looks(10_000, 0), looks(10_000, 1, shift=0.5, missing=0.1, moved=0.08)
    assert (measured(quiet, moved).factors == 1).all()


def test_a_constant_that_becomes_another_is_not_taken_for_runs() -> None:
    profile = Profile(rows=1000, columns=[profile_number("constant", np.full(1000, 3.0))])
    dispersion = Dispersion([normal_scores(profile.columns[0])])
    for value in [3.0] * 20 + [4.0] * 20:
        dispersion.add(profile.columns[0].count(np.full(100, value)))
        assert (dispersion.factors == 1).all()


def test_a_slow_slide_is_not_taken_for_runs() -> None:
    slide = [looks(100, seed, shift=seed / 200)[0] for seed in range(200)]
    assert (measured(slide).factors == 1).all()


def test_runs_are_forgotten_when_they_are_over() -> None:
    assert (measured(in_runs(10_000, 0, 10), looks(200_000, 1)).factors == 1).all()


def test_looks_of_different_size_are_compared_fairly() -> None:
    rng = np.random.default_rng(0)
    whole = looks(60_000, 0)
    cuts = np.sort(rng.choice(len(whole), 100, replace=False))
    merged = [sum(part) for part in np.split(np.array(whole), cuts) if len(part)]
    assert (measured([np.asarray(part) for part in merged]).factors == 1).all()


@pytest.mark.parametrize("step", [1, 2, 5])
def test_looks_of_hardly_any_rows_find_no_runs_where_there_are_none(step: int) -> None:
    assert (measured(list(counted(PROFILE, *columns(3000, 0), step=step))).factors == 1).all()


def test_nothing_is_known_at_first_and_a_column_without_rows_says_nothing() -> None:
    nothing = np.zeros_like(looks(100, 0)[0])
    assert (measured([]).factors == 1).all()
    assert (measured([nothing, nothing, looks(100, 0)[0], nothing]).factors == 1).all()


def test_a_look_is_judged_by_what_was_measured_before_it() -> None:
    whole = in_runs(10_000, 0, 25)
    dispersion = measured(whole[:4])  # two of their three pairs are set aside, the last is not compared yet
    assert (dispersion.factors == 1).all()
    dispersion.add(whole[4])
    assert dispersion.factors.max() > 4


def test_saved_and_restored_it_goes_on_exactly() -> None:
    one, other = measured(in_runs(5000, 0, 10)), Dispersion(SCORES)
    other.restore(DispersionState.model_validate_json(one.save().model_dump_json()))
    for grown in looks(1000, 1):
        one.add(grown)
        other.add(grown)
    assert other.save() == one.save()


@pytest.mark.parametrize(
    "damage",
    [{"last": [1]}, {"varied": [[[1.0, 0.0, 0.0]]]}, {"varied": [[[1.0], []]]}, {"freedom": [[[-1.0] * 3] * 2] * 3}],
)
def test_damaged_state_is_refused(damage: dict[str, list[object]]) -> None:
    state = measured(looks(500, 0)).save().model_copy(update=damage)
    with pytest.raises(ValueError, match=r"dispersion|inhomogeneous"):
        Dispersion(SCORES).restore(state)
