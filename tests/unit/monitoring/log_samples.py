"""A small model's rows, batches of them, and what is read back from a log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from monitoring.log_lines import LogBatch
from schemas.features import NEVER_SEEN, Features, Levels

NOON = 1_479_211_200.0
"""2016-11-15T12:00:00Z."""


class Parcel(Features):
    """One feature of each kind."""

    kind: Annotated[str, Levels(("Käse", "крем", "紙 \u2028 \U0001f4e6"))]
    weight: float | None = None
    fragile: bool = False
    sent: date | None = None


COLUMNS = Parcel.columns()
DAY = float(date(2016, 11, 15).toordinal())


def parcels(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Encoded rows of any kind, shape (count, 4): missing, never seen and extreme values too."""
    random = np.random.default_rng(seed)
    rows = np.empty((count, 4))
    rows[:, 0] = random.choice([0, 1, 2, NEVER_SEEN, np.nan], count)
    rows[:, 1] = random.normal(0, 1, count) * 10.0 ** random.integers(-300, 300, count)
    rows[random.random(count) < 0.1, 1] = np.nan
    rows[:, 2] = random.choice([0, 1, np.nan], count)
    rows[:, 3] = random.choice([DAY, DAY + 1, np.nan], count)
    return rows


def batch(count: int = 1, first: int = 0, **changes: Any) -> LogBatch:
    """Predictions of `count` rows; ids and values number them from `first`."""
    rows = np.tile([0.0, 1.5, 1.0, DAY], (count, 1))
    value = [float(first + row) for row in range(count)]
    ids = [f"id-{first + row}" for row in range(count)]
    low, high = [number - 1 for number in value], [number + 1 for number in value]
    return LogBatch(NOON, "v1", "stable", rows, value, low, high, 0.9, ids)._replace(**changes)


def files(directory: Path) -> list[Path]:
    """The log files, oldest first for one worker: those set aside come before the open one."""
    return sorted(directory.glob("*.jsonl"), key=lambda path: (path.name.count(".") == 1, path.name))


def refuse(constant: str) -> None:
    """What `json` calls for NaN and infinity, which are no JSON."""
    raise AssertionError(f"{constant} is not JSON")


def records(directory: Path) -> Iterator[dict[str, Any]]:
    """Every line of every file, parsed strictly."""
    for path in files(directory):
        with path.open("rb") as opened:
            for line in opened:
                assert line.endswith(b"\n")
                yield json.loads(line.decode(), parse_constant=refuse)


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what another thread does."""
    latest = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < latest, "it did not happen"
        time.sleep(0.005)
