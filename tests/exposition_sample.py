"""What /metrics of a loaded service looks like, made from the table of metrics: a stand-in where a test needs hours of
traffic or an alarm, which a service cannot be made to show at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from monitoring.metrics import INTERNAL, PREFIX, TABLE, Metric

MODEL, STABLE, CANARY = "house_prices", "20161231", "20170331"
VERSIONS = (STABLE, CANARY)
BINS = ("low", "middle", "high", "missing")
REFERENCE = (0.3, 0.4, 0.29, 0.01)

OPEN = {
    "endpoint": ("/predict", "/predict_batch", "/outcomes"),
    "code": ("ok", "validation", "inference", "overloaded"),
    "feature": ("living_area_sqft", "area_code", "prediction"),
    "bin": BINS,
    "worker": ("0", "1"),
}
"""Values of labels that the table leaves open."""

REASONS = {"refused_versions_total": ("digest", "golden"), "outcomes_refused_total": ("forged", "doubled")}

RATES = {"stage_seconds": 40.0, "batch_rows": 10.0, "shed_total": 0.5, "outcomes_total": 6.0}
"""Events a second of each series of a counter or histogram, where it is not 10."""

GAUGES = {
    "generation": 4.0,
    "planned_generation": 5.0,  # of another than the one that runs
    "loaded_timestamp_seconds": 1_400_000_000.0,  # old
    "worker_started_timestamp_seconds": 1_700_000_000.0,
    "worker_seen_timestamp_seconds": 1_700_000_000.0,
    "waiting_rows": 3.0,
    "reference_rows": 20_000.0,
    "outcome_bias_ratio": -0.07,
    "outcome_mape_ratio": 0.16,
    "outcome_coverage_ratio": 0.81,
    "evidence": 4.2,
    "alarm_line": 3.5,
    "feature_evidence": 2.1,
}

SHOWN = {PREFIX + metric.name: metric for metric in TABLE if metric.name not in INTERNAL}
"""What a service shows, by full name (a histogram without its suffix)."""


def label_names(metric: Metric) -> list[str]:
    """Every label that a series of it carries, in the order of the exposition."""
    scope = ["model", "version"] if metric.scope == "version" else ["model"]
    return [*scope, *metric.labels, *(["worker"] if metric.by_worker else [])]


class Sample:
    """A collector that shows every metric of the table as it would stand after `seconds` of traffic."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def text(self) -> bytes:
        """The page that Prometheus scrapes."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterable[Family]:
        """One family for each metric."""
        return [self._family(name, metric) for name, metric in SHOWN.items()]

    def _family(self, name: str, metric: Metric) -> Family:
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
        family: Family = kinds[metric.kind](name, metric.help, labels=label_names(metric))
        for labels in _combinations(metric):
            value = self._value(metric, labels)
            add = family.add_metric  # type: ignore[attr-defined]
            if metric.kind == "histogram":
                add(list(labels.values()), _buckets(metric, value), value * 0.02)
            else:
                add(list(labels.values()), value)
        return family

    def _value(self, metric: Metric, labels: dict[str, str]) -> float:
        if metric.name == "feature_bin_total":
            return float(int(40 * self.seconds * _share(labels)))
        if metric.name == "feature_reference_share":
            return REFERENCE[BINS.index(labels["bin"])]
        if metric.name == "alarm":
            return float(labels["version"] == CANARY)
        if metric.kind == "gauge":
            return GAUGES[metric.name]
        return float(int(RATES.get(metric.name, 10.0) * self.seconds))


def _share(labels: dict[str, str]) -> float:
    """The canary's rows lie higher than training's in every feature but the area code."""
    moved = labels["version"] == CANARY and labels["feature"] != "area_code"
    return REFERENCE[BINS.index(labels["bin"])] + ({"low": -0.2, "high": 0.2}.get(labels["bin"], 0.0) if moved else 0.0)


def _combinations(metric: Metric) -> Iterator[dict[str, str]]:
    names = label_names(metric)
    known = {"model": (MODEL,), "version": VERSIONS, **OPEN, "reason": REASONS.get(metric.name, ())}
    for values in product(*(metric.labels.get(name) or known[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def _buckets(metric: Metric, count: float) -> list[tuple[str, float]]:
    """Cumulative, spread evenly over the bounds."""
    width = len(metric.bounds) + 1
    buckets = [(repr(bound), float(int(count * (at + 1) / width))) for at, bound in enumerate(metric.bounds)]
    return [*buckets, ("+Inf", count)]
