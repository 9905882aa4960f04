"""What one version did, gathered until it is counted.

A request appends references and no more; serving/observer.py counts hundreds of rows at a time, for a fraction of what
they would cost one by one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from preprocessors.encoding import Matrix
from schemas.predictions import Variant
from serving.runner import BatchTimes, RunnerCounts


class Growth:
    """How much sums have grown since the last time."""

    def __init__(self) -> None:
        self._before: dict[object, int] = {}

    def of(self, name: object, now: int) -> int:
        """By how much; all of it the first time."""
        grown = now - self._before.get(name, 0)
        self._before[name] = now
        return grown


MANY_ROWS = 512
"""So many are counted at once; more would keep other requests waiting."""


class Observed:
    """The rows of one version, its times and what was strange. For one event loop.

    Args:
        counts, batches: of the version's runner, which outlive it.
    """

    def __init__(self, counts: RunnerCounts, batches: deque[BatchTimes]) -> None:
        self.counts, self.batches = counts, batches
        self.growth = Growth()
        self.when_many: Callable[[], None] | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what has been counted."""
        self.rows = 0
        self._told = False
        self.matrices: list[Matrix] = []
        self.values: list[Sequence[float]] = []
        self.predictions: Counter[tuple[Variant, bool]] = Counter()
        self.strange: Counter[str] = Counter()
        self.shadow: Counter[str] = Counter()
        self.validate: list[float] = []
        self.total: list[float] = []

    def add(self, variant: Variant, matrix: Matrix, values: Sequence[float], cached: int = 0) -> None:
        """Rows that were answered.

        Args:
            matrix: encoded rows, shape (n, n_features); not changed by anybody from now on.
            values: their predictions, n.
            cached: how many of them came from the cache.
        """
        rows = len(values)
        self.rows += rows
        self.matrices.append(matrix)
        self.values.append(values)
        if cached:
            self.predictions[variant, True] += cached
        if cached < rows:
            self.predictions[variant, False] += rows - cached
        if self.rows >= MANY_ROWS and not self._told and self.when_many is not None:
            self._told = True
            self.when_many()

    def took(self, validate: float, total: float) -> None:
        """A request was answered; seconds for reading it, and for all of it."""
        self.validate.append(validate)
        self.total.append(total)
