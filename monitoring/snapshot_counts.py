"""What a snapshot is made of: plain counts, summed over workers, and what is known of each live version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitoring.outcome_errors import Scale
from monitoring.outcome_history import OutcomeTotals
from monitoring.profile import Profile
from monitoring.snapshot import (
    MonitorSnapshot,
    OutcomePoint,
    Promise,
    Stage,
    Target,
    WorkerSnapshot,
)
from monitoring.traffic_history import TrafficTotals
from schemas.features import Column
from schemas.predictions import Variant


@dataclass(frozen=True)
class ServiceInfo:
    """What the service is.

    Args:
        latency_bounds: upper bounds of the latency buckets, in seconds, ascending.
        schema: the features of a row.
        started_at: Unix time at which the oldest worker started.
        generation, planned_generation, problem: of the rollout plan, as `GET /models` says them.
        example: body of a request that would be answered.
    """

    model: str
    target: Target
    latency_bounds: Sequence[float]
    schema: Sequence[Column]
    started_at: float
    generation: int = 0
    planned_generation: int = 0
    problem: str | None = None
    workers: Sequence[WorkerSnapshot] = ()
    example: str | None = None


@dataclass(frozen=True)
class ServiceCounts:
    """Counters of the whole service, each by its label."""

    requests: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    cache: Mapping[str, int] = field(default_factory=dict)
    swaps: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    outcomes_refused: Mapping[str, int] = field(default_factory=dict)
    prediction_log: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionCounts:
    """Counters of one version.

    Args:
        rows: predicted rows, cached ones included; of a shadow, those that it predicted.
        cached: those of them that came from the cache.
        columns: live rows by bin, a sequence for each column of the profile, in its order (see `by_column`).
        stages: requests by latency bucket of each stage, not cumulative; the last one is for what is slower than all
            bounds.
        batches, batched_rows: batches that were computed, and the rows in them.
        out_of_range: values outside the training range, by model input.
    """

    rows: int
    cached: int
    columns: Sequence[Sequence[int]]
    stages: Mapping[Stage, Sequence[int]] = field(default_factory=dict)
    batches: int = 0
    batched_rows: int = 0
    shed: int = 0
    timed_out: int = 0
    shadow_rows: Mapping[str, int] = field(default_factory=dict)
    out_of_range: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftFigures:
    """What the drift monitor of a version says, all log10; by column where it is a mapping.

    Args:
        line: the evidence at which one column alone would ring.
        ignored: share of rows that may move unnoticed, by column.
    """

    evidence: Mapping[str, float] = field(default_factory=dict)
    ignored: Mapping[str, float] = field(default_factory=dict)
    line: float | None = None


@dataclass(frozen=True)
class OutcomeState:
    """The outcomes of a version, summed.

    Args:
        error_edges: of the error bins, n - 1 of them.
        pair_edges: of predicted and actual values, for `totals.pairs`; empty: pairs are not counted.
        points: over time (monitoring/outcome_history.py).
    """

    totals: OutcomeTotals
    promised: Promise
    error_edges: Sequence[float]
    scale: Scale = "relative"
    pair_edges: Sequence[float] = ()
    points: Sequence[OutcomePoint] = ()


@dataclass(frozen=True)
class VersionState:
    """One live version: what it is, what was counted, and what its monitors say."""

    version: str
    variant: Variant
    weight: float
    loaded_at: float
    profile: Profile
    counts: VersionCounts
    calibrated_until: str | None = None
    monitors: Sequence[MonitorSnapshot] = ()
    drift: DriftFigures = DriftFigures()
    outcomes: OutcomeState | None = None


def by_column(profile: Profile, flat: Sequence[int] | npt.NDArray[np.int64]) -> list[list[int]]:
    """Counts of all columns in one vector, column after column, as one list for each column.

    Raises:
        ValueError: the vector has not one count for each bin.
    """
    counts = np.asarray(flat, dtype=np.int64)
    sizes = [len(column.labels) for column in profile.columns]
    if counts.shape != (sum(sizes),):
        raise ValueError(f"counts have shape {counts.shape}, the profile has {sum(sizes)} bins")
    return [part.tolist() for part in np.split(counts, np.cumsum(sizes)[:-1])]


def traffic_totals(service: ServiceCounts, versions: Sequence[VersionState], buckets: int) -> TrafficTotals:
    """What monitoring/traffic_history.py looks at.

    Args:
        buckets: how many latency buckets there are, the open one included.
    """
    latency = [0] * buckets
    for version in versions:
        if version.variant != "shadow":
            total = version.counts.stages.get("total", latency[:0])
            latency = [one + other for one, other in zip(latency, total or [0] * buckets, strict=True)]
    return TrafficTotals(
        rows={version.version: version.counts.rows for version in versions},
        errors=sum(service.errors.values()),
        latency=latency,
    )
