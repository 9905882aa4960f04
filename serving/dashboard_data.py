"""What the dashboard shows of this host: from counts and evidence to a snapshot."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitoring.alarms import Alarm
from monitoring.exposition import Everything, VersionMetrics, alive
from monitoring.metrics import SECONDS, STAGES, Labels, Metrics
from monitoring.outcome_contract import OutcomeContract
from monitoring.outcome_errors import EDGES, SCALES
from monitoring.outcome_history import outcome_totals
from monitoring.outcomes import OUTCOMES
from monitoring.shared_counts import SLOTS
from monitoring.snapshot import MonitorSnapshot, Promise, Snapshot, Target, WorkerSnapshot
from monitoring.snapshot_builder import build_snapshot, pair_edges
from monitoring.snapshot_counts import (
    DriftFigures,
    OutcomeState,
    ServiceCounts,
    ServiceInfo,
    VersionCounts,
    VersionState,
    by_column,
    traffic_totals,
)
from monitoring.snapshot_figures import example_request
from monitoring.traffic_history import TrafficHistory
from registry.bundle import Description, ModelDefinition
from schemas.predictions import Variant
from serving.live_models import LiveModels
from serving.outcome_desk import terms_of

REMEMBER_SECONDS = 10.0
"""The distance of points in the history of traffic."""


class DashboardData:
    """Makes snapshots of one model. For one thread at a time.

    Args:
        definition: which model.
        live: the versions that answer.
        contract: what outcomes are held against.
    """

    def __init__(self, definition: ModelDefinition, live: LiveModels, contract: OutcomeContract) -> None:
        self._definition, self._live, self._contract = definition, live, contract
        self._history = TrafficHistory(SECONDS, REMEMBER_SECONDS / 2)  # a look may come a little early
        self._remembered_at = -REMEMBER_SECONDS
        self._example = example_request(definition.rows)

    def is_due(self, now: float) -> bool:
        """Whether it is time to remember what was counted."""
        due = not 0 <= now - self._remembered_at < REMEMBER_SECONDS
        self._remembered_at = now if due else self._remembered_at
        return due

    def remember(self, seen: Everything) -> None:
        """Take what was counted into the history of traffic."""
        service, versions = _service_counts(seen.service), self._versions(seen)
        self._history.look(seen.now, traffic_totals(service, versions, len(SECONDS) + 1))

    def snapshot(self, seen: Everything, alarms: list[Alarm]) -> Snapshot:
        """What is known now."""
        return build_snapshot(
            self._info(seen),
            _service_counts(seen.service),
            self._versions(seen),
            self._history.points,
            alarms,
            seen.now,
        )

    def _info(self, seen: Everything) -> ServiceInfo:
        live, planned = self._live, self._live.planned
        workers = _workers(seen)
        bundles = [version.bundle for version in live.versions.values()]
        target = bundles[0].manifest.target if bundles else None
        return ServiceInfo(
            model=self._definition.name,
            target=Target(name=target.name, unit=target.unit) if target else Target(name=self._definition.name),
            latency_bounds=SECONDS,
            schema=self._definition.rows.columns(),
            started_at=min((worker.started_at for worker in workers), default=seen.now),
            generation=live.generation,
            planned_generation=planned.generation if planned else 0,
            problem=live.problem,
            workers=workers,
            example=self._example,
        )

    def _versions(self, seen: Everything) -> list[VersionState]:
        live = self._live
        if not live.ready:
            return []
        routes, plan = live.now().routes, live.now().plan
        weight = plan.canary.weight if plan.canary and routes.canary else 0.0
        weights = {"stable": 1 - weight, "canary": weight, "shadow": 0.0}
        counted = {version.name: version for version in seen.versions}
        return [
            self._version(live.versions[name].bundle, counted[name], choice.variant, weights[choice.variant])
            for name, choice in routes.named.items()
            if name in counted
        ]

    def _version(self, bundle: Description, version: VersionMetrics, variant: Variant, weight: float) -> VersionState:
        evidence = version.evidence
        monitors = [MonitorSnapshot(**each.model_dump()) for each in evidence.monitors] if evidence else []
        return VersionState(
            version=version.name,
            variant=variant,
            weight=weight,
            loaded_at=float(version.metrics.by_slot("loaded_timestamp_seconds").max()),
            profile=version.profile,
            counts=_version_counts(version),
            calibrated_until=bundle.manifest.data.calibrated_until.isoformat(),
            monitors=monitors,
            drift=DriftFigures(evidence.features, evidence.ignored, evidence.feature_line)
            if evidence
            else DriftFigures(),
            outcomes=self._outcomes(bundle, version),
        )

    def _outcomes(self, bundle: Description, version: VersionMetrics) -> OutcomeState | None:
        counts = version.metrics.total("outcome_counts")
        if not counts[OUTCOMES]:
            return None
        reference, interval = bundle.manifest.outcomes, bundle.manifest.interval
        promised = Promise(
            bias=reference.bias if reference else None,
            mean_error=_mean_error(bundle),
            coverage=interval.coverage if interval else None,
            tolerated_bias=terms_of(bundle, self._contract).tolerated,
        )
        return OutcomeState(
            totals=outcome_totals(counts, version.metrics.total("outcome_pairs").tolist()),
            promised=promised,
            error_edges=EDGES.tolist(),
            scale=SCALES[bundle.manifest.target.link],
            pair_edges=pair_edges(version.profile),
            points=version.evidence.points if version.evidence else [],
        )


def _mean_error(bundle: Description) -> float | None:
    """MAPE on the test part, as a share; on other scales training has no figure of the kind."""
    mape = bundle.manifest.metrics["model"].get("mape")
    return mape / 100 if mape is not None and bundle.manifest.target.link == "log" else None


def _by_label(metrics: Metrics, name: str) -> dict[Labels, int]:
    return {labels: int(numbers[0]) for labels, numbers in metrics.by_labels(name).items()}


def _by_only_label(metrics: Metrics, name: str) -> dict[str, int]:
    return {labels[0]: number for labels, number in _by_label(metrics, name).items()}


def _some(found: Mapping[str, int]) -> dict[str, int]:
    """Without what never happened."""
    return {label: number for label, number in found.items() if number}


def _service_counts(service: Metrics) -> ServiceCounts:
    requests: dict[str, int] = {}
    for (endpoint, _), number in _by_label(service, "requests_total").items():
        requests[endpoint] = requests.get(endpoint, 0) + number
    return ServiceCounts(
        requests=_some(requests),
        errors=_some(_by_only_label(service, "errors_total")),
        cache=_by_only_label(service, "cache_lookups_total"),
        swaps=int(service.total("swaps_total").sum()),
        refusals=_some(_by_only_label(service, "refused_versions_total")),
        outcomes_refused=_some(_by_only_label(service, "outcomes_refused_total")),
        prediction_log=_by_only_label(service, "prediction_log_total"),
    )


def _version_counts(version: VersionMetrics) -> VersionCounts:
    metrics = version.metrics
    predicted = _by_label(metrics, "predictions_total")
    stages = metrics.total("stage_seconds").reshape(len(STAGES), -1)[:, :-1]  # without the sums
    batches = metrics.total("batch_rows")
    return VersionCounts(
        rows=sum(predicted.values()),
        cached=sum(number for (_, cached), number in predicted.items() if cached == "true"),
        columns=by_column(version.profile, metrics.total("feature_bin_total")),
        stages={stage: buckets.tolist() for stage, buckets in zip(STAGES, stages, strict=True)},
        batches=int(batches[:-1].sum()),
        batched_rows=round(int(batches[-1]) / 1_000_000),
        shed=int(metrics.total("shed_total").sum()),
        timed_out=int(metrics.total("timed_out_total").sum()),
        shadow_rows=_some(_by_only_label(metrics, "shadow_rows_total")),
        out_of_range=_some(_by_only_label(metrics, "out_of_range_total")),
    )


def _workers(seen: Everything) -> list[WorkerSnapshot]:
    started, generation = (seen.service.by_slot(name) for name in ("worker_started_timestamp_seconds", "generation"))
    waiting = sum((version.metrics.by_slot("waiting_rows") for version in seen.versions), np.zeros(SLOTS, np.int64))
    return [
        WorkerSnapshot(
            worker=str(slot),
            started_at=float(started[slot]),
            generation=int(generation[slot]),
            waiting_rows=int(waiting[slot]),
        )
        for slot in alive(seen)
    ]
