"""A short history of traffic for the dashboard: differences of counters between looks, the oldest forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitoring.snapshot import HISTORY_POINTS, TrafficPoint
from monitoring.snapshot_figures import quantile


@dataclass(frozen=True)
class TrafficTotals:
    """Counters at one moment, summed over workers.

    Args:
        rows: answered rows by version.
        errors: of the whole service.
        latency: requests in each bucket of the whole answer's time, not cumulative.
    """

    rows: Mapping[str, int]
    errors: int
    latency: Sequence[int]


class TrafficHistory:
    """Turns totals into points.

    Args:
        bounds: upper bounds of the latency buckets, in seconds.
        step_seconds: a look that comes sooner after the last point adds nothing.
        points: most points that are kept.
    """

    def __init__(self, bounds: Sequence[float], step_seconds: float = 10.0, points: int = HISTORY_POINTS) -> None:
        self._bounds, self._step = list(bounds), step_seconds
        self._points: deque[TrafficPoint] = deque(maxlen=points)
        self._last: tuple[float, TrafficTotals] | None = None

    @property
    def points(self) -> list[TrafficPoint]:
        """The newest last."""
        return list(self._points)

    def look(self, now: float, totals: TrafficTotals) -> None:
        """Take the counters at Unix time `now`. Counters that fell, or a clock that went back, begin a new span."""
        if self._last is None:
            self._last = now, totals
            return
        then, before = self._last
        if 0 <= now - then < self._step:
            return
        self._last = now, totals
        latency = _grown(before.latency, totals.latency)
        rows = {version: count - before.rows.get(version, 0) for version, count in totals.rows.items()}
        if now < then or latency is None or totals.errors < before.errors or min(rows.values(), default=0) < 0:
            return
        self._points.append(
            TrafficPoint(
                at=now,
                seconds=now - then,
                rows=rows,
                errors=totals.errors - before.errors,
                p50=quantile(self._bounds, latency, 0.5),
                p99=quantile(self._bounds, latency, 0.99),
            )
        )


def _grown(before: Sequence[int], after: Sequence[int]) -> list[int] | None:
    """What was added to each bucket; None if one of them fell."""
    added = [new - old for old, new in zip(before, after, strict=True)]
    return None if min(added, default=0) < 0 else added
