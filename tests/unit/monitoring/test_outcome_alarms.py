"""Outcome alarms: quiet on good streams, soon on bad ones, plain in words, and the same after a restart."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from monitoring.alarms import Alarm
from monitoring.outcome_alarms import OutcomeMonitor
from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.outcome_errors import Vector
from monitoring.outcome_reference import OutcomeReference
from monitoring.outcomes import BELOW, FIRST_BIN, INSIDE, OUTCOMES, SLOTS, WITH_INTERVAL, Counts, count

SPREAD = 0.12
DAY = 86_400.0
START = 1_356_998_400.0
"""2013-01-01."""

CONTRACT = OutcomeContract()
REFERENCE = OutcomeReference(rows=1400, unit=1.0, bias=0.0, median_error=0.081, large_error=0.138, coverage=0.9)
TERMS = Terms.of("log", REFERENCE, 0.9, CONTRACT)


def monitor(terms: Terms = TERMS, threshold: float = CONTRACT.threshold) -> OutcomeMonitor:
    """A fresh monitor."""
    return OutcomeMonitor("v1", terms, threshold)


def stream(
    rows: int, seed: int = 0, bias: float = 0.0, spread: float = SPREAD, coverage: float = 0.9, slide: float = 0.0
) -> Counts:
    """What each of some outcomes adds to the counts, shape (rows, SLOTS)."""
    rng = np.random.default_rng(seed)
    predicted: Vector = (1 + bias + slide * np.arange(rows, dtype=np.float64)) * np.exp(rng.normal(0, spread, rows))
    low = np.where(rng.random(rows) < coverage, 0.5, 2.0)
    one = np.ones(1)
    return np.array([count(TERMS, predicted[i : i + 1], one, low[i : i + 1], 3 * one, one) for i in range(rows)])


def watch(watched: OutcomeMonitor, grown: Counts, step: int = 10, start: float = START) -> list[Alarm]:
    """Look each day after some outcomes; all changes."""
    changes, totals = [], np.cumsum(grown, axis=0) + watched._totals
    for day, at in enumerate(range(step - 1, len(grown), step)):
        changes += watched.look(totals[at], start + day * DAY)
    return changes


def rung(changes: Sequence[Alarm]) -> list[str]:
    """Monitors in the order in which they rang."""
    return [alarm.monitor for alarm in changes if alarm.state == "ringing"]


@pytest.mark.parametrize("seed", range(6))
def test_a_good_version_rings_nothing(seed: int) -> None:
    watched = monitor()
    assert watch(watched, stream(2000, seed, coverage=0.91)) == []
    assert watched.ringing == []


@pytest.mark.parametrize(
    ("name", "change", "soon"),
    [
        ("bias", {"bias": -0.08}, 400),
        ("bias", {"bias": 0.08}, 400),
        ("error", {"spread": 0.18}, 300),
        ("coverage", {"coverage": 0.8}, 500),
        ("bias", {"slide": -0.005 / 100}, 1500),
    ],
)
def test_a_bad_version_rings_soon_and_dates_it(name: str, change: dict[str, float], soon: int) -> None:
    changes = watch(monitor(), stream(soon, **change))  # type: ignore[arg-type]
    assert rung(changes)[0] == name
    alarm = changes[0]
    assert START <= alarm.since <= alarm.rang_at
    assert 0 < alarm.rows <= soon


def test_a_change_after_long_good_times_is_dated_near_where_it_began() -> None:
    watched = monitor()
    watch(watched, stream(1000))
    began = START + 100 * DAY
    (alarm, *_) = watch(watched, stream(500, seed=1, bias=-0.1), start=began)
    assert alarm.monitor == "bias"
    assert abs(alarm.since - began) <= 15 * DAY


def test_the_text_says_what_how_much_since_when_and_what_to_do() -> None:
    watched = monitor()
    watch(watched, stream(600, bias=-0.12, coverage=0.7))
    texts = {alarm.monitor: alarm.text for alarm in watched.ringing}
    assert "too low (median) on " in texts["bias"]
    assert "outcomes since 2013-01-" in texts["bias"]
    assert "tolerated is at most 3 %" in texts["bias"]
    assert "promised are 90%" in texts["coverage"]
    assert "train on newer data" in texts["error"]


def test_a_ringing_alarm_keeps_its_start_and_renews_its_figures() -> None:
    watched = monitor()
    (first, *_) = watch(watched, stream(300, bias=-0.12))
    watch(watched, stream(300, seed=1, bias=-0.12), start=START + 30 * DAY)
    (later, *_) = watched.ringing
    assert (later.since, later.rang_at) == (first.since, first.rang_at)
    assert later.rows >= first.rows + 300


def test_an_alarm_clears_when_the_evidence_is_gone_and_can_ring_again() -> None:
    watched = monitor()
    watch(watched, stream(300, bias=-0.12))
    changes = watch(watched, stream(2000, seed=1), start=START + 30 * DAY)
    states = {(alarm.monitor, alarm.state) for alarm in changes}
    assert ("bias", "cleared") in states
    cleared = next(alarm for alarm in changes if alarm.monitor == "bias")
    assert cleared.cleared_at is not None
    assert cleared.text.startswith("Over since 2013-0")
    assert "bias" not in [alarm.monitor for alarm in watched.ringing]
    again = watch(watched, stream(300, seed=2, bias=-0.12), start=START + 300 * DAY)
    assert "bias" in rung(again)
    assert next(alarm for alarm in again if alarm.monitor == "bias").since >= START + 30 * DAY


def test_an_alarm_does_not_flutter_while_its_reason_lasts() -> None:
    assert rung(watch(monitor(), stream(3000, bias=-0.06))).count("bias") == 1


def test_evidence_is_zero_at_first_and_above_the_line_when_it_rings() -> None:
    watched = monitor()
    assert watched.evidence == {"bias": 0.0, "error": 0.0, "coverage": 0.0}
    assert watched.alarm_line == pytest.approx(np.log10(3000))
    watch(watched, stream(500, bias=-0.2))
    assert watched.evidence["bias"] >= watched.alarm_line


def test_without_a_reference_or_intervals_only_bias_is_watched() -> None:
    assert set(monitor(Terms.of("log", None, None, CONTRACT)).evidence) == {"bias"}


def test_two_workers_counts_in_any_order_ring_as_one_workers_do() -> None:
    grown = stream(400, bias=-0.1)
    mine, yours = grown[0::2], grown[1::2]
    one, two = monitor(), monitor()
    for at in range(10, 401, 10):
        one.look(grown[:at].sum(axis=0), START + at)
        two.look(mine[: at // 2].sum(axis=0) + yours[: at // 2].sum(axis=0), START + at)
    assert one.save() == two.save()
    assert one.ringing == two.ringing != []


def test_a_restart_changes_nothing() -> None:
    grown = stream(600, bias=-0.07)
    whole, before, after = monitor(), monitor(), monitor()
    expected = watch(whole, grown)
    changes = watch(before, grown[:300])
    assert after.restore(before.save())
    changes += watch(after, grown[300:], start=START + 30 * DAY)
    assert changes == expected
    assert after.save() == whole.save()


def test_state_stays_small() -> None:
    watched = monitor()
    totals = np.zeros(SLOTS, np.int64)
    for look in range(3000):
        totals[[OUTCOMES, FIRST_BIN + 40, INSIDE, WITH_INTERVAL]] += 1 + look // 10
        watched.look(totals, START + look)
    assert len(watched.save()) < 50_000


@pytest.mark.parametrize("saved", ["", "{}", "[]", "null", '{"version": "v1"}', b"\xff"])
def test_broken_state_is_not_taken(saved: str | bytes) -> None:
    watched = monitor()
    assert not watched.restore(saved)
    assert watched.look(np.zeros(SLOTS, np.int64), START) == []


def test_state_of_another_version_or_of_other_shapes_is_not_taken() -> None:
    other = OutcomeMonitor("v2", TERMS, 3000)
    assert not monitor().restore(other.save())
    state = json.loads(monitor().save())
    state["monitors"]["bias"]["logs"] = [[0.0]]
    assert not monitor().restore(json.dumps(state))


def test_under_other_terms_only_what_was_counted_is_taken() -> None:
    before = monitor()
    watch(before, stream(300, bias=-0.12))
    after = monitor(Terms.of("log", REFERENCE, 0.9, OutcomeContract(tolerated_bias=0.2)))
    assert not after.restore(before.save())
    assert after.look(before._totals, START + 100 * DAY) == []
    assert after.evidence["bias"] == 0.0


def test_counts_that_begin_anew_ring_nothing_and_are_gone_on_from() -> None:
    watched = monitor()
    watch(watched, stream(300))
    watched.look(np.zeros(SLOTS, np.int64), START + 50 * DAY)
    assert "bias" in rung(watch(watched, stream(400, bias=-0.12), start=START + 60 * DAY))


def test_a_look_in_the_middle_of_a_write_loses_nothing() -> None:
    torn, whole, grown = monitor(), monitor(), stream(200, bias=-0.05)
    totals = np.zeros(SLOTS, np.int64)
    for at, row in enumerate(grown):
        half = np.where(np.arange(SLOTS) == OUTCOMES, totals, totals + row)  # the writer has not come to this place yet
        torn.look(half, START + at)
        totals += row
        torn.look(totals, START + at)
        whole.look(totals, START + at)
    assert torn.save() == whole.save()


def test_a_clock_that_was_ahead_spoils_no_date_of_what_comes_later() -> None:
    watched, years = monitor(), 3650 * DAY
    watch(watched, stream(200))
    watch(watched, stream(10, 1), start=START + years)
    (alarm,) = watch(watched, stream(200, 2, bias=-0.2), start=START + 21 * DAY)[:1]
    assert START + 20 * DAY <= alarm.since <= alarm.rang_at <= START + 41 * DAY


def test_two_alarms_after_a_clock_that_was_ahead_are_told_apart() -> None:
    watched, changes = monitor(), list[Alarm]()
    watch(watched, stream(10), start=START + 3650 * DAY)
    for part in range(4):
        changes += watch(watched, stream(500, part, bias=-0.2 * (part % 2)), start=START + 50 * part * DAY)
    rang = [alarm.rang_at for alarm in changes if alarm.state == "ringing" and alarm.monitor == "bias"]
    assert len(rang) == len(set(rang)) == 2


def test_an_alarm_of_a_clock_that_was_ahead_clears_no_earlier_than_it_rang() -> None:
    watched, ahead = monitor(), START + 3650 * DAY
    watch(watched, stream(200, bias=-0.2), start=ahead)
    cleared = [alarm for alarm in watch(watched, stream(1500, 1)) if alarm.state == "cleared"]
    assert cleared
    assert all(alarm.cleared_at == alarm.rang_at for alarm in cleared)


def test_one_look_at_ten_thousand_bad_outcomes_rings() -> None:
    grown = np.zeros(SLOTS, np.int64)
    grown[[OUTCOMES, BELOW, FIRST_BIN + 10]] = 10_000
    (alarm,) = monitor().look(grown, START)
    assert (alarm.monitor, alarm.rows) == ("bias", 10_000)


def test_few_outcomes_ring_nothing() -> None:
    grown = np.zeros(SLOTS, np.int64)
    grown[[OUTCOMES, BELOW, FIRST_BIN]] = 5
    assert monitor().look(grown, START) == []
