"""The table of metrics: every one stands here once, with its help and the values that its labels can take.

What is counted follows from the table: a layout gives each metric and combination of labels its place in a row of
shared integers. Names are Prometheus's, without the prefix; docs/metrics.md is written from this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from monitoring.alarms import MonitorName
from monitoring.outcome_errors import bin_labels
from monitoring.outcomes import SLOTS
from monitoring.shared_counts import Counts, SharedCounts
from monitoring.snapshot import Stage
from schemas.predictions import Variant

PREFIX = "plumbline_"

OTHER = "other"
"""What a label says for a value that the table does not foresee: series stay bounded, whatever comes."""

STAGES: tuple[Stage, ...] = get_args(Stage)
SECONDS = (*(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),)
ROWS = tuple(float(1 << power) for power in range(15))

Kind = Literal["counter", "gauge", "histogram"]
Scope = Literal["service", "version"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        scope: `version` ones carry the label `version`; all carry `model`.
        labels: its further labels, with their values where they are the same for every model.
        bounds: upper bounds of a histogram's buckets.
        counted: whether workers count it; else it is worked out when somebody asks.
        by_worker: whether each worker has a value of its own, under the label `worker`.
    """

    name: str
    kind: Kind
    scope: Scope
    help: str
    labels: Mapping[str, tuple[str, ...]]
    bounds: tuple[float, ...] = ()
    counted: bool = True
    by_worker: bool = False


