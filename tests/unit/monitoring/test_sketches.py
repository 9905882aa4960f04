"""Quantiles are right to one per cent, and time is cut into few steps, in whatever order rows come."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitoring.sketches import Numbers, Sketch, Timeline

RANDOM = np.random.default_rng(0)


def sketch_of(values: Numbers) -> Sketch:
    sketch = Sketch()
    for part in np.array_split(values, 3):
        sketch.add(part, np.ones(len(part)))
    return sketch


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.lognormal(13, 0.5, 5000),
        RANDOM.normal(0, 0.1, 5000),
        -RANDOM.lognormal(0, 3, 5000),
        RANDOM.integers(0, 2, 5000).astype(float),
    ],
    ids=["prices", "errors", "negative", "flags"],
)
def test_quantiles_are_right_to_one_per_cent(values: Numbers) -> None:
    sketch = sketch_of(values)
    for share in (0.05, 0.25, 0.5, 0.75, 0.99):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert sketch.quantile(share) == pytest.approx(exact, rel=0.0101, abs=1e-9)


def test_weights_count_as_so_many_rows() -> None:
    sketch = Sketch()
    sketch.add(np.array([1.0, 2.0]), np.array([1.0, 99.0]))
    assert sketch.quantile(0.02) == pytest.approx(2, rel=0.01)
    assert sketch.quantile(0.005) == pytest.approx(1, rel=0.01)


def test_sketches_add_up() -> None:
    values = RANDOM.normal(5, 2, 1000)
    whole, part = sketch_of(values), sketch_of(values[:300])
    part.merge(sketch_of(values[300:]))
    assert part.bins == whole.bins
    assert part.total == whole.total == 1000


def test_extreme_numbers_and_none_at_all() -> None:
    assert math.isnan(Sketch().quantile(0.5))
    sketch = sketch_of(np.array([1e308, -1e308, 1e-320, 0.0]))
    assert sketch.quantile(1.0) == pytest.approx(1e300, rel=0.02)
    assert sketch.quantile(0.6) == 0.0


def test_steps_grow_until_they_are_few_enough_and_lose_nothing() -> None:
    timeline, times = Timeline(most=50), RANDOM.permutation(np.arange(0, 90 * 86_400, 600.0))
    for part in np.array_split(times, 100):
        for cell, places in timeline.split(part):
            cell.sums["rows"] += len(places)
            cell.sketches["time"].add(part[places], np.ones(len(places)))
    cells = timeline.cells(20)
    assert len(cells) <= 20
    assert timeline.width == 7 * 86_400
    assert sum(cell.sums["rows"] for _, cell in cells) == len(times)
    assert [start for start, _ in cells] == sorted(start for start, _ in cells)
    assert all(start <= cell.sketches["time"].quantile(1) * 1.02 for start, cell in cells)


def test_clocks_far_apart_need_few_steps_too() -> None:
    timeline = Timeline(most=2)
    times = np.array([-6e10, 0.0, 1.5e9, 2.5e11])
    assert sum(len(places) for _, places in timeline.split(times)) == 4
    assert len(timeline.cells(2)) <= 2
