"""How the figures of a soak are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.soak import Look, Soaked, growth, size_mib

STEADY = [Look(number * 100_000, 500.0, 80, 40, 1.0, 10.0) for number in range(1, 20)]
GOOD = Soaked(1_900_000, 600.0, 0, 0.0, 0, 0, 900.0, 1280.0, 0.0, 0, STEADY)


def test_growth_is_the_slope_whatever_one_peak_does() -> None:
    growing = [replace(each, memory_mib=500 + each.requests / 1e6 * 3) for each in STEADY]
    growing[7] = replace(growing[7], memory_mib=900.0)
    assert growth(growing) == pytest.approx(3.0)
    assert growth(STEADY) == 0.0


def test_a_run_within_all_bounds_missed_none() -> None:
    assert GOOD.missed() == []


@pytest.mark.parametrize(
    "change",
    [
        {"failures": 1},
        {"growth_mib": 9.0},
        {"more_files": 5},
        {"more_threads": 5},
        {"log_mib": 1281.0},
        {"more_state_mib": 3.0},
        {"replaced_workers": 1},
    ],
)
def test_each_bound_is_judged(change: dict[str, float]) -> None:
    assert len(replace(GOOD, **change).missed()) == 1  # type: ignore[arg-type]


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "file").write_bytes(b"a" * (3 << 20))
    assert size_mib(tmp_path) == pytest.approx(3, abs=0.1)
    assert size_mib(tmp_path / "nowhere") == 0
