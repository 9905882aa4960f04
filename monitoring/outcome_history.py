"""Outcomes over time, from counts that only grow: samples of the sums, and figures of what came between two of them.

The history covers a version's whole life in a bounded number of points: when there are too many, every second sample
goes and the step doubles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitoring.outcomes import ERROR_PPM, FIRST_BIN, INSIDE, OUTCOMES, WITH_INTERVAL, Counts
from monitoring.snapshot import HISTORY_POINTS, OutcomePoint
from monitoring.snapshot_figures import quantile


class OutcomeTotals(BaseModel):
    """Counts of the outcomes of one version, summed over workers.

    Args:
        inside: those of `with_interval` whose interval held the actual value.
        error_ppm: sum of absolute errors in parts per million of the version's scale.
        error_counts: by error bin, shape (n,); the outer bins are open.
        pairs: predicted by actual, flattened from shape (m, m); empty if not counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcomes: int = Field(ge=0)
    with_interval: int = Field(default=0, ge=0)
    inside: int = Field(default=0, ge=0)
    error_ppm: int = Field(default=0, ge=0)
    error_counts: tuple[int, ...] = ()
    pairs: tuple[int, ...] = ()

    def since(self, before: OutcomeTotals) -> OutcomeTotals | None:
        """What came since; None if something fell or has another shape: it was counted anew. Pairs are left out."""
        if len(self.error_counts) != len(before.error_counts):
            return None
        bins = tuple(new - old for new, old in zip(self.error_counts, before.error_counts, strict=True))
        names = ("outcomes", "with_interval", "inside", "error_ppm")
        grown = {name: getattr(self, name) - getattr(before, name) for name in names}
        if min(*grown.values(), *bins) < 0:
            return None
        return OutcomeTotals(**grown, error_counts=bins)

    def bias(self, edges: Sequence[float]) -> float | None:
        """The signed median error, interpolated within its bin; None without any. The open bins count as their edge."""
        return quantile(edges, self.error_counts, 0.5, lowest=edges[0]) if edges else None

    @property
    def mean_error(self) -> float | None:
        """The mean absolute error; None without any."""
        return self.error_ppm / 1e6 / self.outcomes if self.outcomes else None

    @property
    def coverage(self) -> float | None:
        """Share of outcomes inside their interval; None without intervals."""
        return self.inside / self.with_interval if self.with_interval else None


def outcome_totals(counts: Counts, pairs: Sequence[int] = ()) -> OutcomeTotals:
    """The totals from summed counts, shape (monitoring.outcomes.SLOTS,), and pairs if they are wanted."""
    return OutcomeTotals(
        outcomes=int(counts[OUTCOMES]),
        with_interval=int(counts[WITH_INTERVAL]),
        inside=int(counts[INSIDE]),
        error_ppm=int(counts[ERROR_PPM]),
        error_counts=tuple(counts[FIRST_BIN:].tolist()),
        pairs=tuple(pairs),
    )


class _Sample(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at: float
    totals: OutcomeTotals


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step_seconds: float = Field(gt=0)
    samples: list[_Sample]


class OutcomeHistory:
    """Samples the outcomes of one version.

    Args:
        error_edges: of the error bins, n - 1 of them.
        step_seconds: the shortest time between two samples.
        least: fewest outcomes between two samples, so that a point is a figure and not an anecdote.
        points: most points.
    """

    def __init__(
        self, error_edges: Sequence[float], step_seconds: float = 3600.0, least: int = 30, points: int = HISTORY_POINTS
    ) -> None:
        self._edges, self._step, self._least, self._most = list(error_edges), step_seconds, least, points
        self._samples: list[_Sample] = []

    @property
    def points(self) -> list[OutcomePoint]:
        """The newest last."""
        points = []
        for earlier, later in pairwise(self._samples):
            came = later.totals.since(earlier.totals)
            if came is not None:
                points.append(
                    OutcomePoint(
                        at=later.at,
                        outcomes=came.outcomes,
                        bias=came.bias(self._edges),
                        mean_error=came.mean_error,
                        coverage=came.coverage,
                    )
                )
        return points

    def look(self, now: float, totals: OutcomeTotals) -> None:
        """Take the counts at Unix time `now`. Counts that fell begin a new history; a clock that went back waits.

        Raises:
            ValueError: the error bins do not fit the edges.
        """
        if len(totals.error_counts) != len(self._edges) + 1:
            raise ValueError(f"{len(totals.error_counts)} error bins do not fit {len(self._edges)} edges")
        if not math.isfinite(now):
            return
        came = totals.since(self._samples[-1].totals) if self._samples else None
        sample = _Sample(at=now, totals=totals.model_copy(update={"pairs": ()}))
        if came is None:
            self._samples = [sample]
        elif came.outcomes >= self._least and now - self._samples[-1].at >= self._step:
            self._samples.append(sample)
            self._thin()

    def to_json(self) -> str:
        """All of it, for `restore`."""
        return _State(step_seconds=self._step, samples=self._samples).model_dump_json()

    def restore(self, saved: str | bytes) -> bool:
        """Go on from there; False, and nothing changes, if it is damaged or has other bins."""
        try:
            state = _State.model_validate_json(saved)
        except ValidationError:
            return False
        if any(len(sample.totals.error_counts) != len(self._edges) + 1 for sample in state.samples):
            return False
        self._step, self._samples = state.step_seconds, state.samples
        self._thin()
        return True

    def _thin(self) -> None:
        while len(self._samples) > self._most + 1:
            newest = self._samples[-1]
            self._samples = [*self._samples[:-1:2], newest]
            self._step *= 2
