"""The load test's short form, and how its figures are judged."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.environments import Unfit
from tests.load.__main__ import SHORT, locust_python, run
from tests.load.objectives import FULL, Figures, Row, broken

GOOD = Figures(
    rows=[
        Row(name, 10_000, 0, 2.0, 40.0, 90.0) for name in ("predict", "bulk: rows", "outcomes", "refused", "watching")
    ],
    seconds=90.0,
    ramp_requests=1_000,
    repeated=1_000,
    cached=900,
)


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python that has locust."""
    try:
        return locust_python()
    except Unfit as error:
        if os.environ.get("CI", "").lower() == "true":
            raise
        pytest.skip(str(error))


@pytest.mark.timeout(400)  # the first time locust is installed
def test_all_kinds_of_users_get_what_they_should(python: Path, home: Path, tmp_path: Path) -> None:
    code, figures = run(SHORT, python, home, tmp_path / "report.html")
    assert (code, figures["missed"], figures["failures"]) == (0, [], {})
    assert "<html" in (tmp_path / "report.html").read_text()


def test_a_run_that_kept_everything_missed_nothing() -> None:
    assert broken(FULL, GOOD) == []


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (Figures([], 0.0), "no steady stage"),
        (replace(GOOD, ramp_failures=1), "failed"),
        (replace(GOOD, seconds=900.0), "a second"),
        (replace(GOOD, cached=100), "cached"),
        (replace(GOOD, rows=GOOD.rows[1:]), "no request of the kind 'predict'"),
        (replace(GOOD, rows=[*GOOD.rows, Row("predict: repeated", 10, 0, 1.0, 101.0, 200.0)]), "99th percentile"),
        (replace(GOOD, rows=[*GOOD.rows, Row("predict: repeated", 10, 1, 1.0, 1.0, 1.0)]), "failed"),
    ],
)
def test_each_missed_objective_is_said(figures: Figures, sentence: str) -> None:
    assert any(sentence in missed for missed in broken(FULL, figures))
