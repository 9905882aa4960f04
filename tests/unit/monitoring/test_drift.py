"""The drift monitor: quiet without drift, quick with it, exact over workers and restarts, and hard to break."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from monitoring.contract import Contract
from monitoring.drift import LATEST, DriftMonitor, StateRefused
from monitoring.layout import BadIncrements
from monitoring.profile import Profile, profile_category, profile_number
from tests.unit.monitoring.streams import LEVELS, REFERENCE_ROWS, Counts, columns, counted, play, profile_of

PROFILE = profile_of(*columns(REFERENCE_ROWS, seed=0))
BINS = sum(len(column.labels) for column in PROFILE.columns)
NONE = np.zeros(BINS, np.int64)


def monitor(profile: Profile = PROFILE, contract: Contract | None = None) -> DriftMonitor:
    """A monitor that has seen nothing."""
    return DriftMonitor("20160930-abc", profile, contract or Contract())


def stream(rows: int, seed: int, **drift: float) -> list[Counts]:
    """Flat counts of a hundred rows each, in the bins of PROFILE."""
    return list(counted(PROFILE, *columns(rows, seed, **drift)))


def finite(watched: DriftMonitor) -> bool:
    """Whether every figure is a number, also as JSON."""
    figures = [watched.evidence, watched.line, *watched.feature_evidence.values()]
    assert "NaN" not in watched.to_json()
    return bool(np.isfinite(figures).all())


@pytest.mark.parametrize("seed", range(1, 6))
def test_rows_as_in_training_ring_nothing(seed: int) -> None:
    profile = profile_of(*columns(REFERENCE_ROWS, seed=100 + seed))
    watched = monitor(profile)
    assert play(watched, counted(profile, *columns(20_000, seed))) == []
    assert watched.ringing is None
    assert watched.evidence < watched.line


@pytest.mark.parametrize(
    ("drift", "feature", "rows"),
    [
        ({"shift": 0.5}, "first", 500),
        ({"shift": -0.25}, "first", 2500),
        ({"missing": 0.05}, "second", 2000),
        ({"moved": 0.05}, "category", 9000),
    ],
)
def test_drift_is_found_named_and_dated(drift: dict[str, float], feature: str, rows: int) -> None:
    for seed in (1, 2, 3):
        watched = monitor()
        assert play(watched, stream(3000, seed)) == []
        (alarm,) = play(watched, stream(rows, seed + 10, **drift), start=3000.0)
        assert (alarm.state, alarm.monitor, alarm.version) == ("ringing", "drift", "20160930-abc")
        assert [moved.name for moved in alarm.features] == [feature]
        assert 3000 < alarm.rang_at <= 3000 + rows
        assert abs(alarm.since - 3000) <= rows / 2
        assert 0 < alarm.rows <= alarm.rang_at
        assert feature in alarm.text


def test_the_alarm_names_the_bins_that_moved_with_their_shares() -> None:
    watched = monitor()
    play(watched, stream(6000, 1, moved=0.08))
    assert watched.ringing is not None
    (moved,) = watched.ringing.features
    shares = {one.label: (one.reference, one.live) for one in moved.bins}
    assert set(shares) >= {"level 0", "level 4"}
    assert shares["level 0"][1] < shares["level 0"][0] < shares["level 4"][1]
    assert "level 4" in watched.ringing.text


def test_missing_values_are_found_in_their_own_bin() -> None:
    watched = monitor()
    play(watched, stream(3000, 1, missing=0.1))
    assert watched.ringing is not None
    assert watched.ringing.features[0].bins[0].label == "missing"


def test_an_alarm_goes_on_while_the_drift_does_and_clears_once_when_it_is_gone() -> None:
    watched = monitor()
    assert [alarm.state for alarm in play(watched, stream(10_000, 1, shift=0.3))] == ["ringing"]
    assert watched.ringing is not None
    rang = watched.ringing
    assert rang.rows > 8000
    (cleared,) = play(watched, stream(5000, 2), start=10_000.0)
    assert (cleared.state, cleared.rang_at, cleared.since) == ("cleared", rang.rang_at, rang.since)
    assert cleared.cleared_at is not None
    assert 10_000 < cleared.cleared_at <= 13_000
    assert cleared.text.startswith("Over since 1970-01-01")
    assert rang.features[0].name == cleared.features[0].name
    assert watched.evidence < watched.line / 2


def test_an_alarm_can_ring_again() -> None:
    watched = monitor()
    parts = [stream(3000, 1, shift=0.5), stream(3000, 2), stream(3000, 3, shift=0.5)]
    assert [alarm.state for part in parts for alarm in play(watched, part)] == ["ringing", "cleared", "ringing"]


def test_a_feature_that_moves_later_joins_the_alarm() -> None:
    watched = monitor()
    play(watched, stream(3000, 1, shift=0.5))
    assert watched.ringing is not None
    assert [moved.name for moved in watched.ringing.features] == ["first"]
    assert play(watched, stream(4000, 2, shift=0.5, missing=0.1)) == []
    assert {moved.name for moved in watched.ringing.features} == {"first", "second"}


def test_a_feature_that_comes_back_leaves_the_alarm_to_the_others() -> None:
    watched = monitor()
    play(watched, stream(4000, 1, shift=0.5, missing=0.1))
    assert play(watched, stream(3000, 2, missing=0.1)) == []
    assert watched.ringing is not None
    assert [moved.name for moved in watched.ringing.features] == ["second"]


def test_movement_that_may_be_ignored_rings_nothing() -> None:
    watched = monitor(contract=Contract(ignore_below=0.1))
    assert play(watched, stream(20_000, 1, moved=0.05, missing=0.05)) == []


def test_movement_within_the_reference_is_ignored_too() -> None:
    assert monitor().ignored == {"first": 0.02, "second": 0.02, "category": 0.02}
    moving = [column.model_copy(update={"movement": 0.08}) for column in PROFILE.columns]
    watched = monitor(Profile(rows=PROFILE.rows, columns=moving))
    assert set(watched.ignored.values()) == {0.08}
    assert play(watched, stream(10_000, 1, moved=0.05)) == []


def test_missing_values_ring_and_clear_however_much_the_values_move() -> None:
    moving = [column.model_copy(update={"movement": 0.3}) for column in PROFILE.columns]
    watched = monitor(Profile(rows=PROFILE.rows, columns=moving))
    assert [alarm.state for alarm in play(watched, stream(8000, 1, missing=0.06))] == ["ringing"]
    assert watched.ringing is not None
    assert [moved.name for moved in watched.ringing.features] == ["second"]
    assert watched.ringing.features[0].bins[0].label == "missing"
    again = monitor(Profile(rows=PROFILE.rows, columns=moving))
    again.restore(watched.to_json())
    assert again.to_json() == watched.to_json()
    assert [alarm.state for alarm in play(watched, stream(3000, 2))] == ["cleared"]


def test_a_column_that_follows_time_is_not_watched() -> None:
    days = np.arange(20_000.0)
    watched = monitor(Profile(rows=20_000, columns=[profile_number("day", days)]))
    assert watched.ignored == {"day": 1.0}
    grown = watched_counts(Profile(rows=20_000, columns=[profile_number("day", days)]), days + 20_000)
    assert play(watched, [grown] * 100) == []


def watched_counts(profile: Profile, values: np.typing.NDArray[np.float64]) -> Counts:
    """Flat counts of a single column."""
    return profile.columns[0].count(values[:100])


def test_two_workers_give_the_same_evidence_as_one() -> None:
    whole = stream(4000, 1, shift=0.2)
    rng = np.random.default_rng(0)
    first = [rng.binomial(grown, 0.3).astype(np.int64) for grown in whole]
    second = [grown - part for grown, part in zip(whole, first, strict=True)]
    one, two = monitor(), monitor()
    play(one, whole)
    play(two, [a + b for a, b in zip(first, second, strict=True)])
    assert two.to_json() == one.to_json()
    assert two.feature_evidence == one.feature_evidence


def test_rows_wait_until_there_are_enough_for_a_look() -> None:
    whole = stream(3000, 1, shift=0.5)
    one, parts = monitor(), monitor()
    play(one, whole)
    for number, grown in enumerate(whole):
        half = grown // 2
        assert parts.look(half, number * 100.0 + 50) is None
        parts.look(grown - half, number * 100.0 + 100)
    assert parts.feature_evidence == pytest.approx(one.feature_evidence)
    assert (parts.ringing is None) == (one.ringing is None)


def test_a_change_after_a_quiet_night_is_not_dated_before_it() -> None:
    watched = monitor()
    play(watched, stream(1000, 1))
    watched.look(NONE, 50_000.0)
    (alarm,) = play(watched, stream(2000, 2, shift=1.0), start=50_000.0)
    assert alarm.since == 50_000


def test_many_rows_at_once_are_one_look() -> None:
    watched = monitor()
    alarm = watched.look(sum(stream(5000, 1, shift=0.5), NONE), 5.0)
    assert alarm is not None
    assert alarm.rows == 5000


def test_increments_may_be_given_column_by_column() -> None:
    flat, parts = monitor(), monitor()
    ends = np.cumsum([len(column.labels) for column in PROFILE.columns])[:-1]
    for number, grown in enumerate(stream(3000, 1, shift=0.3)):
        flat.look(grown, number)
        parts.look(np.split(grown, ends), number)
    assert flat.to_json() == parts.to_json()


@pytest.mark.parametrize("stop", [0, 3, 12, 30, 45])
def test_saved_and_restored_it_goes_on_exactly(stop: int) -> None:
    whole = [*stream(1000, 1), *stream(2500, 2, shift=0.5), *stream(1500, 3)]
    one, other = monitor(), monitor()
    play(one, whole[:stop])
    one.look(whole[0] // 3, stop * 100.0)  # some rows wait
    other.restore(one.to_json())
    assert other.to_json() == one.to_json()
    assert (other.evidence, other.feature_evidence) == (one.evidence, one.feature_evidence)
    assert play(one, whole[stop:], stop * 100.0) == play(other, whole[stop:], stop * 100.0)
    assert other.to_json() == one.to_json()
    assert other.ringing == one.ringing


def test_state_of_another_version_or_profile_is_refused() -> None:
    watched = monitor()
    play(watched, stream(500, 1))
    saved = watched.to_json()
    with pytest.raises(StateRefused, match="20160930-abc"):
        DriftMonitor("other", PROFILE, Contract()).restore(saved)
    foreign = profile_of(*columns(REFERENCE_ROWS, seed=1))
    with pytest.raises(StateRefused, match="another profile"):
        monitor(foreign).restore(saved)
    fewer = monitor(Profile(rows=1, columns=PROFILE.columns[:1]))
    with pytest.raises(StateRefused, match="another profile"):
        fewer.restore(saved)


def test_state_may_go_on_under_another_contract() -> None:
    watched = monitor()
    play(watched, stream(2000, 1))
    other = monitor(contract=Contract(ignore_below=0.05, false_alarm_days=90))
    other.restore(watched.to_json())
    assert play(other, stream(2000, 2, shift=0.5))[0].state == "ringing"


def without_a_column(state: dict[str, object]) -> None:
    """A state that lost a column."""
    state["forgotten"] = [0]


def shrunken_waiting(state: dict[str, object]) -> None:
    """A state whose waiting rows are of another shape."""
    state["waiting"] = [1]


def odd_restarts(state: dict[str, object]) -> None:
    """A state whose restarts do not fit each other."""
    state["restarts"] = {"looks": [1], "started": [], "counts": []}


def negative_restarts(state: dict[str, object]) -> None:
    """A state with negative counts."""
    state["restarts"] = {"looks": [1], "started": [0.0], "counts": [[-1] * BINS]}


def foreign_column(state: dict[str, object]) -> None:
    """A state in which a column moved that there is not."""
    state["moved"] = [{"column": 9, "part": 9, "counts": [1], "quiet": [1], "evidence": 1.0, "most": 1.0, "held": 1.0}]


def unfit_column(state: dict[str, object]) -> None:
    """A state in which a column moved that has other bins."""
    state["moved"] = [{"column": 0, "part": 0, "counts": [1], "quiet": [1], "evidence": 1.0, "most": 1.0, "held": 1.0}]


def odd_dispersion(state: dict[str, object]) -> None:
    """A state whose dispersion is of other columns."""
    state["dispersion"] = {"before": [], "last": [], "varied": [], "freedom": []}


@pytest.mark.parametrize(
    "damage",
    [odd_dispersion, without_a_column, shrunken_waiting, odd_restarts, negative_restarts, foreign_column, unfit_column],
)
def test_damaged_state_is_refused_and_changes_nothing(damage: Callable[[dict[str, object]], None]) -> None:
    watched = monitor()
    play(watched, stream(500, 1))
    before = watched.to_json()
    state = json.loads(before)
    damage(state)
    with pytest.raises(StateRefused, match="damaged"):
        watched.restore(json.dumps(state))
    assert watched.to_json() == before


@pytest.mark.parametrize("saved", ["", "{}", "null", "[1", b"\xff", '{"version": 1e999}'])
def test_what_is_no_state_is_refused(saved: str | bytes) -> None:
    with pytest.raises(StateRefused, match="cannot be read"):
        monitor().restore(saved)


def test_no_rows_are_no_look() -> None:
    watched = monitor()
    for now in range(10):
        assert watched.look(NONE, now) is None
    assert watched.evidence == 0
    assert finite(watched)


def test_negative_increments_are_named_and_not_taken() -> None:
    watched = monitor()
    play(watched, stream(500, 1))
    before, bad = watched.to_json(), NONE.copy()
    bad[-1] = -3
    with pytest.raises(BadIncrements, match=r"'category' must be at least 0, not -3"):
        watched.look(bad, 1e9)
    assert watched.to_json() == before


@pytest.mark.parametrize(
    "increments",
    [NONE[:-1], np.zeros((2, BINS), np.int64), NONE.astype(float), [NONE], np.zeros(0, np.int64)],
)
def test_increments_of_another_shape_or_type_are_refused(increments: Counts) -> None:
    with pytest.raises(BadIncrements, match="increments"):
        monitor().look(increments, 0.0)


def test_a_clock_that_says_nonsense_stands_still() -> None:
    watched = monitor()
    for now, grown in zip(
        (5000.0, float("nan"), float("inf"), -5.0, LATEST * 10, 1e300), stream(600, 1, shift=0.6), strict=True
    ):
        watched.look(grown, now)
    assert watched.ringing is not None
    assert (watched.ringing.since, watched.ringing.rang_at) == (5000, 5000)
    assert finite(watched)


def test_a_clock_that_was_ahead_spoils_no_date_of_what_comes_later() -> None:
    watched, ahead = monitor(), 1e9
    play(watched, stream(3000, 1))
    watched.look(stream(100, 2)[0], ahead)
    (alarm,) = play(watched, stream(2000, 3, shift=0.6), start=3100.0)
    assert 3000 <= alarm.since <= alarm.rang_at <= 5100
    (cleared,) = play(watched, stream(3000, 4), start=5100.0)
    assert cleared.cleared_at is not None
    assert 5100 < cleared.cleared_at < 8200
    (again,) = play(watched, stream(2000, 5, shift=0.6), start=8100.0)
    assert again.rang_at > alarm.rang_at


def test_an_alarm_of_a_clock_that_was_ahead_clears_no_earlier_than_it_rang() -> None:
    watched, ahead = monitor(), 1e9
    play(watched, stream(2000, 1, shift=0.6), start=ahead)
    (cleared,) = play(watched, stream(3000, 2), start=5000.0)
    assert cleared.cleared_at == cleared.rang_at > ahead


def test_one_giant_value_moves_nothing() -> None:
    watched = monitor()
    numbers, category = columns(5000, 1)
    numbers["first"][7], numbers["second"][8] = 1e308, -np.inf
    assert play(watched, counted(PROFILE, numbers, category)) == []
    assert finite(watched)


def test_constant_features_and_heavy_ties_ring_nothing_until_they_change() -> None:
    rng = np.random.default_rng(0)
    ties = np.where(rng.random(5000) < 0.9, 0.0, rng.normal(size=5000))
    profile = Profile(
        rows=5000,
        columns=[
            profile_number("constant", np.full(5000, 3.0)),
            profile_number("absent", np.full(5000, np.nan)),
            profile_number("ties", ties),
            profile_category("only", np.zeros(5000), LEVELS),
        ],
    )
    watched = monitor(profile)
    live = np.where(rng.random(20_000) < 0.9, 0.0, rng.normal(size=20_000))

    def grown(start: int, constant: float) -> list[Counts]:
        values = [np.full(100, constant), np.full(100, np.nan), live[start : start + 100], np.zeros(100)]
        return [column.count(part) for column, part in zip(profile.columns, values, strict=True)]

    assert all(watched.look(grown(start, 3.0), start) is None for start in range(0, 15_000, 100))
    assert finite(watched)
    changes = [watched.look(grown(start, 4.0), start) for start in range(15_000, 20_000, 100)]
    (alarm,) = [change for change in changes if change is not None]
    assert [moved.name for moved in alarm.features] == ["constant"]


def test_a_hundred_levels_ring_nothing() -> None:
    rng, levels = np.random.default_rng(0), [str(number) for number in range(100)]
    shares = rng.dirichlet(np.full(100, 2.0))
    trained, live = (rng.choice(100, rows, p=shares).astype(float) for rows in (20_000, 20_000))
    profile = Profile(rows=20_000, columns=[profile_category("many", trained, levels)])
    watched = monitor(profile)
    assert play(watched, [profile.columns[0].count(live[start : start + 100]) for start in range(0, 20_000, 100)]) == []
    assert finite(watched)


def test_many_equally_rare_levels_ring_nothing() -> None:
    rng, levels = np.random.default_rng(0), [str(number) for number in range(1800)]
    trained, live = (rng.integers(0, 1800, rows).astype(float) for rows in (3600, 200_000))
    profile = Profile(rows=3600, columns=[profile_category("user", trained, levels)])
    watched = monitor(profile)
    step = 1000
    assert play(watched, [profile.columns[0].count(live[at : at + step]) for at in range(0, len(live), step)]) == []


@pytest.mark.parametrize("rows", [0, 1, 5, 29])
def test_a_tiny_reference_claims_nothing(rows: int) -> None:
    profile = profile_of(*columns(rows, seed=0)) if rows else empty_profile()
    watched = monitor(profile)
    assert min(watched.ignored.values()) > 0.2
    assert play(watched, counted(profile, *columns(5000, 1))) == []
    assert finite(watched)


def empty_profile() -> Profile:
    """A profile without rows."""
    return Profile(
        rows=0,
        columns=[column.model_copy(update={"counts": [0] * len(column.counts)}) for column in PROFILE.columns],
    )


def test_enormous_counts_stay_finite() -> None:
    watched = monitor()
    enormous = np.full(BINS, 10**14)
    assert watched.look(enormous, 1.0) is not None
    assert watched.look(enormous, 2.0) is None
    assert finite(watched)


def test_state_stays_small_however_long_it_runs() -> None:
    watched = monitor(contract=Contract(check_rows=1))
    grown = stream(100, 1)[0]
    for now in range(3000):
        watched.look(grown, now)
    assert len(watched.to_json()) < 20_000


def test_the_lines_of_all_and_of_one_feature_are_told() -> None:
    watched = monitor()
    assert watched.line == pytest.approx(np.log10(3000))
    assert watched.feature_line == pytest.approx(np.log10(9000))
    assert list(watched.feature_evidence) == ["first", "second", "category"]


def in_runs(rows: int, seed: int, run: int, **drift: float) -> list[Counts]:
    """The same as `stream` where each row comes `run` times."""
    numbers, category = columns(rows // run, seed, **drift)
    repeated = {name: values.repeat(run) for name, values in numbers.items()}
    return list(counted(PROFILE, repeated, category.repeat(run)))


@pytest.mark.parametrize("run", [5, 20])
def test_rows_that_come_in_runs_ring_nothing_once_it_is_known_that_they_do(run: int) -> None:
    watched = monitor()
    changes = play(watched, in_runs(5000, 1, run))
    assert all(alarm.rang_at <= 1000 for alarm in changes)  # the very first looks cannot tell runs from drift
    assert watched.ringing is None
    assert play(watched, in_runs(60_000, 2, run), start=5000.0) == []
    (alarm,) = play(watched, in_runs(10_000, 3, run, shift=1.0), start=65_000.0)
    assert [moved.name for moved in alarm.features] == ["first"]


def test_an_alarm_about_what_turns_out_to_be_usual_clears() -> None:
    watched = monitor(contract=Contract(check_rows=20_000))
    usual = np.append([0.0, 0.2, 0.2], np.random.default_rng(0).normal(0, 0.15, 27))
    days = [sum(stream(20_000, day, shift=shift), NONE) for day, shift in enumerate(usual.tolist())]
    assert play(watched, days[:15])[0].state == "ringing"
    play(watched, days[15:], start=1500.0)
    assert watched.ringing is None
    (alarm,) = play(watched, [sum(stream(20_000, 99, shift=1.5), NONE)] * 4, start=3000.0)
    assert [moved.name for moved in alarm.features] == ["first"]


def test_state_from_before_runs_were_measured_is_taken() -> None:
    watched, older = monitor(), monitor()
    play(watched, stream(2000, 1))
    saved = json.loads(watched.to_json())
    del saved["dispersion"]
    older.restore(json.dumps(saved))
    assert older.feature_evidence == watched.feature_evidence


def test_missing_values_are_found_as_soon_where_the_present_ones_come_in_runs() -> None:
    rng, watched = np.random.default_rng(0), monitor()

    def looks(rows: int, seed: int, missing: float) -> list[Counts]:
        numbers, category = columns(rows // 50, seed)
        repeated = {name: values.repeat(50) for name, values in numbers.items()}
        repeated["second"] = np.where(rng.random(rows) < missing, np.nan, repeated["second"])
        return list(counted(PROFILE, repeated, category.repeat(50)))

    play(watched, looks(20_000, 1, 0.0))
    changes = play(watched, looks(3000, 2, 0.06), start=20_000.0)
    assert [(alarm.state, alarm.rang_at <= 22_000, [moved.name for moved in alarm.features]) for alarm in changes] == [
        ("ringing", True, ["second"])
    ]
