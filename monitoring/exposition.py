"""Metrics as Prometheus reads them: what workers counted, and what follows from it, collected when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from monitoring.bin_counter import labels_of
from monitoring.metrics import INTERNAL, MICRO, PREFIX, TABLE, Labels, Metric, Metrics, Scope
from monitoring.outcomes import FIRST_BIN, INSIDE, OUTCOMES, WITH_INTERVAL, OutcomeFigures
from monitoring.profile import Profile
from monitoring.watch import VersionEvidence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

STALE_SECONDS = 15.0
"""A worker that has not counted for so long is gone, and its own values are not shown."""

Found = Mapping[Labels, float]
"""Values by the labels of one metric."""


@dataclass(frozen=True)
class VersionMetrics:
    """What is known of one version.

    Args:
        evidence: what the worker that looks has found; None before its first look.
    """

    name: str
    metrics: Metrics
    profile: Profile
    evidence: VersionEvidence | None


@dataclass(frozen=True)
class Everything:
    """All that is shown of a model at one moment (`now`, Unix time)."""

    model: str
    now: float
    service: Metrics
    versions: Sequence[VersionMetrics]


class Exposition(Collector):
    """Collects the metrics of one model.

    Args:
        everything: reads what is known now.
    """

    def __init__(self, everything: Callable[[], Everything]) -> None:
        self._everything = everything
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The page that Prometheus scrapes."""
        return generate_latest(self._registry)

    def describe(self) -> list[Family]:
        """Nothing: it would be collected for it."""
        return []

    def collect(self) -> Iterator[Family]:
        """Every metric of the table that is shown."""
        seen = self._everything()
        living = alive(seen)
        found = [_worked_out(version) for version in seen.versions]
        for metric in TABLE:
            if metric.name in INTERNAL:
                continue
            family = _family(metric, _label_names(metric))
            if metric.scope == "service":
                _fill(family, metric, seen.service, None, (seen.model,), living)
            else:
                for version, derived in zip(seen.versions, found, strict=True):
                    _fill(family, metric, version.metrics, derived, (seen.model, version.name), living)
            yield family


def _label_names(metric: Metric) -> list[str]:
    scope: dict[Scope, list[str]] = {"service": ["model"], "version": ["model", "version"]}
    return [*scope[metric.scope], *metric.labels, *(["worker"] if metric.by_worker else [])]


def _family(metric: Metric, labels: Sequence[str]) -> Family:
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    made: Family = kinds[metric.kind](PREFIX + metric.name, metric.help, labels=labels)
    return made


def _fill(
    family: Family,
    metric: Metric,
    counts: Metrics,
    derived: Mapping[str, Found] | None,
    common: Labels,
    alive: list[int],
) -> None:
    if not metric.counted:
        for values, number in (derived or {}).get(metric.name, {}).items():
            family.add_metric([*common, *values], number)  # type: ignore[attr-defined]
        return
    if metric.by_worker:
        found = counts.by_slot(metric.name)
        for slot in alive:
            family.add_metric([*common, str(slot)], int(found[slot]))  # type: ignore[attr-defined]
        return
    for values, numbers in counts.by_labels(metric.name).items():
        if isinstance(family, HistogramMetricFamily):
            family.add_metric([*common, *values], *_histogram(metric, numbers.tolist()))
        else:
            family.add_metric([*common, *values], int(numbers[0]))  # type: ignore[attr-defined]


def _histogram(metric: Metric, numbers: Sequence[int]) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, and the sum."""
    below, buckets = 0, []
    for bound, number in zip([*metric.bounds, float("inf")], numbers[:-1], strict=True):
        below += int(number)
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(below)))
    return buckets, int(numbers[-1]) / MICRO


def alive(seen: Everything) -> list[int]:
    """The slots of workers that count."""
    last = seen.service.by_slot("worker_seen_timestamp_seconds")
    return [slot for slot in range(len(last)) if abs(seen.now - float(last[slot])) < STALE_SECONDS]


def _worked_out(version: VersionMetrics) -> dict[str, Found]:
    """What is not counted but follows from it."""
    outcomes = version.metrics.total("outcome_counts")
    figures = OutcomeFigures.of(outcomes)
    bins = next(metric for metric in TABLE if metric.name == "outcome_error_bin_total").labels["bin"]
    found: dict[str, Found] = {
        "reference_rows": {(): version.profile.rows},
        "feature_reference_share": _reference(version.profile),
        "outcomes_total": {(): int(outcomes[OUTCOMES])},
        "outcome_with_interval_total": {(): int(outcomes[WITH_INTERVAL])},
        "outcome_inside_total": {(): int(outcomes[INSIDE])},
        "outcome_error_bin_total": {
            (label,): int(number) for label, number in zip(bins, outcomes[FIRST_BIN:], strict=True)
        },
        "outcome_bias_ratio": _known(figures.bias),
        "outcome_mape_ratio": _known(figures.mean_error),
        "outcome_coverage_ratio": _known(figures.coverage),
    }
    if version.evidence is not None:
        monitors = version.evidence.monitors
        found["evidence"] = {(each.monitor,): each.evidence for each in monitors}
        found["alarm_line"] = {(each.monitor,): each.line for each in monitors}
        found["alarm"] = {(each.monitor,): int(each.ringing) for each in monitors}
        found["feature_evidence"] = {(name,): value for name, value in version.evidence.features.items()}
    return found


def _reference(profile: Profile) -> Found:
    counts = [count for column in profile.columns for count in column.counts]
    return {labels: count / max(profile.rows, 1) for labels, count in zip(labels_of(profile), counts, strict=True)}


def _known(figure: float | None) -> Found:
    return {} if figure is None else {(): figure}
