"""Moments at which a change may have begun, with what has been counted since each.

About two for every doubling of age are kept, the oldest of each half octave. Leaving out others only lowers a sum of
evidence over them, so the promise about false alarms holds; and a change that began in between is seen by the next
younger moment.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Counts = npt.NDArray[np.int64]

OLDEST = 2**14
"""Looks after which a moment is given up; at a hundred looks a day, 164 days."""


class RestartsState(BaseModel):
    """The moments as JSON: look, time and counts of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    looks: list[int]
    started: list[float]
    counts: list[list[int]]


class Restarts:
    """The moments, the oldest first.

    Args:
        bins: how many bins are counted, over all columns.
    """

    def __init__(self, bins: int) -> None:
        self.looks: Counts = np.zeros(0, np.int64)
        self.started: npt.NDArray[np.float64] = np.zeros(0)
        self.counts: Counts = np.zeros((0, bins), np.int64)

    def add(self, grown: Counts, look: int, started: float) -> None:
        """Count rows into every moment, and into a new one that begins with them.

        Args:
            grown: new rows by bin, shape (bins,).
            look: number of this look; each is larger than the one before.
            started: when these rows began to come, Unix time.
        """
        self.looks = np.append(self.looks, look)
        self.started = np.append(self.started, started)
        self.counts = np.concatenate([self.counts, np.zeros((1, len(grown)), np.int64)]) + grown
        self._thin(look)

    def not_after(self, now: float) -> None:
        """Let none have begun later than now, Unix time: the clock was ahead."""
        self.started = np.minimum(self.started, now)

    def _thin(self, look: int) -> None:
        age = look - self.looks + 1
        octave = (2 * np.log2(age)).astype(np.int64)
        oldest_of_its_octave = np.append(True, octave[1:] != octave[:-1])
        kept = oldest_of_its_octave & (age < OLDEST)
        self.looks, self.started, self.counts = self.looks[kept], self.started[kept], self.counts[kept]

    def save(self) -> RestartsState:
        """All of them, to be kept."""
        return RestartsState(looks=self.looks.tolist(), started=self.started.tolist(), counts=self.counts.tolist())

    def restore(self, state: RestartsState) -> None:
        """Go on from what was kept.

        Raises:
            ValueError: the parts do not fit each other or the bins.
        """
        bins, moments = self.counts.shape[1], len(state.looks)
        if len(state.started) != moments or len(state.counts) != moments:
            raise ValueError("restarts: looks, times and counts differ in number")
        if any(len(row) != bins or min(row, default=0) < 0 for row in state.counts):
            raise ValueError(f"restarts: counts must be {bins} numbers of at least 0")
        self.looks = np.array(state.looks, np.int64)
        self.started = np.array(state.started, np.float64)
        self.counts = np.array(state.counts, np.int64).reshape(moments, bins)
