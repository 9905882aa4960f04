"""The drift benchmark's parts: streams that change as they say, detectors that see what they can, and its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift import measure, page
from benchmarks.drift.__main__ import main
from benchmarks.drift.detectors import WINDOW, Bonferroni, Ours, Psi
from benchmarks.drift.measure import EVIDENTLY, OURS
from benchmarks.drift.streams import SCENARIOS, Columns, Scenario, Source


def streams(change: Scenario, rows: int = 4000) -> tuple[Columns, Columns]:
    """A reference and a stream that has changed from its first row."""
    source = Source(0)
    return source.rows(5000), source.rows(rows, change)


def test_equal_seeds_give_equal_rows() -> None:
    one, two = Source(3).rows(50), Source(3).rows(50)
    assert len(one) == 11
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("change", SCENARIOS, ids=lambda change: change.kind + str(change.size))
def test_only_the_stated_column_changes_and_by_as_much(change: Scenario) -> None:
    before, after = Source(1).rows(20_000), Source(1).rows(20_000, change)
    if change.kind == "shift":
        assert after[change.column].mean() - before[change.column].mean() == pytest.approx(change.size, abs=0.02)
    elif change.kind == "missing":
        assert np.isnan(after[change.column]).mean() == pytest.approx(change.size, abs=0.005)
    else:
        shares = [np.bincount(part[change.column].astype(int), minlength=10) / 20_000 for part in (before, after)]
        assert np.abs(shares[1] - shares[0]).sum() / 2 == pytest.approx(change.size, abs=0.015)
    assert np.isnan(before[change.column]).sum() == 0


def test_every_detector_sees_a_large_shift_and_names_its_column() -> None:
    large = Scenario("large", "normal", "shift", 1.0, 0)
    reference, stream = streams(large)
    for detector in (Ours(reference), Psi(reference, 0.1), Psi(reference, 0.2), Bonferroni(reference)):
        assert any("normal" in columns for _, columns in detector.flagged(stream))


def test_windows_begin_when_they_are_full_and_ours_at_the_first_look() -> None:
    reference, stream = streams(SCENARIOS[0], 1500)
    assert next(iter(Ours(reference).flagged(stream)))[0] == 100
    assert next(iter(Bonferroni(reference).flagged(stream)))[0] == WINDOW


def test_the_median_counts_never_as_the_latest() -> None:
    assert measure.middle([100, None, 300]) == 300
    assert measure.middle([100, None, None]) is None


def test_it_runs_and_writes_its_page(tmp_path: Path) -> None:
    assert main(["--streams", "1", "--rows", "1500", "--evidently", "0", "--output", str(tmp_path)]) in (0, 1)
    text = (tmp_path / "README.md").read_text()
    assert "## Promises" in text
    assert f"{EVIDENTLY}: absent" in text
    assert (tmp_path / "drift.svg").read_bytes().startswith(b"<?xml")


def test_a_false_alarm_and_a_late_one_break_promises() -> None:
    changes: dict[str, dict[str, list[int | None]]] = {
        scenario.title: {OURS: [scenario.limit]} for scenario in SCENARIOS
    }
    kept = {"quiet": {OURS: {"rang": 0}}, "changes": changes}
    assert page.failures(kept) == []
    changes[SCENARIOS[0].title] = {OURS: [None, None, 100]}
    broken = page.failures({"quiet": {OURS: {"rang": 2}}, "changes": changes})
    assert broken[0] == "2 streams without drift rang"
    assert broken[1].startswith(".25 sd")
