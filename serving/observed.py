"""What one version did, gathered until it is counted.

A request appends references and no more; serving/observer.py counts hundreds of rows at a time, for a fraction of what
they would cost one by one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from preprocessors.encoding import Matrix
from schemas.predictions import Variant
from serving.runner import BatchTimes, RunnerCounts

Mirrored = Literal["predicted", "dropped", "failed"]


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


@dataclass
class Gathered:
    """What is to be counted: matrices and times of requests, values of rows, and counters of rows.

    Args:
        answered: rows by variant.
        cached: those of them that came from the cache.
    """

    matrices: list[Matrix] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    answered: Counter[Variant] = field(default_factory=Counter)
    cached: Counter[Variant] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    shadow: Counter[str] = field(default_factory=Counter)
    validate: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)


class Observed:
    """The rows of one version, its times and what was strange. For one event loop.

    Args:
        counts, batches: of the version's runner, which outlive it.
    """

    def __init__(self, counts: RunnerCounts, batches: deque[BatchTimes]) -> None:
        self.counts, self.batches = counts, batches
        self.growth = Growth()
        self.when_many: Callable[[], None] | None = None
        self._gathered = Gathered()
        self._told = False

    def take(self) -> Gathered:
        """All of it, once: whatever happens to it then, it is not counted again."""
        gathered, self._gathered, self._told = self._gathered, Gathered(), False
        return gathered

    def add(self, variant: Variant, matrix: Matrix, values: Sequence[float], cached: int = 0) -> None:
        """Rows that were answered.

        Args:
            matrix: encoded rows, shape (n, n_features); not changed by anybody from now on.
            values: their predictions, n.
            cached: how many of them came from the cache.
        """
        gathered = self._gathered
        gathered.matrices.append(matrix)
        gathered.values += values
        gathered.answered[variant] += len(values)
        if cached:
            gathered.cached[variant] += cached
        if len(gathered.values) >= MANY_ROWS and not self._told and self.when_many is not None:
            self._told = True
            self.when_many()

    def took(self, validate: float, total: float) -> None:
        """A request was answered; seconds for reading it, and for all of it."""
        self._gathered.validate.append(validate)
        self._gathered.total.append(total)

    def was_strange(self, features: Counter[str]) -> None:
        """Rows had inputs unlike training; how often, by feature."""
        self._gathered.strange.update(features)

    def mirrored(self, result: Mirrored, rows: int) -> None:
        """Rows were mirrored to this version, or could not be."""
        self._gathered.shadow[result] += rows