def _of(scope: Scope, kind: Kind, name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return Metric(name, kind, scope, text, labels)


def _found(scope: Scope, name: str, text: str, kind: Kind = "gauge", **labels: tuple[str, ...]) -> Metric:
    return Metric(name, kind, scope, text, labels, counted=False)


def _gauge(scope: Scope, name: str, text: str) -> Metric:
    return Metric(name, "gauge", scope, text, {}, by_worker=True)


OPEN: tuple[str, ...] = ()
"""Label values that depend on the service or on the version."""

MONITORS: tuple[MonitorName, ...] = get_args(MonitorName)

TABLE = (
    _of("service", "counter", "requests_total", "Requests by endpoint and outcome", endpoint=OPEN, code=OPEN),
    _of("service", "counter", "errors_total", "Refused and failed requests by code", code=OPEN),
    _of(
        *("service", "counter", "cache_lookups_total", "Rows looked up in the cache by where the answer came from"),
        result=("memory", "shared", "joined", "computed", "unstorable"),
    ),
    _of(
        *("service", "counter", "shared_cache_problems_total", "What kept Redis from being used as the cache, by kind"),
        problem=("timeouts", "connection", "refused", "nonsense", "late", "breaker_open", "too_many", "unwritten"),
    ),
    _of("service", "counter", "swaps_total", "Changes of what is live, summed over workers"),
    _of("service", "counter", "refused_versions_total", "Versions that were not put live, by reason", reason=OPEN),
    _of("service", "counter", "outcomes_refused_total", "Outcomes that were not counted, by reason", reason=OPEN),
    _of(
        *("service", "counter", "prediction_log_total", "Predictions by what became of them in the prediction log"),
        result=("written", "dropped", "failed", "sampled_out"),
    ),
    _gauge("service", "generation", "Generation of the rollout plan that a worker runs"),
    _gauge("service", "planned_generation", "Generation of the rollout plan that a worker should run"),
    _gauge("service", "worker_started_timestamp_seconds", "When a worker started, Unix time"),
    _gauge("service", "worker_seen_timestamp_seconds", "When a worker last counted, Unix time"),
    _of(
        *("version", "counter", "predictions_total", "Predicted rows, by the part that the version played"),
        variant=get_args(Variant),
        cached=("true", "false"),
    ),
    Metric(
        *("stage_seconds", "histogram", "version", "Time of requests by stage, in seconds"),
        {"stage": STAGES},
        bounds=SECONDS,
    ),
    Metric("batch_rows", "histogram", "version", "Rows that the model computed at once", {}, bounds=ROWS),
    _gauge("version", "waiting_rows", "Rows that wait for the model now"),
    _of("version", "counter", "shed_total", "Requests refused because too many rows waited"),
    _of("version", "counter", "timed_out_total", "Requests whose deadline passed"),
    _of(
        *("version", "counter", "shadow_rows_total", "Rows mirrored to a shadow version"),
        result=("predicted", "dropped", "failed"),
    ),
    _gauge("version", "loaded_timestamp_seconds", "When a worker loaded the version, Unix time"),
    _of(
        *("version", "counter", "feature_bin_total", "Rows by feature and bin of training; `prediction` is one too"),
        feature=OPEN,
        bin=OPEN,
    ),
    _found("version", "feature_reference_share", "Share of the training rows in a bin", feature=OPEN, bin=OPEN),
    _found("version", "reference_rows", "Training rows behind the shares"),
    _of(
        *("version", "counter", "out_of_range_total", "Model inputs outside what training saw, by feature"),
        feature=OPEN,
    ),
    Metric(
        "outcome_counts",
        "counter",
        "version",
        "Outcomes, as monitoring/outcomes.py counts them",
        {"place": OPEN},
    ),
    Metric("outcome_pairs", "counter", "version", "Outcomes by predicted and actual bin", {"place": OPEN}),
    _found("version", "outcomes_total", "Outcomes that were counted", "counter"),
    _found("version", "outcome_with_interval_total", "Outcomes of predictions with an interval", "counter"),
    _found("version", "outcome_inside_total", "Outcomes inside their interval", "counter"),
    _found("version", "outcome_error_bin_total", "Outcomes by signed error", "counter", bin=tuple(bin_labels())),
    _found("version", "outcome_bias_ratio", "Signed median error since the version went live"),
    _found("version", "outcome_mape_ratio", "Mean absolute error since the version went live"),
    _found("version", "outcome_coverage_ratio", "Share of outcomes inside their interval since the version went live"),
    _found("version", "evidence", "log10 of the evidence that a monitor has for an alarm", monitor=MONITORS),
    _found("version", "alarm_line", "log10 of the evidence at which a monitor's alarm rings", monitor=MONITORS),
    _found("version", "alarm", "Whether a monitor's alarm rings, 0 or 1", monitor=MONITORS),
    _found("version", "feature_evidence", "log10 of the evidence for drift of one feature", feature=OPEN),
)

INTERNAL = frozenset({"outcome_counts", "outcome_pairs"})
"""Counted, but shown under other names."""

_PLACES = tuple(str(place) for place in range(SLOTS))
MICRO = 1_000_000

Labels = tuple[str, ...]
Values = Sequence[str] | Sequence[Labels] | Sequence[tuple[str, str]]


class Layout:
    """Where each counted metric of a scope stands in a row of integers.

    Args:
        scope: of the metrics.
        labels: for `metric.label`, the values where the table leaves them open; or, for a metric's name, its
            combinations of labels one by one.
    """

    def __init__(self, scope: Scope, labels: Mapping[str, Values]) -> None:
        self.metrics = {metric.name: metric for metric in TABLE if metric.scope == scope and metric.counted}
        self.places: dict[str, slice] = {}
        self.combinations: dict[str, dict[Labels, int]] = {}
        size = 0
        for metric in self.metrics.values():
            found = _combinations(metric, {"outcome_counts": _PLACES, **labels})
            width = len(metric.bounds) + 2 if metric.bounds else 1  # a histogram has its buckets, one more, and a sum
            self.combinations[metric.name] = {values: size + number * width for number, values in enumerate(found)}
            self.places[metric.name] = slice(size, size + len(found) * width)
            size += len(found) * width
        self.size = size

    @property
    def fingerprint(self) -> str:
        """Another layout has another one."""
        return blake2b(repr(self.combinations).encode(), digest_size=4).hexdigest()

    def place(self, name: str, values: Labels) -> int:
        """Where a combination stands; unforeseen values stand under `other` if the metric has that."""
        found = self.combinations[name]
        place = found.get(values)
        return place if place is not None else found[tuple(OTHER for _ in values)]


def _combinations(metric: Metric, labels: Mapping[str, Values]) -> list[Labels]:
    if metric.name in labels:
        return [(values,) if isinstance(values, str) else values for values in labels[metric.name]]
    each = [values or tuple(map(str, labels[f"{metric.name}.{name}"])) for name, values in metric.labels.items()]
    return list(product(*each))


class Metrics:
    """Counts of one scope, for one worker to add to and for all to sum.

    Args:
        layout: where what stands.
        shared: the integers.
    """

    def __init__(self, layout: Layout, shared: SharedCounts) -> None:
        self.layout, self.shared = layout, shared

    def begin(self) -> None:
        """Forget the worker's own values that the last owner of its slot left. What was counted stays."""
        for metric in self.layout.metrics.values():
            if metric.by_worker:
                self.set(metric.name, 0)

    def add(self, name: str, number: int, *values: str) -> None:
        """Count."""
        self.shared.own[self.layout.place(name, values)] += number

    def set(self, name: str, value: int, *values: str) -> None:
        """Set a worker's own value."""
        self.shared.own[self.layout.place(name, values)] = value

    def add_all(self, name: str, numbers: Counts) -> None:
        """Count for all combinations of a metric at once, in their order."""
        self.shared.own[self.layout.places[name]] += numbers

    def observe(self, name: str, measured: npt.ArrayLike, *values: str) -> None:
        """Count measured values, shape (n,), into a histogram; its sum is kept in millionths."""
        bounds = self.layout.metrics[name].bounds
        found = np.asarray(measured, np.float64)
        counts = np.bincount(np.searchsorted(bounds, found, side="left"), minlength=len(bounds) + 1)
        place = self.layout.place(name, values)
        own = self.shared.own
        own[place : place + len(counts)] += counts
        own[place + len(counts)] += round(float(found.sum()) * MICRO)

    def by_slot(self, name: str) -> Counts:
        """What each worker has set, shape (SLOTS,)."""
        return self.shared.rows[:, self.layout.place(name, ())].copy()

    def total(self, name: str) -> Counts:
        """The sums over all workers of all combinations of a metric, in their order."""
        return self.shared.summed(self.layout.places[name])

    def by_labels(self, name: str) -> dict[Labels, Counts]:
        """The same for each combination: one integer, or a histogram's buckets and sum."""
        combinations = self.layout.combinations[name]
        if not combinations:
            return {}
        return dict(zip(combinations, self.total(name).reshape(len(combinations), -1), strict=True))
