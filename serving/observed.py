"""What one version did, gathered until it is counted.

A request appends references and no more; serving/observer.py counts hundreds of rows at a time, for a fraction of what
they would cost one by one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from monitoring.log_lines import LogBatch
from preprocessors.encoding import Matrix
from serving.runner import BatchTimes, RunnerCounts

if TYPE_CHECKING:  # an answer knows where it is observed
    from serving.bulk_answers import BulkAnswer, Warnings

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


Seen = tuple[Matrix, "BulkAnswer", float, float]
"""A request: its encoded rows, the answers, their Unix time, and the seconds that they took."""

Mirroring = tuple[Matrix, Sequence[float]]
"""Rows of a shadow version, and its predictions."""


class Requests(NamedTuple):
    """Requests that were answered, column by column.

    Args:
        sizes: rows of each.
        strange: by request, its rows unlike training.
    """

    matrices: Sequence[Matrix]
    answers: Sequence[BulkAnswer]
    times: Sequence[float]
    seconds: Sequence[float]
    sizes: Sequence[int]
    strange: Mapping[int, Warnings]

    def batch(self, place: int) -> LogBatch:
        """One of them for the log."""
        answer, origin = self.answers[place], self.answers[place].origin
        features = {row: [warning.feature for warning in found] for row, found in answer.warnings.items()}
        return LogBatch(
            *(self.times[place], origin.version, origin.variant, self.matrices[place], answer.value, answer.low),
            *(answer.high, origin.coverage, answer.ids, answer.cached, features, self.seconds[place]),
        )


@dataclass
class Gathered:
    """What is to be counted."""

    seen: list[Seen] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)
    mirrored: list[Mirroring] = field(default_factory=list)
    shadow: Counter[Mirrored] = field(default_factory=Counter)

    def requests(self) -> Requests:
        """What was seen."""
        if not self.seen:
            return Requests((), (), (), (), (), {})
        matrices, answers, times, seconds = zip(*self.seen, strict=True)
        strange = {place: answer.warnings for place, answer in enumerate(answers) if answer.warnings}
        return Requests(matrices, answers, times, seconds, list(map(len, matrices)), strange)


class Observed:
    """The rows of one version, its times and what was strange. For one event loop.

    Args:
        counts, batches: of the version's runner, which outlive it.
    """

    def __init__(self, counts: RunnerCounts, batches: deque[BatchTimes]) -> None:
        self.counts, self.batches = counts, batches
        self.growth = Growth()
        self.when_many: Callable[[], None] | None = None
        self._gathered, self._rows = Gathered(), 0

    def take(self) -> Gathered:
        """All of it, once: whatever happens to it then, it is not counted again."""
        gathered, self._gathered, self._rows = self._gathered, Gathered(), 0
        return gathered

    def add(self, matrix: Matrix, answer: BulkAnswer, now: float, seconds: float) -> None:
        """Rows were answered.

        Args:
            matrix: encoded rows, shape (n, n_features); not changed by anybody from now on.
            answer: to these rows.
            now: Unix time of the answer.
            seconds: from the rows to their predictions.
        """
        self._gathered.seen.append((matrix, answer, now, seconds))
        self._count_when_many(len(answer.value))

    def took(self, validate: float, total: float) -> None:
        """A request was answered; seconds for reading it, and for all of it."""
        self._gathered.took.append((validate, total))

    def mirrored(self, result: Mirrored, matrix: Matrix, values: Sequence[float] = ()) -> None:
        """Rows were mirrored to this version, with these predictions; or could not be."""
        self._gathered.shadow[result] += len(matrix)
        if result == "predicted":
            self._gathered.mirrored.append((matrix, values))
            self._count_when_many(len(values))

    def _count_when_many(self, rows: int) -> None:
        before, self._rows = self._rows, self._rows + rows
        if before < MANY_ROWS <= self._rows and self.when_many is not None:
            self.when_many()
