"""Streams of rows with and without drift, as counts in the bins of a profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from monitoring.alarms import Alarm
from monitoring.drift import DriftMonitor
from monitoring.profile import Profile, Values, profile_category, profile_number

Counts = npt.NDArray[np.int64]

LEVELS = [f"level {number}" for number in range(10)]
REFERENCE_ROWS = 20_000


def columns(
    rows: int, seed: int, shift: float = 0.0, missing: float = 0.0, moved: float = 0.0
) -> tuple[dict[str, Values], Values]:
    """Two numbers and a category.

    Args:
        rows: how many.
        seed: of the generator.
        shift: of the first number, in standard deviations.
        missing: share of the second number.
        moved: share of the category's rows that go from its first level to its fifth.
    """
    rng = np.random.default_rng(seed)
    second = np.where(rng.random(rows) < missing, np.nan, rng.lognormal(size=rows))
    shares = np.full(len(LEVELS), 0.1) + moved * np.where(np.arange(10) == 4, 1.0, np.where(np.arange(10) == 0, -1, 0))
    category = rng.choice(len(LEVELS), rows, p=shares).astype(np.float64)
    return {"first": rng.normal(size=rows) + shift, "second": second}, category


def profile_of(numbers: dict[str, Values], category: Values) -> Profile:
    """The profile of such columns."""
    profiled = [profile_number(name, values) for name, values in numbers.items()]
    return Profile(rows=len(category), columns=[*profiled, profile_category("category", category, LEVELS)])


def counted(profile: Profile, numbers: dict[str, Values], category: Values, step: int = 100) -> Iterator[Counts]:
    """Flat counts of each `step` rows."""
    values = [*numbers.values(), category]
    for start in range(0, len(category), step):
        parts = [column.count(part[start : start + step]) for column, part in zip(profile.columns, values, strict=True)]
        yield np.concatenate(parts)


def play(monitor: DriftMonitor, increments: Sequence[Counts] | Iterator[Counts], start: float = 0.0) -> list[Alarm]:
    """Let a monitor look at each; a row takes a second. Gives what rang and cleared."""
    changes, now = [], start
    for grown in increments:
        now += 100.0
        change = monitor.look(grown, now)
        changes += [] if change is None else [change]
    return changes
