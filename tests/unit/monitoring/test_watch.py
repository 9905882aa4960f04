"""One worker watches for all; another takes over where it stopped, and a broken disk or file stops nobody."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monitoring.contract import Contract
from monitoring.outcome_contract import OutcomeContract, Terms
from monitoring.outcomes import SLOTS
from monitoring.watch import ALARMS, Watch, read_alarms, read_evidence
from tests.unit.monitoring.streams import REFERENCE_ROWS, Counts, columns, counted, profile_of
from tests.unit.monitoring.test_outcome_alarms import REFERENCE, stream

PROFILE = profile_of(*columns(REFERENCE_ROWS, seed=0))
BINS = sum(len(column.labels) for column in PROFILE.columns)
TERMS = Terms.of("log", REFERENCE, 0.9, OutcomeContract())
V = "20160930-abc"
SERVING = {V, "another"}


class Counted:
    """The sums over all workers, given by the test."""

    def __init__(self) -> None:
        self.rows: Counts = np.zeros(BINS, np.int64)
        self.truth: Counts = np.zeros(SLOTS, np.int64)
        self.now = 1_000.0

    def bins(self, version: str) -> Counts | None:
        """Rows by bin."""
        return self.rows.copy() if version == V else None

    def outcomes(self, version: str) -> Counts | None:
        """Outcomes."""
        return self.truth.copy() if version == V else None

    def clock(self) -> float:
        """The time that the test gives."""
        return self.now


def leader(folder: Path, counted_so_far: Counted) -> Watch:
    """The worker that looks."""
    watch = Watch(folder, counted_so_far, counted_so_far.clock)
    assert watch.lead()
    watch.know(V, PROFILE, Contract(), TERMS, 3_000)
    watch.know("another", PROFILE, Contract(), TERMS, 3_000)
    return watch


def play(watch: Watch, seen: Counted, rows: int, seed: int, **drift: float) -> list[str]:
    """Count rows and look at each hundred; what rang and cleared."""
    changes = []
    for grown in counted(PROFILE, *columns(rows, seed, **drift)):
        seen.rows += grown
        seen.now += 100
        changes += [f"{alarm.monitor} {alarm.state}" for alarm in watch.look(SERVING)]
    return changes


def test_drift_rings_is_told_and_clears(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen = Counted()
    watch = leader(tmp_path, seen)
    assert play(watch, seen, 3_000, 1) == []
    assert play(watch, seen, 2_500, 2, shift=0.5) == ["drift ringing"]
    (alarm,) = read_alarms(tmp_path)
    assert (alarm.version, alarm.state, alarm.features[0].name) == (V, "ringing", "first")
    found = read_evidence(tmp_path, V)
    assert found is not None
    assert found.monitors[0].ringing
    assert found.monitors[0].evidence >= found.monitors[0].line
    assert found.features["first"] > found.features["second"]
    assert "first" in caplog.text
    assert play(watch, seen, 20_000, 3) == ["drift cleared"]
    assert [one.state for one in read_alarms(tmp_path)] == ["cleared"]


def test_outcomes_ring_too(tmp_path: Path) -> None:
    seen = Counted()
    watch = leader(tmp_path, seen)
    changes = []
    for grown in stream(400, bias=-0.1).reshape(40, 10, SLOTS).sum(axis=1):
        seen.truth += grown
        seen.now += 86_400
        changes += [f"{alarm.monitor} {alarm.state}" for alarm in watch.look(SERVING)]
    assert "bias ringing" in changes
    assert {alarm.monitor for alarm in read_alarms(tmp_path)} >= {"bias"}


def test_a_successor_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    whole, halves = Counted(), Counted()
    alone = leader(tmp_path / "alone", whole)
    play(alone, whole, 2_000, 1)
    play(alone, whole, 600, 2, shift=0.25)
    alone.save()

    first = leader(tmp_path / "both", halves)
    waiting = Watch(tmp_path / "both", halves, halves.clock)
    assert not waiting.lead()
    play(first, halves, 2_000, 1)
    first.close()
    assert waiting.lead()
    waiting.know(V, PROFILE, Contract(), TERMS, 3_000)
    play(waiting, halves, 600, 2, shift=0.25)
    waiting.save()
    assert read_evidence(tmp_path / "both", V) == read_evidence(tmp_path / "alone", V)


def test_what_was_counted_while_nobody_looked_is_looked_at(tmp_path: Path) -> None:
    seen = Counted()
    first = leader(tmp_path, seen)
    play(first, seen, 1_000, 1)
    first.close()
    for grown in counted(PROFILE, *columns(4_000, 2, shift=0.5)):
        seen.rows += grown
    assert [alarm.monitor for alarm in leader(tmp_path, seen).look(SERVING)] == ["drift"]


def test_counts_that_shrink_are_begun_anew(tmp_path: Path) -> None:
    seen = Counted()
    watch = leader(tmp_path, seen)
    play(watch, seen, 3_000, 1)
    seen.rows = np.zeros(BINS, np.int64)
    assert watch.look(SERVING) == []
    assert play(watch, seen, 2_500, 2, shift=0.5) == ["drift ringing"]


def test_spoilt_files_and_a_disk_that_refuses_stop_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / ALARMS).write_text("{")
    (folder / f"evidence-{V}.json").write_text('{"monitors": 3}')
    seen = Counted()
    watch = leader(folder, seen)
    assert "begins anew" in caplog.text
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.touch()  # a file where the folder was: nothing can be written, whoever we are
    assert play(watch, seen, 2_500, 2, shift=0.5) == ["drift ringing"]
    assert "cannot be saved" in caplog.text


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    seen = Counted()
    watch = leader(tmp_path, seen)
    play(watch, seen, 2_500, 2, shift=0.5)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    assert os.listdir(tmp_path)


def test_the_alarm_of_a_version_that_left_is_over_and_goes_on_when_it_comes_back(tmp_path: Path) -> None:
    seen = Counted()
    watch = leader(tmp_path, seen)
    assert play(watch, seen, 2_500, 2, shift=0.5) == ["drift ringing"]
    (over,) = watch.look({"another"})
    assert (over.state, over.cleared_at) == ("cleared", seen.now)
    assert "serves no more" in over.text
    assert [one.state for one in read_alarms(tmp_path)] == ["cleared"]
    assert watch.look({"another"}) == []
    watch.know(V, PROFILE, Contract(), TERMS, 3_000)
    assert play(watch, seen, 100, 3, shift=0.5) == []
    watch.save()
    (again,) = read_alarms(tmp_path)
    assert (again.state, again.rang_at) == ("ringing", over.rang_at)


def test_a_successor_ends_the_alarms_of_versions_that_left_meanwhile(tmp_path: Path) -> None:
    seen = Counted()
    first = leader(tmp_path, seen)
    play(first, seen, 2_500, 2, shift=0.5)
    first.close()
    second = Watch(tmp_path, seen, seen.clock)
    assert second.lead()
    assert [one.state for one in second.look({"another"})] == ["cleared"]
