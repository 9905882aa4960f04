"""The snapshot from counts: pure, and tolerant of what has not been counted yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from monitoring.alarms import Alarm
from monitoring.profile import Profile
from monitoring.snapshot import (
    HISTORY_POINTS,
    ColumnSnapshot,
    OutcomesSnapshot,
    Pairs,
    Snapshot,
    Target,
    TrafficPoint,
    VersionSnapshot,
)
from monitoring.snapshot_counts import OutcomeState, ServiceCounts, ServiceInfo, VersionState
from monitoring.snapshot_figures import column_snapshot, recent_rows, stage_latency, traffic_shares

MOST_ALARMS = 50
"""Most alarms that the page lists; those that ring come first."""

PREDICTION = "prediction"


def build_snapshot(
    info: ServiceInfo,
    service: ServiceCounts,
    versions: Sequence[VersionState],
    history: Sequence[TrafficPoint],
    alarms: Sequence[Alarm],
    now: float,
) -> Snapshot:
    """What the dashboard shows at Unix time `now`.

    Args:
        versions: live ones, in the order in which they are shown.
        history: of traffic, the newest last.
        alarms: ringing and cleared ones, in any order.

    Raises:
        ValueError: counts of a version have another shape than its profile or the latency bounds.
    """
    answering = [version.version for version in versions if version.variant != "shadow"]
    ever = {version.version: version.counts.rows for version in versions if version.version in answering}
    lately = recent_rows(history, now)
    share = traffic_shares(ever)
    recent = traffic_shares({version: lately.get(version, 0) for version in answering})
    return Snapshot(
        model=info.model,
        target=info.target,
        now=now,
        started_at=info.started_at,
        generation=info.generation,
        planned_generation=info.planned_generation,
        problem=info.problem,
        workers=list(info.workers),
        requests=dict(service.requests),
        errors=dict(service.errors),
        cache=dict(service.cache),
        swaps=service.swaps,
        refusals=dict(service.refusals),
        outcomes_refused=dict(service.outcomes_refused),
        prediction_log=dict(service.prediction_log),
        history=list(history[-HISTORY_POINTS:]),
        versions=[_version(info, version, share, recent) for version in versions],
        alarms=_newest(alarms),
        example=info.example,
    )


def pair_edges(profile: Profile) -> list[float]:
    """Edges in which predictions and actual values may be counted as pairs: those of the predictions in training."""
    return list(profile.columns[-1].edges)


def _newest(alarms: Sequence[Alarm]) -> list[Alarm]:
    return sorted(alarms, key=lambda alarm: (alarm.state != "ringing", -alarm.rang_at))[:MOST_ALARMS]


def _version(
    info: ServiceInfo,
    state: VersionState,
    share: Mapping[str, float | None],
    recent: Mapping[str, float | None],
) -> VersionSnapshot:
    counts = state.counts
    features = {column.name for column in state.profile.columns}
    return VersionSnapshot(
        version=state.version,
        variant=state.variant,
        weight=state.weight,
        loaded_at=state.loaded_at,
        calibrated_until=state.calibrated_until,
        rows=counts.rows,
        cached_rows=counts.cached,
        share=share.get(state.version),
        recent_share=recent.get(state.version),
        shed=counts.shed,
        timed_out=counts.timed_out,
        batch_rows=counts.batched_rows / counts.batches if counts.batches else None,
        shadow_rows=dict(counts.shadow_rows),
        latency=[stage_latency(stage, info.latency_bounds, buckets) for stage, buckets in counts.stages.items()],
        monitors=list(state.monitors),
        reference_rows=state.profile.rows,
        columns=_columns(info, state),
        feature_line=state.drift.line,
        out_of_range={name: rows for name, rows in counts.out_of_range.items() if name not in features},
        outcomes=_outcomes(state.outcomes) if state.outcomes else None,
    )


def _columns(info: ServiceInfo, state: VersionState) -> list[ColumnSnapshot]:
    schema = {column.name: column for column in info.schema}
    profiles, drift = state.profile.columns, state.drift
    if len(state.counts.columns) != len(profiles):
        raise ValueError(f"{len(state.counts.columns)} columns were counted, the profile has {len(profiles)}")
    return [
        column_snapshot(
            profile,
            live,
            schema.get(profile.name),
            unit=_unit(info.target, profile.name),
            floor=drift.ignored.get(profile.name),
            evidence=drift.evidence.get(profile.name),
            out_of_range=state.counts.out_of_range.get(profile.name, 0),
        )
        for profile, live in zip(profiles, state.counts.columns, strict=True)
    ]


def _unit(target: Target, column: str) -> str | None:
    return target.unit if column == PREDICTION else None


def _outcomes(state: OutcomeState) -> OutcomesSnapshot:
    totals = state.totals
    return OutcomesSnapshot(
        outcomes=totals.outcomes,
        with_interval=totals.with_interval,
        scale=state.scale,
        bias=totals.bias(state.error_edges),
        mean_error=totals.mean_error,
        coverage=totals.coverage,
        promised=state.promised,
        error_edges=list(state.error_edges),
        error_counts=list(totals.error_counts),
        history=list(state.points[-HISTORY_POINTS:]),
        pairs=_pairs(state),
    )


def _pairs(state: OutcomeState) -> Pairs | None:
    if not state.pair_edges or not state.totals.pairs:
        return None
    size = len(state.pair_edges) + 1
    counts = np.asarray(state.totals.pairs).reshape(size, size)  # a ValueError names both shapes
    return Pairs(edges=list(state.pair_edges), counts=counts.tolist())
